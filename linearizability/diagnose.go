package linearizability

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// diagnose finds out why no position explains a read, and reports it. The read
// may break several guarantees; the first one in the order below names it.
//
//   - a value that was never in the log, or is not committed
//   - a value that was not in the log yet
//   - a range whose keys are fine one by one, but at no common position
//   - a batch of which it saw a part
//   - a state older than what the process must have reached
func (s *sweeper) diagnose(op int32, r *read, f *inFlight) {
	start := position{}
	for i := range r.targets {
		one := *r
		one.targets = r.targets[i : i+1]
		one.batches = false
		t := &one.targets[0]
		if _, ok := s.x.least(&one, start, unlimited); !ok {
			s.neverThere(op, t)
			return
		}
		if _, ok := s.x.least(&one, start, one.reach(s.x)); !ok {
			s.tooEarly(op, t, &one)
			return
		}
	}
	whole := *r
	whole.batches = false
	_, common := s.x.least(&whole, start, r.reach(s.x))
	_, untorn := s.x.least(r, start, r.reach(s.x))
	switch {
	case !common:
		s.noCommonPosition(op, r)
	case !untorn:
		s.tornBatch(op, &whole)
	default:
		s.stale(op, r, f)
	}
}

// keyOf returns the key and the value id that a target is about.
func (s *sweeper) keyOf(o *Operation, t *target) (key, value string) {
	if o.Kind == OpGet {
		return o.Key, o.Value
	}
	if t.key >= 0 {
		key = s.x.keys[t.key]
	}
	for _, it := range o.Items {
		if it.Key == key || (t.key < 0 && s.x.lookup(it.Key, it.Value) < 0) {
			return it.Key, it.Value
		}
	}
	return key, ""
}

// neverThere reports a value that the log never had, for readers.
func (s *sweeper) neverThere(op int32, t *target) {
	o := s.op(op)
	key, value := s.keyOf(o, t)
	v := s.accusation(CheckReadFromLog, op)
	v.Key = key
	if t.class >= 0 {
		for _, rec := range s.x.written[t.class] {
			if s.x.records[rec].status == committed {
				continue
			}
			v.Check = CheckCommittedOnly
			v.Reason = fmt.Sprintf("%s returned %s for key %s, which is not committed: %s",
				o.call(), valueName(value), quote(key), s.recordName(rec))
			s.violate(s.with(v, rec))
			return
		}
	}
	v.certain, v.since = o.Kind == OpGet && value != "", o.Call.Seq
	v.Reason = fmt.Sprintf("%s returned %s for key %s, which the log never had", o.call(), valueName(value), quote(key))
	if w, ok := s.writerOfValue(value); ok {
		v.Evidence = append(v.Evidence, "that value is of "+s.op(w).String())
		v.Ops = append(v.Ops, s.op(w).ID)
		v.certain = v.certain && s.op(w).Outcome == Failed
	}
	if t.class >= 0 && len(s.x.written[t.class]) > 0 {
		rec := s.x.written[t.class][0]
		v.Reason = fmt.Sprintf("%s returned %s for key %s, which was not in the log that the client could see: %s",
			o.call(), valueName(value), quote(key), s.recordName(rec))
		v = s.with(v, rec)
	}
	s.violate(v)
}

// tooEarly reports a value that was read before it was in the log.
func (s *sweeper) tooEarly(op int32, t *target, r *read) {
	o := s.op(op)
	key, value := s.keyOf(o, t)
	pos, _ := s.x.least(r, position{}, unlimited)
	cur := s.x.reach(pos.epoch, r.seq)
	v := s.accusation(CheckNoFuture, op)
	v.Key = key
	v.Offsets = []int64{pos.off - 1}
	switch {
	case pos.off <= cur.end && cur.lso < pos.off:
		v.Check = CheckCommittedOnly
		v.Reason = fmt.Sprintf("%s returned %s for key %s from offset %d when a transaction was open from offset %d on",
			o.call(), valueName(value), quote(key), pos.off-1, cur.lso)
		v.Offsets = append(v.Offsets, cur.lso)
	case pos.off <= cur.end:
		v.Reason = fmt.Sprintf("%s returned %s for key %s from offset %d, but its client was at position %d only",
			o.call(), valueName(value), quote(key), pos.off-1, o.Position)
	default:
		v.Reason = fmt.Sprintf("%s returned %s for key %s from offset %d when the log ended at %d",
			o.call(), valueName(value), quote(key), pos.off-1, cur.end)
	}
	s.violate(v)
}

// noCommonPosition reports a range that mixes two states of the log.
func (s *sweeper) noCommonPosition(op int32, r *read) {
	o := s.op(op)
	v := s.accusation(CheckOnePosition, op)
	// The key that is right latest, and one that is wrong then.
	var late, wrong *target
	var q position
	for i := range r.targets {
		one := *r
		one.targets, one.batches = r.targets[i:i+1], false
		if p, ok := s.x.least(&one, position{}, r.reach(s.x)); ok && (late == nil || p.off > q.off) {
			late, q = &r.targets[i], p
		}
	}
	for i := range r.targets {
		one := *r
		one.targets, one.batches = r.targets[i:i+1], false
		if p, ok := s.x.least(&one, q, r.reach(s.x)); !ok || p != q {
			wrong = &r.targets[i]
			break
		}
	}
	v.Reason = o.call() + " returned a state that the log never had"
	if late != nil && wrong != nil {
		lk, lv := s.keyOf(o, late)
		wk, wv := s.keyOf(o, wrong)
		v.Key = wk
		v.Offsets = []int64{max(0, q.off-1)}
		rec, there := s.stateAt(q.epoch, wrong.key, q.off)
		if rec >= 0 {
			v.Offsets = append(v.Offsets, s.x.records[rec].off)
		}
		v.Reason = fmt.Sprintf("%s returned %s for key %s, which is so from position %d on, and %s for key %s, which has %s there",
			o.call(), valueName(lv), quote(lk), q.off, valueName(wv), quote(wk), valueName(there))
	}
	s.violate(v)
}

// tornBatch reports a read that saw a part of a batch.
func (s *sweeper) tornBatch(op int32, r *read) {
	o := s.op(op)
	pos, _ := s.x.least(r, position{}, r.reach(s.x))
	writer := s.x.records[s.x.at(pos.epoch, pos.off-1)].op
	v := s.accusation(CheckBatchVisible, op)
	if o.Kind == OpRange {
		v.Also = append(v.Also, CheckOnePosition)
	}
	v.Reason = fmt.Sprintf("%s returned the state at position %d, inside of a batch", o.call(), pos.off)
	if writer >= 0 {
		v.Ops = append(v.Ops, s.op(writer).ID)
		v.Evidence = append(v.Evidence, s.op(writer).String())
		v.Reason = fmt.Sprintf("%s returned the state at position %d, inside of %s", o.call(), pos.off, s.op(writer).call())
		v.Key = s.op(writer).Items[0].Key
		v = s.with(v, s.recordsOf(writer)...)
	}
	s.violate(v)
}

// stale reports a read of a state that the process must have left behind.
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

// followsFrom reports whether what a process has seen is no more than what a
// broken cause before it says already.
func (s *sweeper) followsFrom(b bound, broken []cause, f *inFlight) bool {
	for _, c := range broken {
		if b.op == f.bounds[c].op {
			return true
		}
	}
	return false
}

// addCauses says what the process must have reached, and why.
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
		why = []string{"the position that all it knew asks for is higher"}
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
		if b.op >= 0 && s.op(b.op).Kind.Reads() {
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

// olderVersion reports whether a get returned an older version of its key than
// the process had read before.
func (s *sweeper) olderVersion(r *read, f *inFlight) bool {
	if f.read.rec < 0 || len(r.targets) != 1 || r.targets[0].class < 0 {
		return false
	}
	before := &s.x.records[f.read.rec]
	for _, rec := range s.x.written[r.targets[0].class] {
		now := &s.x.records[rec]
		if now.born > before.born || (now.born == before.born && now.off >= before.off) {
			return false
		}
	}
	return true
}

// plainlyStale reports whether the operations alone, without the log, show that
// a get is stale: the write it returned had been acknowledged before the write
// that it misses was called, and that one is to the same key. Then porcupine
// has to find it too.
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
