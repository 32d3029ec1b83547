package linearizability

import (
	"fmt"
	"strconv"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// diagnose finds out why no position explains a read, and reports it. The read may
// break several guarantees. The violation is reported as the first of these that fits:
//
//   - a value was never in the log, or is not committed
//   - a value was not in the log yet
//   - each key of a range is right at some position, but not all at the same one
//   - only a part of a batch was seen
//   - the state is older than one that the process must have reached
func (s *sweeper) diagnose(op int32, r *read, f *inFlight) {
	start := position{}
	for i := range r.targets {
		one := r.only(i)
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

// only is the read of one of its targets.
func (r *read) only(i int) read {
	one := *r
	one.targets, one.batches = r.targets[i:i+1], false
	return one
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

// neverThere reports a value that was never in the part of the log that readers see.
func (s *sweeper) neverThere(op int32, t *target) {
	o := s.op(op)
	key, value := s.keyOf(o, t)
	v := s.accusation(CheckReadFromLog, op)
	v.Key = key
	if t.class >= 0 {
		s.x.spend(len(s.x.written[t.class]))
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

// tooEarly reports a value that was read before it could be read in the log.
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
	// late is the key that becomes right last, wrong one that is wrong by then.
	var late, wrong *target
	var q position
	for i := range r.targets {
		one := r.only(i)
		if p, ok := s.x.least(&one, position{}, r.reach(s.x)); ok && (late == nil || p.off > q.off) {
			late, q = &r.targets[i], p
		}
	}
	for i := range r.targets {
		one := r.only(i)
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

// tornBatch reports a read that saw only a part of a batch.
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
