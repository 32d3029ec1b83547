package reference

import (
	"math/rand/v2"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// rulesOfTheLog change what happened to the log, or several events together.
var rulesOfTheLog = []rule{
	{"end-of-transaction", logEvent(func(e *lin.LogEvent) bool { return e.Kind == lin.LogCommit || e.Kind == lin.LogAbort },
		func(_ *rand.Rand, _ *lin.History, e *lin.LogEvent) { e.Kind = lin.LogCommit + lin.LogAbort - e.Kind })},
	{"never-ended", without(func(h *lin.History) *[]lin.LogEvent { return &h.Log }, func(e *lin.LogEvent) bool {
		return e.Kind == lin.LogCommit || e.Kind == lin.LogAbort
	})},
	{"compaction-missing", without(func(h *lin.History) *[]lin.LogEvent { return &h.Log }, func(e *lin.LogEvent) bool {
		return e.Kind == lin.LogCompact
	})},
	{"deletion-missing", without(func(h *lin.History) *[]lin.LogEvent { return &h.Log }, func(e *lin.LogEvent) bool {
		return e.Kind == lin.LogTrim
	})},
	{"deletion-moved", logEvent(func(e *lin.LogEvent) bool { return e.Kind == lin.LogTrim },
		func(rng *rand.Rand, _ *lin.History, e *lin.LogEvent) { e.Offset = shift(rng, e.Offset) })},
	{"end-moved", logEvent(func(e *lin.LogEvent) bool { return e.Kind == lin.LogEnd },
		func(rng *rand.Rand, h *lin.History, e *lin.LogEvent) {
			if e.Offset = shift(rng, e.Offset); h.Header.Tap != lin.TapExact {
				e.Offset /= 2 // above what is noted by then it would be the tap that is wrong
			}
		})},
	{"append-late", logEvent(isAppend, func(rng *rand.Rand, h *lin.History, e *lin.LogEvent) {
		next := slices.IndexFunc(h.Log, func(o lin.LogEvent) bool { return o.Seq > e.Seq })
		most := e.Seq + 100
		if next >= 0 {
			most = h.Log[next].Seq
		}
		e.Seq = most - 1 - rng.Int64N(2)
	})},
	{"in-a-transaction", func(rng *rand.Rand, h *lin.History) bool {
		e := pick(rng, h.Log, isAppend)
		if e == nil {
			return false
		}
		e.Txn = "x"
		h.Log = append(h.Log, endOf(rng, e))
		return true
	}},
	{"tried-again", func(rng *rand.Rand, h *lin.History) bool {
		e := pick(rng, h.Log, isAppend)
		if e == nil {
			return false
		}
		again, last := *e, h.Log[len(h.Log)-1]
		for _, l := range h.Log {
			if l.Kind == lin.LogAppend {
				again.Offset = l.Offset + 1
			}
		}
		again.Seq, again.Txn = last.Seq+1+rng.Int64N(3), "x"
		h.Header.Version = 2
		h.Log = append(h.Log, again, endOf(rng, &again))
		return true
	}},
	{"interrupted", func(rng *rand.Rand, h *lin.History) bool {
		if len(h.Log) == 0 {
			return false
		}
		at := h.Log[rng.IntN(len(h.Log))].Seq
		cutOff(h, at+1)
		return true
	}},
	{"rebuild-missing", without(func(h *lin.History) *[]lin.Rebuild { return &h.Rebuilds }, func(*lin.Rebuild) bool { return true })},
	{"rebuild-doubled", func(rng *rand.Rand, h *lin.History) bool {
		b := pick(rng, h.Rebuilds, func(*lin.Rebuild) bool { return true })
		if b == nil {
			return false
		}
		twice := *b
		twice.Seq += 1 + 10*rng.Int64N(3)
		h.Rebuilds = append(h.Rebuilds, twice)
		slices.SortFunc(h.Rebuilds, func(a, b lin.Rebuild) int { return int(a.Seq - b.Seq) })
		return true
	}},
	{"reads-swapped", func(rng *rand.Rand, h *lin.History) bool {
		a := pick(rng, h.Ops, ok(lin.OpGet))
		if a == nil {
			return false
		}
		b := pick(rng, h.Ops, func(o *lin.Operation) bool {
			return ok(lin.OpGet)(o) && o.Key == a.Key && o.ID != a.ID && o.Value != a.Value
		})
		if b == nil {
			return false
		}
		a.Value, a.Revision, b.Value, b.Revision = b.Value, b.Revision, a.Value, a.Revision
		return true
	}},
	{"restart-hidden", func(rng *rand.Rand, h *lin.History) bool {
		o := pick(rng, h.Ops, func(o *lin.Operation) bool { return o.Process > 1 })
		if o == nil {
			return false
		}
		client, from := o.Client, o.Process
		hide := func(c string, n *int) {
			if c == client && *n == from {
				*n = from - 1
			}
		}
		for i := range h.Ops {
			hide(h.Ops[i].Client, &h.Ops[i].Process)
		}
		for i := range h.Hooks {
			hide(h.Hooks[i].Client, &h.Hooks[i].Process)
		}
		for i := range h.Rebuilds {
			hide(h.Rebuilds[i].Client, &h.Rebuilds[i].Process)
		}
		for i := range h.Snapshots {
			hide(h.Snapshots[i].Client, &h.Snapshots[i].Process)
		}
		return true
	}},
	{"client-of-another", op(func(o *lin.Operation) bool { return o.Outcome == lin.OK && o.Kind.Reads() }, func(rng *rand.Rand, h *lin.History, o *lin.Operation) {
		p := h.Ops[rng.IntN(len(h.Ops))]
		o.Client, o.Process = p.Client, p.Process
	})},
}

// endOf returns the end of the transaction of a record, right after it.
func endOf(rng *rand.Rand, e *lin.LogEvent) lin.LogEvent {
	end := lin.LogEvent{Stamp: lin.Stamp{Seq: e.Seq + 1}, Kind: lin.LogAbort, Record: lin.Record{Txn: e.Txn}}
	if rng.IntN(3) == 0 {
		end.Kind = lin.LogCommit
	}
	return end
}

// cutOff ends a history before an event.
func cutOff(h *lin.History, at int64) {
	h.Ops = slices.DeleteFunc(h.Ops, func(o lin.Operation) bool { return o.Call.Seq >= at })
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Return.Seq >= at {
			o.Return, o.Outcome, o.Position, o.Class = lin.Stamp{}, lin.Pending, lin.None, 0
			if o.Kind != lin.OpWait {
				o.Revision = lin.None
			}
			if o.Kind == lin.OpGet {
				o.Value = ""
			}
			if o.Kind == lin.OpRange {
				o.Items = nil
			}
			for i := range o.Items {
				o.Items[i].Revision = lin.None
			}
		}
	}
	h.Log = slices.DeleteFunc(h.Log, func(e lin.LogEvent) bool { return e.Seq >= at })
	h.Hooks = slices.DeleteFunc(h.Hooks, func(k lin.Hook) bool { return k.Seq >= at })
	h.Rebuilds = slices.DeleteFunc(h.Rebuilds, func(b lin.Rebuild) bool { return b.Seq >= at })
	h.Snapshots = slices.DeleteFunc(h.Snapshots, func(s lin.Snapshot) bool { return s.Seq >= at })
}

// logEvent applies a change to a random log event that matches.
func logEvent(match func(*lin.LogEvent) bool, change func(*rand.Rand, *lin.History, *lin.LogEvent)) func(*rand.Rand, *lin.History) bool {
	return func(rng *rand.Rand, h *lin.History) bool {
		e := pick(rng, h.Log, match)
		if e != nil {
			change(rng, h, e)
		}
		return e != nil
	}
}

// without takes a random event that matches out of a list.
func without[E any](list func(*lin.History) *[]E, match func(*E) bool) func(*rand.Rand, *lin.History) bool {
	return func(rng *rand.Rand, h *lin.History) bool {
		all := list(h)
		var fit []int
		for i := range *all {
			if match(&(*all)[i]) {
				fit = append(fit, i)
			}
		}
		if len(fit) == 0 {
			return false
		}
		i := fit[rng.IntN(len(fit))]
		*all = slices.Delete(*all, i, i+1)
		return true
	}
}
