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
	first := j.t.eras[era].start(es[0].seq)
	s := of(state{era: era, base: first, at: first})
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
			for _, x := range s {
				j.reread(s, x, e.seq)
			}
		case e.snap != nil && e.snap.Kind == lin.SnapshotFinal:
			s.keep(func(x state) bool {
				return x.owed == "" && x.era == j.t.current(e.seq) && x.at == j.t.stable(j.t.eras[x.era], e.seq)
			})
		case e.end && e.op.Kind.Writes() && e.op.Outcome == lin.OK:
			s.keep(func(x state) bool { return x.owed == "" && j.includesAll(x, j.a.written(e.op), e.seq) })
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
		rest := strings.Replace("\n"+x.owed, "\n"+this, "\n", 1)[1:]
		ok := rest != x.owed
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

// reread adds the states of a process that discards its state and reads the log again.
func (j *judge) reread(s set, x state, now int64) {
	for i := x.era; i < len(j.t.eras); i++ {
		first := j.t.eras[i].start(now)
		for at := first; at <= j.t.stable(j.t.eras[i], now); at++ {
			to := j.t.change(x, state{era: i, base: first, at: at, done: x.done}, true)
			s[to.key()] = to
		}
	}
}
