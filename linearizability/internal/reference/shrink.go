package reference

import (
	"cmp"
	"fmt"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Shrink makes a history smaller as long as it keeps a property. It takes out whole
// processes, then operations and events, then what these say, and in the end offsets that
// nothing is at.
func Shrink(h *lin.History, keeps func(*lin.History) bool) *lin.History {
	for again := true; again; {
		again = false
		for _, cut := range cuts {
			// From the last to the first, because less depends on the last.
			for n := cut.count(h) - 1; n >= 0; n-- {
				if n >= cut.count(h) {
					continue
				}
				c := clone(h)
				if cut.out(c, n); keeps(c) {
					h, again = c, true
				}
			}
		}
	}
	return h
}

// A cut is a way to make a history smaller.
type cut struct {
	count func(*lin.History) int // the number of places
	out   func(*lin.History, int)
}

var cuts = []cut{
	{func(h *lin.History) int { return len(processes(h)) }, cutProcess},
	{func(h *lin.History) int { return len(h.Ops) }, func(h *lin.History, n int) { h.Ops = slices.Delete(h.Ops, n, n+1) }},
	{func(h *lin.History) int { return len(h.Log) }, func(h *lin.History, n int) { h.Log = slices.Delete(h.Log, n, n+1) }},
	{func(h *lin.History) int { return len(h.Hooks) }, func(h *lin.History, n int) { h.Hooks = slices.Delete(h.Hooks, n, n+1) }},
	{func(h *lin.History) int { return len(h.Rebuilds) }, func(h *lin.History, n int) { h.Rebuilds = slices.Delete(h.Rebuilds, n, n+1) }},
	{func(h *lin.History) int { return len(h.Snapshots) }, func(h *lin.History, n int) { h.Snapshots = slices.Delete(h.Snapshots, n, n+1) }},
	{func(h *lin.History) int { return map[bool]int{true: 1}[h.Header.Hooks] }, func(h *lin.History, _ int) { h.Header.Hooks = false }},
	{func(h *lin.History) int { return len(sayings(h)) }, func(h *lin.History, n int) { sayings(h)[n]() }},
	{func(h *lin.History) int { return len(gaps(h)) }, cutOffset},
}

// cutProcess takes a process out.
func cutProcess(h *lin.History, n int) {
	var all []string
	for name := range processes(h) {
		all = append(all, name)
	}
	slices.Sort(all)
	is := func(client string, proc int) bool { return fmt.Sprintf("%s/%d", client, proc) == all[n] }
	h.Ops = slices.DeleteFunc(h.Ops, func(o lin.Operation) bool { return is(o.Client, o.Process) })
	h.Hooks = slices.DeleteFunc(h.Hooks, func(k lin.Hook) bool { return is(k.Client, k.Process) })
	h.Rebuilds = slices.DeleteFunc(h.Rebuilds, func(b lin.Rebuild) bool { return is(b.Client, b.Process) })
	h.Snapshots = slices.DeleteFunc(h.Snapshots, func(s lin.Snapshot) bool { return is(s.Client, s.Process) })
}

// sayings returns functions that each take something out of what an event says.
func sayings(h *lin.History) (all []func()) {
	unless := func(idle bool, f func()) {
		if !idle {
			all = append(all, f)
		}
	}
	number := func(n *int64) { unless(*n == lin.None, func() { *n = lin.None }) }
	list := func(items *[]lin.Item) {
		for i := range *items {
			number(&(*items)[i].Revision)
			all = append(all, func() { *items = slices.Delete(*items, i, i+1) })
		}
	}
	for i := range h.Ops {
		o := &h.Ops[i]
		number(&o.Position)
		if o.Kind != lin.OpWait {
			number(&o.Revision)
		}
		unless(!o.Barrier, func() { o.Barrier = false })
		unless(o.Class == lin.ErrorNone, func() { o.Class = lin.ErrorNone })
		unless(o.Limit == 0, func() { o.Limit = 0 })
		unless(o.Start == "", func() { o.Start = "" })
		unless(o.End == "", func() { o.End = "" })
		unless(o.Return.Seq == 0 || o.Outcome == lin.OK, func() { o.Return, o.Outcome, o.Err = lin.Stamp{}, lin.Pending, "" })
		list(&o.Items)
		unless(o.Kind != lin.OpBatch || len(o.Items) != 1, func() {
			o.Kind, o.Key, o.Value = lin.OpPut, o.Items[0].Key, o.Items[0].Value
			if o.Items = nil; o.Value == "" {
				o.Kind = lin.OpDelete
			}
		})
	}
	for i := range h.Log {
		e := &h.Log[i]
		unless(e.Txn == "" || e.Kind != lin.LogAppend, func() { e.Txn = "" })
		unless(!e.Foreign || e.Key == "", func() { e.Key, e.Value = "", "" })
		for n := range e.Removed {
			all = append(all, func() { e.Removed = slices.Delete(slices.Clone(e.Removed), n, n+1) })
		}
		for n := range e.Returned {
			all = append(all, func() { e.Returned = slices.Delete(slices.Clone(e.Returned), n, n+1) })
		}
	}
	for i := range h.Hooks {
		number(&h.Hooks[i].Offset)
	}
	for i := range h.Snapshots {
		number(&h.Snapshots[i].Position)
		list(&h.Snapshots[i].Items)
	}
	return all
}

// gaps returns the offsets below that of some log event at which no record is.
func gaps(h *lin.History) (free []int64) {
	most, taken := int64(0), map[int64]bool{}
	for _, e := range h.Log {
		most = max(most, e.Offset)
		if e.Kind == lin.LogAppend {
			taken[e.Offset] = true
		}
	}
	for o := range most {
		if !taken[o] {
			free = append(free, o)
		}
	}
	return free
}

// cutOffset takes a gap out: all that is above it gets one lower.
func cutOffset(h *lin.History, n int) {
	at := gaps(h)[n]
	lower := func(all ...*int64) {
		for _, o := range all {
			if *o > at {
				*o--
			}
		}
	}
	lowerAll := func(items []lin.Item) {
		for i := range items {
			lower(&items[i].Revision)
		}
	}
	for i := range h.Ops {
		lower(&h.Ops[i].Revision, &h.Ops[i].Position)
		lowerAll(h.Ops[i].Items)
	}
	for i := range h.Log {
		e := &h.Log[i]
		lower(&e.Offset)
		e.Removed, e.Returned = slices.Clone(e.Removed), slices.Clone(e.Returned)
		for n := range e.Removed {
			lower(&e.Removed[n])
		}
		for n := range e.Returned {
			lower(&e.Returned[n])
		}
	}
	for i := range h.Hooks {
		lower(&h.Hooks[i].Offset)
	}
	for i := range h.Snapshots {
		lower(&h.Snapshots[i].Position)
		lowerAll(h.Snapshots[i].Items)
	}
}

// clone returns a copy that may be changed, except for what log events list.
func clone(h *lin.History) *lin.History {
	c := *h
	c.Ops, c.Log = slices.Clone(h.Ops), slices.Clone(h.Log)
	c.Hooks, c.Rebuilds, c.Snapshots = slices.Clone(h.Hooks), slices.Clone(h.Rebuilds), slices.Clone(h.Snapshots)
	for i := range c.Ops {
		c.Ops[i].Items = slices.Clone(c.Ops[i].Items)
	}
	for i := range c.Snapshots {
		c.Snapshots[i].Items = slices.Clone(c.Snapshots[i].Items)
	}
	return &c
}

// sorted puts the events in the order of their numbers.
func sorted(h *lin.History) {
	slices.SortFunc(h.Ops, func(a, b lin.Operation) int { return cmp.Compare(a.Call.Seq, b.Call.Seq) })
	slices.SortFunc(h.Log, func(a, b lin.LogEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortFunc(h.Hooks, func(a, b lin.Hook) int { return cmp.Compare(a.Seq, b.Seq) })
}
