package reference

import (
	"fmt"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// tells reports whether the hooks of a process can be explained.
func (j *judge) tells(es []event) bool {
	// What it told before is not known, so it is taken to begin with its first event.
	era := j.t.current(es[0].seq)
	s := set{}
	for _, first := range j.t.starts(j.t.eras[era], es[0].seq) {
		x := state{era: era, base: first, at: first}
		s[x.key()] = x
	}
	pending := map[int64]*lin.Operation{}
	for _, e := range es {
		s.closure(func(x state) []state { return append(j.hookSteps(x, e.seq, es), j.written(x, pending)...) })
		switch {
		case e.hook != nil:
			told := set{}
			for _, x := range s {
				if to, ok := j.tell(e.hook, x); ok {
					told[to.key()] = to
				}
			}
			s = told
		case e.again != nil:
			again := set{}
			for _, x := range s {
				j.reread(again, x, e, until(es, e.seq))
			}
			s = again
		case e.snap != nil && e.snap.Kind == lin.SnapshotFinal:
			s.keep(func(x state) bool {
				return x.owed == "" && x.era == j.t.current(e.seq) && x.at == j.t.stable(j.t.eras[x.era], e.seq) &&
					agrees(es, e.snap)
			})
		case e.op != nil && (e.op.Kind.Writes() || e.op.Kind == lin.OpWait) && e.op.Outcome == lin.OK && !e.end:
			pending[e.op.ID] = e.op
		case e.end && (e.op.Kind.Writes() || e.op.Kind == lin.OpWait) && e.op.Outcome == lin.OK:
			delete(pending, e.op.ID)
			s.keep(func(x state) bool { return has(x.done, e.op.ID) })
		case e.end && e.op.Outcome == lin.OK && (e.op.Kind == lin.OpSync || e.op.Barrier ||
			e.op.Kind == lin.OpOpen && j.t.current(e.op.Call.Seq) == j.t.current(e.seq)):
			s.keep(func(x state) bool { return x.owed == "" && j.caughtUp(x, e.op) })
		}
		if len(s) == 0 {
			return false
		}
	}
	return true
}

// written lets the writes under way take place of which the hooks have told, even if the log loses them
// before they return.
func (j *judge) written(x state, pending map[int64]*lin.Operation) (next []state) {
	for id, op := range pending {
		if x.owed == "" && !has(x.done, id) && j.completes(op, x) {
			to := x
			to.done += list(id)
			next = append(next, to.sorted())
		}
	}
	return next
}

// hookSteps returns what a process may do by itself whose hooks have told of a state. While it opens,
// and has read nothing, it may begin again where the log begins. It does not miss a record that was
// removed after it had reported a higher position.
func (j *judge) hookSteps(x state, now int64, es []event) []state {
	next := slices.DeleteFunc(j.t.steps(x, now, true), func(to state) bool {
		return to.era == x.era && to.at == x.at+1 && has(to.skipped, x.at) && !has(x.skipped, x.at) && j.passed(es, x)
	})
	opening := false
	for _, e := range es {
		opening = opening || e.op != nil && e.op.Kind == lin.OpOpen && e.op.Call.Seq < now && (e.op.Return.Seq == 0 || e.op.Outcome != lin.OK || e.op.Return.Seq >= now)
	}
	if opening && x.at == x.base && x.owed == "" {
		for _, first := range j.t.starts(j.t.eras[x.era], now) {
			next = append(next, state{era: x.era, base: first, at: first, done: x.done})
		}
	}
	return next
}

// agrees reports whether a state has what the hooks before it told last of each key.
func agrees(es []event, snap *lin.Snapshot) bool {
	told := map[string]string{}
	for _, e := range es {
		if e.hook != nil && e.seq < snap.Seq {
			told[e.hook.Key] = e.hook.Value
		}
	}
	for key, value := range told {
		i := slices.IndexFunc(snap.Items, func(it lin.Item) bool { return it.Key == key })
		if i < 0 && value != "" || i >= 0 && snap.Items[i].Value != value {
			return false
		}
	}
	return true
}

// passed reports whether a process had reported a position above that of a state before compaction
// removed the record there, in the same log.
func (j *judge) passed(es []event, x state) bool {
	r := j.t.eras[x.era].records[x.at]
	return slices.ContainsFunc(es, func(e event) bool {
		return e.end && e.op.Outcome == lin.OK && e.op.Position > r.Offset && e.seq < r.removed && !j.lostBetween(0, r.removed)
	})
}

// tell lets a hook fire in a state.
func (j *judge) tell(hook *lin.Hook, x state) (state, bool) {
	if hook.Delete != (hook.Value == "") {
		return x, false
	}
	x.told = 0
	if x.owed != "" {
		this := fmt.Sprintf("%q=%q\n", hook.Key, hook.Value)
		rest, ok := strings.CutPrefix(x.owed, this)
		if x.owed, x.part = rest, x.part+this; rest == "" {
			x.part = ""
		}
		return x, ok
	}
	e := j.t.eras[x.era]
	r := e.records[x.at]
	if r == nil || x.at >= j.t.stable(e, hook.Seq) || !j.t.shows(r) || r.Key != hook.Key || r.Value != hook.Value {
		return x, false
	}
	if hook.Offset != lin.None && hook.Offset != r.Offset {
		return x, false
	}
	x.at++
	return x, true
}

// reread adds the states of a process that discards its state and reads the log again, by an event. If
// it was about to do so before, its hooks still have the state before that, with what they have told since.
// Records may then have been deleted up to where it was, which it takes for the end of what is left.
func (j *judge) reread(s set, x state, e event, by int64) {
	told := x.told
	if x.owed != "" {
		part := x.part
		x = *x.from
		x.part += part
	}
	ends := []int64{x.at}
	for _, l := range j.h.Log {
		if l.Kind == lin.LogTrim && told > 0 && (j.t.late || l.Seq > told && l.Seq < e.seq) {
			ends = append(ends, min(x.at, l.Offset))
		}
	}
	if told == 0 && e.again.Cause != lin.RebuildAbsence && e.again.Cause != lin.RebuildWithheld {
		told = e.seq
	}
	for i := x.era; i < len(j.t.eras); i++ {
		for _, at := range ends {
			first := j.t.eras[i].start(e.seq)
			for _, e := range j.t.eras[x.era+1 : i+1] {
				at = min(at, e.cut)
			}
			to := state{era: i, base: first, at: max(at, first), done: x.done}
			j.skipping(to, first, by, func(to state) {
				to = j.t.change(x, to, true)
				to.told, to.fresh = told, e.seq
				s[to.key()] = to
			})
		}
	}
}

// until returns the event by which a process has reread the log that begins with an event: the first
// one in which it tells of something.
func until(es []event, seq int64) int64 {
	for _, e := range es {
		if e.seq > seq && (e.hook != nil || e.again != nil || e.snap != nil || e.end && e.op.Outcome == lin.OK) {
			return e.seq
		}
	}
	return forever
}

// skipping calls a function with the states that skip any of the records from an offset on that
// compaction had removed by an event.
func (j *judge) skipping(x state, o, by int64, fn func(state)) {
	if o == x.at {
		fn(x)
		return
	}
	j.skipping(x, o+1, by, fn)
	if r := j.t.eras[x.era].records[o]; r != nil && r.removed <= by {
		x.skipped += list(o)
		j.skipping(x, o+1, by, fn)
	}
}
