package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// stale reports a read of a state older than one that the process must have reached.
func (s *sweeper) stale(op int32, r *read, f *inFlight) {
	o := s.op(op)
	v := s.accusation(CheckMonotonicReads, op)
	var broken []cause
	for c := range causes {
		b := f.bounds[c]
		if b.pos == (position{}) || (c == causeSeen && s.followsFrom(b, broken, f)) {
			continue
		}
		if _, ok := s.x.least(r, b.pos, r.reach(s.x)); ok {
			continue
		}
		if c == causeSeen && s.olderVersion(r, f) {
			v.Also = append(v.Also, CheckPerKeyOrder)
		}
		broken = append(broken, c)
		v.Also = append(v.Also, causeChecks[c])
	}
	if len(v.Also) > 0 {
		v.Check, v.Also = v.Also[0], v.Also[1:]
	}
	pos, _ := s.x.least(r, position{}, r.reach(s.x))
	key := o.Key
	if o.Kind == OpGet {
		v.Reason = fmt.Sprintf("%s returned %s, the state at position %d", o.call(), valueName(o.Value), pos.off)
	} else {
		v.Reason = fmt.Sprintf("%s returned the state at position %d", o.call(), pos.off)
	}
	v.Key = key
	v.Offsets = append(v.Offsets, max(0, pos.off-1))
	s.addCauses(v, broken, f)
	if len(broken) > 0 {
		v.since, v.certain = s.plainlyStale(op, f.bounds[broken[0]], r)
	}
	s.violate(v)
}

// followsFrom reports whether bound b, of what a process has seen, asks for no more than
// one of the broken causes found before it.
func (s *sweeper) followsFrom(b bound, broken []cause, f *inFlight) bool {
	return slices.ContainsFunc(broken, func(c cause) bool { return b.op == f.bounds[c].op })
}

// addCauses adds to the violation what the process must have reached, and why.
func (s *sweeper) addCauses(v *Violation, broken []cause, f *inFlight) {
	var why []string
	for _, c := range broken {
		b := f.bounds[c]
		v.Offsets = append(v.Offsets, b.pos.off-1)
		w := s.causeText(c, b)
		why = append(why, w)
		if b.op >= 0 && !slices.Contains(v.Ops, s.op(b.op).ID) {
			o := s.op(b.op)
			v.Ops = append(v.Ops, o.ID)
			v.Evidence = append(v.Evidence, o.String())
			if o.Call.Seq < v.From.Seq {
				v.From = o.Call
			}
		}
	}
	if len(why) == 0 {
		why = []string{"all that it knew, taken together, requires a higher position"}
	}
	v.Reason += ", but " + strings.Join(why, "; and ")
}

func (s *sweeper) causeText(c cause, b bound) string {
	at := "before"
	what := "the log"
	if b.op >= 0 {
		at = "at " + s.op(b.op).Return.Time.String()
		what = s.op(b.op).call()
	}
	switch c {
	case causeOwn:
		return fmt.Sprintf("its own %s was acknowledged %s at offset %d", what, at, b.pos.off-1)
	case causeBarrier:
		if b.op >= 0 && (!s.op(b.op).Kind.Writes() || s.op(b.op).Position == b.pos.off) {
			return fmt.Sprintf("%s had shown %s that the log reached position %d, before the barrier began", what, at, b.pos.off)
		}
		return fmt.Sprintf("%s had been acknowledged %s at offset %d, before the barrier began", what, at, b.pos.off-1)
	case causeWait:
		return fmt.Sprintf("it had waited for offset %d, which was reached %s", b.pos.off-1, at)
	case causeSeen:
		return fmt.Sprintf("%s showed position %d %s", what, b.pos.off, at)
	case causeOpen, causes:
	}
	return fmt.Sprintf("it had opened %s, when the log up to position %d was known", at, b.pos.off)
}

// olderVersion reports whether a get returned an older version of its key than one that
// the process had read before.
func (s *sweeper) olderVersion(r *read, f *inFlight) bool {
	if f.read.rec < 0 || len(r.targets) != 1 || r.targets[0].class < 0 {
		return false
	}
	before := &s.x.records[f.read.rec]
	s.x.spend(len(s.x.written[r.targets[0].class]))
	for _, rec := range s.x.written[r.targets[0].class] {
		now := &s.x.records[rec]
		if now.born > before.born || (now.born == before.born && now.off >= before.off) {
			return false
		}
	}
	return true
}

// plainlyStale reports whether the operations alone, without the log, show that a get is
// stale: the write whose value it returned was acknowledged before the write that it
// misses was called, and both are to the same key. Then porcupine must find it too.
func (s *sweeper) plainlyStale(op int32, missed bound, r *read) (since int64, ok bool) {
	o := s.op(op)
	if o.Kind != OpGet || missed.op < 0 || shared(o.Value) || r.targets[0].class < 0 {
		return 0, false
	}
	w := s.op(missed.op)
	if !w.Kind.Writes() || w.Key != o.Key || w.Outcome != OK || w.Client != o.Client || w.Process != o.Process {
		return 0, false
	}
	written := s.x.written[r.targets[0].class]
	if len(written) != 1 || s.x.records[written[0]].op < 0 {
		return 0, false
	}
	old := s.op(s.x.records[written[0]].op)
	return old.Call.Seq, old.Outcome == OK && old.Return.Seq < w.Call.Seq
}
