package reference

import (
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Operations reports which of the two promises that need no log the writes and gets of a
// history keep: that writes and barrier reads of each key are linearizable, and that other
// reads may lag, but never go back and never miss the writes of their own process. Where only
// is not nil, it looks at the keys for which that is true.
func Operations(h *lin.History, only func(key string) bool) (register, session bool) {
	register, session = true, true
	for _, key := range keysOf(h) {
		if only != nil && !only(key) {
			continue
		}
		k := touching(h, key)
		register = register && k.isRegister()
		session = session && k.neverGoesBack()
	}
	return register, session
}

func keysOf(h *lin.History) (all []string) {
	for _, op := range h.Ops {
		if op.Kind == lin.OpGet {
			all = append(all, op.Key)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A touch is a write or a get of one key. It takes place between its call and its return.
type touch struct {
	by        string
	write     bool
	value     string
	call, ret int64
	maybe     bool // a write that may never take place
	// barrier says that a get takes place after since, which is the call of a sync, or its own.
	barrier bool
	since   int64
}

// A keyed is all that was done to one key.
type keyed struct{ writes, gets []*touch }

func touching(h *lin.History, key string) (k keyed) {
	for i := range h.Ops {
		op := &h.Ops[i]
		t := &touch{by: process(op.Client, op.Process), call: op.Call.Seq, ret: op.Return.Seq, value: op.Value}
		switch {
		case op.Kind == lin.OpGet && op.Outcome == lin.OK && op.Key == key:
			t.since, t.barrier = t.call, op.Barrier
			if before := lastBefore(h, op); before != nil && before.Kind == lin.OpSync {
				t.since, t.barrier = before.Call.Seq, true
			}
			k.gets = append(k.gets, t)
		case op.Kind.Writes() && op.Outcome != lin.Failed:
			if op.Outcome != lin.OK {
				t.ret, t.maybe = forever, true
			}
			// A batch takes place whole, so nobody sees what it overwrites itself.
			for _, it := range items(op) {
				if it.Key == key {
					t.write, t.value = true, it.Value
				}
			}
			if t.write {
				k.writes = append(k.writes, t)
			}
		}
	}
	return k
}

// lastBefore returns the last operation that its process completed before it called another.
func lastBefore(h *lin.History, op *lin.Operation) (last *lin.Operation) {
	for i := range h.Ops {
		o := &h.Ops[i]
		same := o.Client == op.Client && o.Process == op.Process
		if same && o.Outcome == lin.OK && o.Return.Seq < op.Call.Seq && (last == nil || o.Return.Seq > last.Return.Seq) {
			last = o
		}
	}
	return last
}

// orders tries each order of all touches that real time allows, with and without those that may
// never take place, until done accepts one. It goes on with the beginning of an order only if
// fits accepts that.
func orders(begun, rest []*touch, fits, done func([]*touch) bool) bool {
	if !slices.ContainsFunc(rest, func(t *touch) bool { return !t.maybe }) && done(begun) {
		return true
	}
	for i, t := range rest {
		if slices.ContainsFunc(rest, func(o *touch) bool { return o.ret < t.call }) {
			continue // that one comes first
		}
		now := append(slices.Clone(begun), t)
		if fits(now) && orders(now, slices.Delete(slices.Clone(rest), i, i+1), fits, done) {
			return true
		}
	}
	return false
}

// isRegister reports whether some order explains that each barrier read returns what was
// written last.
func (k keyed) isRegister() bool {
	all := slices.Clone(k.writes)
	for _, g := range k.gets {
		if g.barrier {
			at := *g
			at.call = g.since
			all = append(all, &at)
		}
	}
	return orders(nil, all, func(begun []*touch) bool {
		last := begun[len(begun)-1]
		if last.write {
			return true
		}
		for i := len(begun) - 1; i >= 0; i-- {
			if begun[i].write {
				return begun[i].value == last.value
			}
		}
		return last.value == ""
	}, func([]*touch) bool { return true })
}

// neverGoesBack reports whether in some order of the writes each get can have returned the value
// of a write that is not before any which its process had seen, by a get or as its own.
func (k keyed) neverGoesBack() bool {
	gets := slices.Clone(k.gets)
	slices.SortFunc(gets, func(a, b *touch) int { return int(a.ret - b.ret) })
	return orders(nil, k.writes, func([]*touch) bool { return true }, func(order []*touch) bool {
		seen := map[*touch]int{} // by get: how many writes the state that it returned has, at least
		for _, g := range gets {
			least := 0
			for n, w := range order {
				if w.by == g.by && w.ret < g.call {
					least = n + 1
				}
			}
			for before, n := range seen {
				if before.by == g.by && before.ret < g.call {
					least = max(least, n)
				}
			}
			n, found := stateWith(order, g, least)
			if !found {
				return false
			}
			seen[g] = n
		}
		return true
	})
}

// stateWith returns the least number of writes, at least so many, after which the key has the value
// that a get returned, if they all can have taken place before it returned.
func stateWith(order []*touch, g *touch, least int) (int, bool) {
	for n := range len(order) + 1 {
		if n > 0 && order[n-1].call > g.ret {
			break
		}
		if n >= least && (n == 0 && g.value == "" || n > 0 && order[n-1].value == g.value) {
			return n, true
		}
	}
	return 0, false
}
