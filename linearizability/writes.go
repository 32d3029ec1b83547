package linearizability

import (
	"fmt"
	"slices"
)

// checkWrites compares the writes with the log, once match has paired them.
func (j *judge) checkWrites() {
	for _, op := range j.writes {
		o := j.op(op)
		switch o.Outcome {
		case OK:
			j.judged(CheckAckedOnce)
			j.checkAcked(op)
		case Failed:
			j.judged(CheckRefusedAbsent)
		case Unknown, Pending:
			j.judged(CheckUnknownAtMostOnce)
		}
		if o.Kind == OpBatch && o.Outcome != Failed {
			j.judged(CheckBatchInLog)
			j.checkBatch(op)
		}
	}
	for r := range j.x.records {
		rec := &j.x.records[r]
		if rec.key < 0 || j.h.Log[rec.event].Foreign {
			continue
		}
		j.judged(CheckLogFromWrites)
		if rec.op < 0 {
			j.unclaimed(int32(r))
		}
	}
	j.checkRealTime()
}

// accusation starts a violation about operations, the offending one first.
func (j *judge) accusation(check CheckID, ops ...int32) *Violation {
	o := j.op(ops[0])
	v := &Violation{
		Check: check, Client: o.Client, Process: o.Process, Key: o.Key,
		From: o.Call, To: o.Return,
	}
	if o.Outcome == Pending {
		v.To = o.Call
	}
	for _, op := range ops {
		p := j.op(op)
		v.Ops = append(v.Ops, p.ID)
		v.Evidence = append(v.Evidence, p.String())
		if p.Call.Seq < v.From.Seq {
			v.From = p.Call
		}
		if p.Return.Seq > v.To.Seq {
			v.To = p.Return
		}
	}
	return v
}

// with adds records to the evidence.
func (j *judge) with(v *Violation, recs ...int32) *Violation {
	for _, r := range recs {
		rec := &j.x.records[r]
		v.Offsets = append(v.Offsets, rec.off)
		l := &j.h.Log[rec.event]
		if l.Seq < v.From.Seq {
			v.From = l.Stamp
		}
		if l.Seq > v.To.Seq {
			v.To = l.Stamp
		}
	}
	return v
}

// checkAcked judges one acknowledged write.
func (j *judge) checkAcked(op int32) {
	o := j.op(op)
	items := j.itemsOf(op)
	exact := j.h.Header.Tap == TapExact
	if exact {
		j.judged(CheckAckedAfterAppend)
	}
	for n := range items {
		it := &items[n]
		if j.reported(op, n) != None {
			j.judged(CheckRevision)
		}
		if it.rec < 0 {
			j.lost(op, n)
			return
		}
		rec := &j.x.records[it.rec]
		switch {
		case rec.status == aborted:
			v := j.accusation(CheckAckedOnce, op)
			v.Reason = fmt.Sprintf("%s was acknowledged, but its record at offset %d belongs to transaction %s, which was aborted",
				o.call(), rec.off, j.h.Log[rec.event].Txn)
			j.violate(j.with(v, it.rec))
			return
		case it.wrong:
			v := j.accusation(CheckRevision, op)
			v.Reason = fmt.Sprintf("%s reported offset %d for key %s, but its record is at offset %d",
				o.call(), j.reported(op, n), quote(j.x.keys[rec.key]), rec.off)
			j.violate(j.with(v, it.rec))
		}
		if exact && rec.seq > o.Return.Seq {
			v := j.accusation(CheckAckedAfterAppend, op)
			v.Reason = fmt.Sprintf("%s was acknowledged at %s, but its record was appended at %s only",
				o.call(), o.Return.Time, j.eventTime(rec.seq))
			j.violate(j.with(v, it.rec))
			return
		}
	}
	j.checkVisible(op)
}

// checkVisible judges whether the client had applied its write when it was
// acknowledged.
func (j *judge) checkVisible(op int32) {
	o := j.op(op)
	p, ok := j.wrote(op)
	if !ok || o.Position == None || p.epoch != j.x.current(o.Return.Seq) {
		return
	}
	j.judged(CheckWriteVisible)
	if o.Position < p.off {
		v := j.accusation(CheckWriteVisible, op)
		v.Reason = fmt.Sprintf("%s was acknowledged when %s was at position %d, but its record is at offset %d",
			o.call(), o.Client, o.Position, p.off-1)
		j.violate(j.with(v, j.recordsOf(op)...))
	}
}

func (j *judge) recordsOf(op int32) []int32 {
	var recs []int32
	items := j.itemsOf(op)
	for n := range items {
		if items[n].rec >= 0 {
			recs = append(recs, items[n].rec)
		}
	}
	return recs
}

// lost reports an acknowledged write without a record.
func (j *judge) lost(op int32, n int) {
	o := j.op(op)
	v := j.accusation(CheckAckedOnce, op)
	v.Key = o.Key
	if o.Kind == OpBatch {
		v.Key = o.Items[n].Key
		v.Also = append(v.Also, CheckBatchInLog)
	}
	v.Reason = fmt.Sprintf("%s was acknowledged, but the log never had a record of it", o.call())
	if off := j.reported(op, n); off != None {
		v.Offsets = append(v.Offsets, off)
		v.Reason += fmt.Sprintf(" (it reported offset %d, where there is %s)", off, j.whatIsAt(off, o.Return.Seq))
	}
	j.violate(j.with(v, j.recordsOf(op)...))
}

// whatIsAt describes what the log has at an offset.
func (j *judge) whatIsAt(off, seq int64) string {
	r := j.x.at(j.x.current(seq), off)
	if r < 0 {
		return "no record"
	}
	rec := j.h.Log[j.x.records[r].event].Record
	if rec.Key == "" {
		return "a record without a key"
	}
	if rec.Value == "" {
		return "a tombstone of " + quote(rec.Key)
	}
	return quote(rec.Key) + " = " + rec.Value
}

// checkBatch judges whether a batch is in the log whole.
func (j *judge) checkBatch(op int32) {
	items := j.itemsOf(op)
	in := j.recordsOf(op)
	certain := slices.ContainsFunc(items, func(it item2log) bool { return it.rec >= 0 && !it.paired })
	if !certain || j.contiguous(items) {
		return // not in the log, whole, or nothing says which records are its
	}
	o := j.op(op)
	if len(in) < len(items) {
		if o.Outcome == OK {
			return // reported as lost
		}
		v := j.accusation(CheckBatchInLog, op)
		v.Reason = fmt.Sprintf("of the %d records of %s only %d are in the log", len(items), o.call(), len(in))
		j.violate(j.with(v, in...))
		return
	}
	v := j.accusation(CheckBatchInLog, op)
	v.Reason = fmt.Sprintf("the records of %s are not one after the other: they are at offsets %v", o.call(), j.offsets(in))
	j.violate(j.with(v, in...))
}

func (j *judge) offsets(recs []int32) []int64 {
	out := make([]int64, len(recs))
	for i, r := range recs {
		out[i] = j.x.records[r].off
	}
	return out
}

// unclaimed reports a record that no operation accounts for.
func (j *judge) unclaimed(r int32) {
	rec := &j.x.records[r]
	cls := j.x.classes[rec.class]
	key := j.x.keys[cls.key]
	for _, other := range j.x.written[rec.class] {
		o := &j.x.records[other]
		if o.op >= 0 && !shared(cls.value) {
			if j.overlap(o, rec) {
				j.doubled(o.op, other, r)
			}
			return
		}
	}
	if op, ok := j.writerOf(cls, rec.seq); ok {
		switch j.op(op).Outcome {
		case Failed:
			v := j.accusation(CheckRefusedAbsent, op)
			v.Reason = fmt.Sprintf("%s was refused, but the log has it at offset %d", j.op(op).call(), rec.off)
			v.Key = key
			j.violate(j.with(v, r))
		case OK, Unknown, Pending:
			j.doubled(op, j.firstRecord(op), r)
		}
		return
	}
	v := &Violation{Check: CheckLogFromWrites, Key: key, From: j.h.Log[rec.event].Stamp, To: j.h.Log[rec.event].Stamp}
	v.Reason = "no operation had written " + j.recordName(r)
	if op, ok := j.writerOfValue(cls.value); ok {
		v.Reason += ": that value was for another key"
		v.Ops = append(v.Ops, j.op(op).ID)
		v.Evidence = append(v.Evidence, j.op(op).String())
	}
	j.violate(j.with(v, r))
}

// overlap reports whether two records were in the log at the same time. A write
// that is tried again after its first record was lost is in the log once.
func (j *judge) overlap(a, b *record) bool {
	return a.born < b.died && b.born < a.died
}

func (j *judge) doubled(op, one, two int32) {
	o := j.op(op)
	check := CheckAckedOnce
	if o.Outcome != OK {
		check = CheckUnknownAtMostOnce
	}
	v := j.accusation(check, op)
	v.Key = j.x.keys[j.x.records[two].key]
	recs := []int32{two}
	if one >= 0 && one != two {
		recs = []int32{one, two}
		v.Reason = fmt.Sprintf("%s is in the log twice, at offsets %d and %d", o.call(), j.x.records[one].off, j.x.records[two].off)
	} else {
		v.Reason = fmt.Sprintf("%s is in the log once more than it was called, at offset %d", o.call(), j.x.records[two].off)
	}
	j.violate(j.with(v, recs...))
}

func (j *judge) firstRecord(op int32) int32 {
	if recs := j.recordsOf(op); len(recs) > 0 {
		return recs[0]
	}
	return -1
}

// writerOf returns an operation that wrote the class and was called before the
// event: one that was acknowledged if there is one, else one that is unknown.
func (j *judge) writerOf(c class, seq int64) (int32, bool) {
	id := j.x.classID[c]
	best, found := int32(-1), false
	for _, n := range j.itemsOfClass(id) {
		op := j.items[n].op
		o := j.op(op)
		if o.Call.Seq > seq {
			continue
		}
		if !found || (o.Outcome == OK && j.op(best).Outcome != OK) || (j.op(best).Outcome == Failed && o.Outcome != Failed) {
			best, found = op, true
		}
	}
	return best, found
}

// itemsOfClass returns the items that write a class.
func (j *judge) itemsOfClass(id int32) []int32 {
	if j.byClass == nil {
		j.byClass = map[int32][]int32{}
		for n := range j.items {
			if c := j.items[n].class; c >= 0 {
				j.byClass[c] = append(j.byClass[c], int32(n))
			}
		}
	}
	return j.byClass[id]
}

// writerOfValue returns an operation that wrote a value, to whatever key.
func (j *judge) writerOfValue(value string) (int32, bool) {
	if shared(value) {
		return 0, false
	}
	for _, op := range j.writes {
		o := j.op(op)
		if o.Kind == OpPut && o.Value == value {
			return op, true
		}
		for _, it := range o.Items {
			if it.Value == value {
				return op, true
			}
		}
	}
	return 0, false
}

// checkRealTime judges whether offsets follow the order of real time.
func (j *judge) checkRealTime() {
	var acked position
	last := int32(-1) // the write that acked comes from
	type before struct {
		pos position
		op  int32
	}
	at := make(map[int32]before)
	for _, e := range j.events {
		items := j.itemsOf(e.op)
		if len(items) == 0 || items[0].rec < 0 {
			continue
		}
		if !e.ret {
			at[e.op] = before{acked, last}
			continue
		}
		b := at[e.op]
		delete(at, e.op)
		j.realTimePair(e.op, b.op, b.pos)
		if j.op(e.op).Outcome != OK {
			continue
		}
		for n := range items {
			if items[n].rec < 0 {
				continue
			}
			r := &j.x.records[items[n].lowest()]
			if p := (position{r.born, r.off + 1}); !j.x.satisfied(p, acked) {
				acked, last = j.x.join(acked, p), e.op
			}
		}
	}
	for i := range j.writes { // pending ones have no return
		if b, ok := at[j.writes[i]]; ok {
			j.realTimePair(j.writes[i], b.op, b.pos)
		}
	}
}

// realTimePair judges a write against the highest one that was acknowledged
// before it was called.
func (j *judge) realTimePair(op, earlier int32, acked position) {
	if earlier < 0 {
		return
	}
	j.judged(CheckRealTimeOrder)
	items := j.itemsOf(op)
	for n := range items {
		r := items[n].rec
		if r < 0 || items[n].paired {
			continue // it was paired by this order
		}
		rec := &j.x.records[r]
		if rec.born > acked.epoch || rec.off >= acked.off {
			continue
		}
		v := j.accusation(CheckRealTimeOrder, op, earlier)
		v.Reason = fmt.Sprintf("%s began at %s, after %s had been acknowledged at %s, but has the lower offset: %d, not above %d",
			j.op(op).call(), j.op(op).Call.Time, j.op(earlier).call(), j.op(earlier).Return.Time, rec.off, acked.off-1)
		j.violate(j.with(v, r))
		return
	}
}
