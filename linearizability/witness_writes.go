package linearizability

import (
	"fmt"
	"slices"
)

// checkWrites compares the writes with the log. match must have paired them before.
func (j *judge) checkWrites() {
	for _, op := range j.writes {
		if j.x.spent() {
			return
		}
		o := j.op(op)
		switch o.Outcome {
		case OK:
			j.judged(CheckAckedOnce)
			j.checkAcked(op)
		case Failed:
			j.judged(CheckRefusedAbsent)
		case Unknown:
			j.judged(CheckUnknownAtMostOnce)
			j.checkReportedLost(op)
			j.checkPlace(op)
		case Pending:
			j.judged(CheckUnknownAtMostOnce)
		}
		if o.Kind == OpBatch && o.Outcome != Failed {
			j.judged(CheckBatchInLog)
			j.checkBatch(op)
		}
	}
	for r := range j.x.records {
		if j.x.spent() {
			return
		}
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
	j.checkWhole()
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

// with adds records to the evidence of v, and returns v.
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
	if o.Answer != nil {
		v := j.accusation(CheckAckedOnce, op)
		v.Reason = fmt.Sprintf("%s was acknowledged as another batch: %s", o.call(), describeItems(o.Answer, 8))
		j.violate(v)
	}
	for n := range items {
		it := &items[n]
		if j.reported(op, n) != None {
			j.judged(CheckRevision)
		}
		if it.rec < 0 {
			if !j.takenByAnother(op, n) {
				j.lost(op, n)
			}
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
		case it.wrong || !it.paired && j.reported(op, n) != None && j.reported(op, n) != rec.off:
			v := j.accusation(CheckRevision, op)
			v.Reason = fmt.Sprintf("%s reported offset %d for key %s, but its record is at offset %d",
				o.call(), j.reported(op, n), quote(j.x.keys[rec.key]), rec.off)
			j.violate(j.with(v, it.rec))
		}
		since := j.since(it.rec)
		if since > o.Return.Seq {
			v := j.accusation(CheckAckedAfterAppend, op)
			v.Reason = fmt.Sprintf("%s was acknowledged at %s, but its record was appended at %s only",
				o.call(), o.Return.Time, j.eventTime(since))
			j.violate(j.with(v, it.rec))
			return
		}
	}
	j.checkVisible(op)
	j.checkApplied(op)
}

// checkPlace judges the offsets that a write of unknown outcome reports: a broker told its process that
// it is there, so it was by then. A late tap may never note a record that was lost, and that of a shared
// value may be another write's.
func (j *judge) checkPlace(op int32) {
	o, exact := j.op(op), j.h.Header.Tap == TapExact
	for n, it := range j.itemsOf(op) {
		off := j.reported(op, n)
		if off == None {
			continue
		}
		j.judged(CheckRevision)
		if !exact && (it.class < 0 || shared(j.x.classes[it.class].value)) {
			continue
		}
		there := slices.ContainsFunc(j.x.placed(it.class, off), func(r int32) bool {
			rec := &j.x.records[r]
			return rec.seq > o.Call.Seq && (!exact || rec.seq < o.Return.Seq) && !j.h.Log[rec.event].Foreign && j.x.spend(1)
		})
		if there || j.x.spent() {
			continue
		}
		v := j.accusation(CheckRevision, op)
		v.Reason = fmt.Sprintf("%s reported offset %d, where there was no record of it, but %s", o.call(), off, j.whatIsAt(off, o.Return.Seq))
		v.Offsets = append(v.Offsets, max(0, off))
		j.violate(j.with(v, j.recordsOf(op)...))
		return
	}
}

// triedBefore reports whether a write may have been in a log before that of an epoch. Its process may
// have applied it there, and then be on the way back.
func (j *judge) triedBefore(op, e int32) bool {
	if items := j.itemsOf(op); e > 0 {
		for _, r := range j.x.written[items[len(items)-1].class] {
			if m := &j.x.records[r]; m.born < e && m.died <= e && m.seq > j.op(op).Call.Seq && j.x.spend(1) {
				return true
			}
		}
	}
	return false
}

// checkVisible judges whether the client had applied its write when it was
// acknowledged.
func (j *judge) checkVisible(op int32) {
	o := j.op(op)
	p, ok := j.wrote(op)
	if now := j.x.current(o.Return.Seq); !ok || o.Position == None || p.epoch > now ||
		p.epoch < now && j.x.reach(j.x.epochOf(p.epoch+1, o.Position, o.Return.Seq), o.Return.Seq).lso >= o.Position {
		return // after a loss, it may be on the way back
	}
	since := o.Call.Seq
	if items := j.itemsOf(op); j.h.Header.Tap == TapExact {
		since = j.x.records[items[len(items)-1].rec].seq
	}
	if j.x.rebuilt(o, since) || j.triedBefore(op, p.epoch) {
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

// takenByAnother reports whether the record that the operation reported exists, but was
// paired with another operation. That happens if an offset was used again and had the same
// shared value both times.
func (j *judge) takenByAnother(op int32, n int) bool {
	it, off := &j.itemsOf(op)[n], j.reported(op, n)
	if len(j.x.epochs) == 1 || it.class < 0 || off == None || !shared(j.x.classes[it.class].value) {
		return false
	}
	recs := j.x.placed(it.class, off)
	return len(recs) > 0 && j.x.records[recs[len(recs)-1]].seq > j.op(op).Call.Seq
}

func (j *judge) recordsOf(op int32) []int32 {
	var recs []int32
	items := j.itemsOf(op)
	j.x.spend(len(items))
	for n := range items {
		if items[n].rec >= 0 {
			recs = append(recs, items[n].rec)
		}
	}
	return recs
}

// lost reports an acknowledged write that has no record.
func (j *judge) lost(op int32, n int) {
	o := j.op(op)
	v := j.accusation(CheckAckedOnce, op)
	v.Key = o.Key
	if o.Kind == OpBatch {
		v.Key = o.Items[n].Key
		v.Also = append(v.Also, CheckBatchInLog)
	}
	v.Reason = fmt.Sprintf("%s was acknowledged, but the log never had a record of it", o.call())
	if c := j.itemsOf(op)[n].class; c >= 0 && slices.ContainsFunc(j.x.written[c], func(r int32) bool { return j.x.spend(1) && j.x.try(&j.x.records[r]) }) {
		v.Reason = fmt.Sprintf("%s was acknowledged, but the log has it only in transactions that were aborted", o.call())
	} else if off := j.reported(op, n); off != None {
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
	if !certain || j.contiguous(items) || j.underWay(op) {
		return // it is absent or whole, or nothing says which records are its own
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
	txn := func(r int32) string { return j.h.Log[j.x.records[r].event].Txn }
	if slices.ContainsFunc(in, func(r int32) bool { return txn(r) != txn(in[0]) }) {
		v.Reason = fmt.Sprintf("the records of %s, at offsets %v, are not in one transaction", o.call(), j.offsets(in))
	}
	j.violate(j.with(v, in...))
}

func (j *judge) offsets(recs []int32) []int64 {
	out := make([]int64, len(recs))
	for i, r := range recs {
		out[i] = j.x.records[r].off
	}
	return out
}
