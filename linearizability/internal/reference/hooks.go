package reference

import (
	"fmt"
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
	for _, e := range es {
		s.closure(func(x state) []state { return j.t.steps(x, e.seq, true) })
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
				j.reread(again, x, e.seq)
			}
			s = again
		case e.snap != nil && e.snap.Kind == lin.SnapshotFinal:
			s.keep(func(x state) bool {
				return x.owed == "" && x.era == j.t.current(e.seq) && x.at == j.t.stable(j.t.eras[x.era], e.seq)
			})
		case e.end && e.op.Kind.Writes() && e.op.Outcome == lin.OK:
			s.keep(func(x state) bool { return x.owed == "" && j.includesAll(x, j.a.written(e.op), e.seq) })
		case e.end && e.op.Outcome == lin.OK && (e.op.Kind == lin.OpSync || e.op.Barrier ||
			e.op.Kind == lin.OpOpen && j.t.current(e.op.Call.Seq) == j.t.current(e.seq)):
			s.keep(func(x state) bool { return x.owed == "" && j.caughtUp(x, e.op) })
		case e.end && e.op.Outcome == lin.OK && e.op.Kind == lin.OpWait:
			s.keep(func(x state) bool { return x.owed == "" && (x.at > e.op.Revision || j.lostBefore(e.seq)) })
		}
		if len(s) == 0 {
			return false
		}
	}
	return true
}

// tell lets a hook fire in a state.
func (j *judge) tell(hook *lin.Hook, x state) (state, bool) {
	if hook.Delete != (hook.Value == "") {
		return x, false
	}
	if x.owed != "" {
		this := fmt.Sprintf("%q=%q\n", hook.Key, hook.Value)
		rest, ok := strings.CutPrefix(x.owed, this)
		x.owed = rest
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

// reread adds the states of a process that discards its state and reads the log again. If it was
// about to do so before, its hooks still have the state before that.
func (j *judge) reread(s set, x state, now int64) {
	if x.owed != "" {
		x = *x.from
	}
	for i := x.era; i < len(j.t.eras); i++ {
		first, at := j.t.eras[i].start(now), x.at
		for _, e := range j.t.eras[x.era+1 : i+1] {
			at = min(at, e.cut)
		}
		to := state{era: i, base: first, at: max(at, first), done: x.done}
		j.skipping(to, first, now, func(to state) {
			to = j.t.change(x, to, true)
			s[to.key()] = to
		})
	}
}

// skipping calls a function with the states that skip any of the records from an offset on that
// compaction had removed.
func (j *judge) skipping(x state, o, now int64, fn func(state)) {
	if o == x.at {
		fn(x)
		return
	}
	j.skipping(x, o+1, now, fn)
	if r := j.t.eras[x.era].records[o]; r != nil && r.removed <= now {
		x.skipped += list(o)
		j.skipping(x, o+1, now, fn)
	}
}
