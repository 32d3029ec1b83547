package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// An event is one thing that a process did or saw.
type event struct {
	seq   int64
	op    *lin.Operation // of a call or a return
	end   bool           // of a return
	snap  *lin.Snapshot
	hook  *lin.Hook
	again *lin.Rebuild
}

// processes returns the events of each process in order.
func processes(h *lin.History) map[string][]event {
	all := map[string][]event{}
	add := func(client string, proc int, e event) {
		name := fmt.Sprintf("%s/%d", client, proc)
		all[name] = append(all[name], e)
	}
	for i := range h.Ops {
		op := &h.Ops[i]
		add(op.Client, op.Process, event{seq: op.Call.Seq, op: op})
		if op.Return.Seq != 0 {
			add(op.Client, op.Process, event{seq: op.Return.Seq, op: op, end: true})
		}
	}
	for i := range h.Snapshots {
		if s := &h.Snapshots[i]; s.Kind != lin.SnapshotCold {
			add(s.Client, s.Process, event{seq: s.Seq, snap: s})
		}
	}
	for i := range h.Hooks {
		add(h.Hooks[i].Client, h.Hooks[i].Process, event{seq: h.Hooks[i].Seq, hook: &h.Hooks[i]})
	}
	for i := range h.Rebuilds {
		add(h.Rebuilds[i].Client, h.Rebuilds[i].Process, event{seq: h.Rebuilds[i].Seq, again: &h.Rebuilds[i]})
	}
	for _, es := range all {
		slices.SortFunc(es, func(a, b event) int { return cmp.Compare(a.seq, b.seq) })
	}
	return all
}

// A judge judges one history under one assignment.
type judge struct {
	h *lin.History
	t *timeline
	a *assignment
}

// begin returns the states in which a process may begin.
func (j *judge) begin(es []event) set {
	for _, e := range es {
		if e.op != nil && e.op.Kind == lin.OpOpen {
			s := set{}
			for i := 0; i <= j.t.current(e.seq); i++ {
				// With a late tap, a loss may be noted long before it happens.
				if i == j.t.current(e.seq) || j.h.Header.Tap != lin.TapExact {
					for _, first := range j.t.starts(j.t.eras[i], e.seq) {
						x := state{era: i, base: first, at: first}
						s[x.key()] = x
					}
				}
			}
			return s
		}
	}
	return of(state{})
}

// acknowledged returns the records of all writes that had been acknowledged at a moment.
func (j *judge) acknowledged(now int64) (all []*record) {
	for op := range j.a.attempts {
		if op.Outcome == lin.OK && op.Return.Seq < now {
			all = append(all, j.a.written(op)...)
		}
	}
	return all
}

// includesAll reports whether a state includes all records that are still in the log.
func (j *judge) includesAll(s state, rs []*record, now int64) bool {
	return !slices.ContainsFunc(rs, func(r *record) bool { return r.lost > now && !j.t.includes(s, r) })
}

// torn reports whether a position is inside a batch.
func (j *judge) torn(s state) bool {
	for op, attempts := range j.a.attempts {
		for _, rs := range attempts {
			first := rs[0]
			last := first.Offset + int64(len(items(op))) - 1
			if j.t.eras[s.era].records[first.Offset] == first && first.Offset < s.at && s.at <= last && s.base <= first.Offset {
				return true
			}
		}
	}
	return false
}

// answers reports whether a read may return what it did in a state.
func (j *judge) answers(op *lin.Operation, s state) bool {
	if j.torn(s) {
		return false
	}
	all := j.t.contents(s)
	if op.Kind == lin.OpGet {
		i := slices.IndexFunc(all, func(it lin.Item) bool { return it.Key == op.Key })
		if i < 0 {
			return op.Value == "" && op.Revision == lin.None
		}
		return op.Value == all[i].Value && (op.Revision == lin.None || op.Revision == all[i].Revision)
	}
	want := slices.DeleteFunc(all, func(it lin.Item) bool { return it.Key < op.Start || op.End != "" && it.Key >= op.End })
	if op.Limit > 0 && len(want) > op.Limit {
		want = want[:op.Limit]
	}
	return same(op.Items, want)
}

// same reports whether items are equal, as far as their revisions are known.
func same(got, want []lin.Item) bool {
	return slices.EqualFunc(got, want, func(a, b lin.Item) bool {
		return a.Key == b.Key && a.Value == b.Value && (a.Revision == lin.None || b.Revision == lin.None || a.Revision == b.Revision)
	})
}

// follows reports whether there is a way to follow the log that explains all that a
// process returned.
func (j *judge) follows(es []event) bool {
	s := j.begin(es)
	pending := map[int64]*lin.Operation{}
	if !j.advances(es) {
		return false
	}
	for _, e := range es {
		s.closure(func(x state) []state { return j.move(x, e.seq, pending) })
		switch {
		case e.snap != nil:
			s.keep(func(x state) bool { return j.snapshot(e.snap, x) })
		case e.again != nil:
			j.again(s, e.seq, until(es, e.seq))
		case e.op == nil:
		case !e.end:
			pending[e.op.ID] = e.op
		default:
			delete(pending, e.op.ID)
			if e.op.Outcome == lin.OK {
				s.keep(func(x state) bool { return j.returns(e.op, x) })
			}
			past := set{}
			for _, x := range s {
				for _, id := range []int64{e.op.ID, -e.op.ID} {
					x.done = strings.Replace(","+x.done, ","+list(id), ",", 1)[1:]
				}
				past[x.key()] = x
			}
			s = past
		}
		if len(s) == 0 {
			return false
		}
	}
	return true
}

// advances reports whether the positions that a process reports never go back, unless the
// log lost something in between.
func (j *judge) advances(es []event) bool {
	for _, e := range es {
		if e.op == nil || !e.end || e.op.Outcome != lin.OK || e.op.Position == lin.None {
			continue
		}
		for _, l := range es {
			if l.op == nil || !l.end || l.op.Outcome != lin.OK || l.op.Position == lin.None {
				continue
			}
			if l.op.Call.Seq > e.seq && l.op.Position < e.op.Position && !j.lostSince(e, l.seq) {
				return false
			}
		}
	}
	return true
}

// lostSince reports whether the log had lost records by an event, since it was one in which a process
// may have been at the position that it reported before. It may find that out at any time later, and
// then go back. With a late tap, it is not known when records were deleted.
func (j *judge) lostSince(e event, seq int64) bool {
	i := 0
	for i < j.t.current(e.seq) && j.t.stable(j.t.eras[i], e.seq) < e.op.Position {
		i++
	}
	start := int64(0)
	return j.lostBetween(j.t.eras[i].since, seq) || slices.ContainsFunc(j.h.Log, func(l lin.LogEvent) bool {
		more := l.Kind == lin.LogTrim && l.Offset > start
		if more {
			start = l.Offset
		}
		return more && (l.Seq < seq || j.t.late)
	})
}

// lostBetween reports whether the log lost its end between two events.
func (j *judge) lostBetween(from, to int64) bool {
	return slices.ContainsFunc(j.h.Log, func(l lin.LogEvent) bool {
		return (l.Kind == lin.LogTruncate || l.Kind == lin.LogRecreate) && l.Seq > from && l.Seq < to
	})
}

// again adds the states of a process that reads the log again, up to where it was, by an event.
func (j *judge) again(s set, now, by int64) {
	for _, x := range s {
		at := x.at
		for i := x.era; i <= j.t.current(now); i++ {
			e := j.t.eras[i]
			if i > x.era {
				at = min(at, e.cut)
			}
			for _, first := range j.t.starts(e, now) {
				to := state{era: i, base: first, at: max(first, at), done: x.done, again: true, fresh: now}
				j.skipping(to, first, by, func(to state) { s[to.key()] = to })
			}
		}
	}
}

// move returns what a process may do by itself: step, let a pending operation take place,
// or have the position that an operation reports afterwards.
func (j *judge) move(x state, now int64, pending map[int64]*lin.Operation) []state {
	next := j.t.steps(x, now, false)
	for id, op := range pending {
		to := x
		switch {
		case op.Outcome != lin.OK:
			continue
		case !has(x.done, id) && j.completes(op, x):
			to.done += list(id)
			to.again = false // nothing takes place while the log is reread
		case has(x.done, id) && j.at(op, x):
			to.done += list(-id)
		default:
			continue
		}
		next = append(next, to)
	}
	for i := range next {
		next[i] = next[i].sorted()
	}
	return next
}

// at reports whether an operation may find a process at the position that it reports, and
// has not yet.
func (j *judge) at(op *lin.Operation, x state) bool {
	switch {
	case op.Position == lin.None || has(x.done, -op.ID):
		return false
	case j.h.Header.Tap == lin.TapExact:
		return op.Position == x.at || op.Position < x.at && x.again
	case x.at < op.Position:
		return false
	}
	again := x.again
	x.at = op.Position
	// After the loss of what it wrote, its process is elsewhere.
	return !op.Kind.Writes() || again || j.completes(op, x) || !slices.ContainsFunc(j.a.attempts[op], func(rs []*record) bool {
		return j.t.eras[x.era].records[rs[0].Offset] == rs[0]
	})
}

// completes reports whether an operation may take place in a state.
func (j *judge) completes(op *lin.Operation, x state) bool {
	switch op.Kind {
	case lin.OpGet, lin.OpRange:
		return j.answers(op, x) && (!op.Barrier || j.caughtUp(x, op))
	case lin.OpPut, lin.OpDelete, lin.OpBatch:
		// It has applied them, even if the log lost them since.
		return len(items(op)) == 0 || slices.ContainsFunc(j.a.attempts[op], func(rs []*record) bool {
			return revised(op, rs) && !j.a.aborted(rs) && !slices.ContainsFunc(rs, func(r *record) bool { return !j.t.includes(x, r) })
		})
	case lin.OpWait:
		return x.at > op.Revision
	case lin.OpSync, lin.OpOpen:
		return j.caughtUp(x, op)
	}
	return true
}

// returns reports whether an operation may return successfully in a state.
func (j *judge) returns(op *lin.Operation, x state) bool {
	switch {
	case !has(x.done, op.ID):
		return false
	case op.Position == lin.None:
		return true
	}
	return has(x.done, -op.ID)
}

// includesRead reports whether a state includes all values that gets of anyone had returned before
// an operation was called: of each, one of the records that may have been read.
func (j *judge) includesRead(x state, op *lin.Operation) bool {
	for i := range j.h.Ops {
		get := &j.h.Ops[i]
		if get.Kind != lin.OpGet || get.Outcome != lin.OK || get.Value == "" || get.Return.Seq > op.Call.Seq {
			continue
		}
		if !slices.ContainsFunc(j.t.records, func(r *record) bool {
			return r.Key == get.Key && r.Value == get.Value && (r.lost <= j.t.eras[x.era].since || j.t.includes(x, r))
		}) {
			return false
		}
	}
	return true
}

// shows reports whether a state has what the log had when a process was at a position by an event: it may
// have been that of any era that had got so far.
func (j *judge) shows(x state, at, now int64) bool {
	far := false
	for i := 0; i <= j.t.current(now); i++ {
		if j.t.stable(j.t.eras[i], now) >= at {
			if j.t.reached(x, i, at) {
				return true
			}
			far = true
		}
	}
	return !far
}

// caughtUp reports whether a state includes what was acknowledged to anyone, the positions that
// anyone had reported, and the ends of the log that were seen, before an operation was called.
func (j *judge) caughtUp(x state, op *lin.Operation) bool {
	// What the log lost since it was as the state has it does not excuse the state.
	since := j.t.eras[x.era].since
	if !j.includesAll(x, j.acknowledged(op.Call.Seq), since) || !j.includesRead(x, op) {
		return false
	}
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		if o.Outcome != lin.OK || o.Return.Seq > op.Call.Seq {
			continue
		}
		if !j.shows(x, o.Position, o.Return.Seq) || o.Kind == lin.OpWait && !j.shows(x, o.Revision+1, o.Return.Seq) {
			return false
		}
	}
	for _, end := range j.t.ends {
		if end[0] < op.Call.Seq && !j.t.reached(x, j.t.current(end[0]), end[1]) {
			return false
		}
	}
	return true
}
