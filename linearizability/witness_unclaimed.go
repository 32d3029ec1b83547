package linearizability

import (
	"fmt"
	"slices"
)

// unclaimed judges a record that is not paired with any operation, and reports it if none
// explains it.
func (j *judge) unclaimed(r int32) {
	rec := &j.x.records[r]
	cls := j.x.classes[rec.class]
	key := j.x.keys[cls.key]
	if j.x.try(rec) && j.triedInVain(r) {
		return
	}
	if op, ok := j.writerOf(cls, rec.seq); ok && j.x.try(rec) && j.op(op).Outcome != Failed && !j.attempted(op, r) {
		j.partly(op, r, "the log had only a part when it was tried in a transaction")
		return
	}
	if !shared(cls.value) {
		if other := j.classes().of(rec.class).claimed; other >= 0 {
			o := &j.x.records[other]
			if j.overlap(o, rec) || !j.classes().of(rec.class).within(rec.seq, j.since(r)) {
				j.doubled(o.op, other, r)
			} else if !j.attempted(o.op, r) {
				j.partly(o.op, r, "the log had only a part when it was sent before")
			}
			return
		}
	}
	if j.triedAgain(r) {
		return
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

// partly reports a batch of which the log had a part.
func (j *judge) partly(op, r int32, when string) {
	v := j.accusation(CheckBatchInLog, op)
	v.Key = j.x.keys[j.x.records[r].key]
	v.Reason = fmt.Sprintf("of %s %s: %s", j.op(op).call(), when, j.recordName(r))
	j.violate(j.with(v, r))
}

// triedInVain reports whether a record may be one of a write that was tried in a transaction which was
// aborted: one that was under way, and of which the transaction has all records.
func (j *judge) triedInVain(r int32) bool {
	rec := &j.x.records[r]
	return slices.ContainsFunc(j.classes().of(rec.class).writers, func(op int32) bool {
		o := j.op(op)
		return o.Call.Seq < rec.seq && (o.Outcome != OK || j.since(r) < o.Return.Seq) && j.attempted(op, r)
	})
}

// attempted reports whether the log had all records of a write around one of them.
func (j *judge) attempted(op, r int32) bool {
	items := j.itemsOf(op)
	j.x.spend(len(items))
	return slices.ContainsFunc(j.placesOf(items, j.x.records[r].class), func(n int) bool { return j.wholeAround(items, n, r) })
}

// wholeAround reports whether the log had all records of a write around the one of its item n.
func (j *judge) wholeAround(items []item2log, n int, r int32) bool {
	rec := &j.x.records[r]
	for m := range items {
		other := j.x.at(rec.born, rec.off+int64(m-n))
		if other < 0 || j.x.records[other].class != items[m].class || !j.x.follows(r, other, m-n) {
			return false
		}
	}
	return true
}

// placesOf returns where items have a class.
func (j *judge) placesOf(items []item2log, class int32) (places []int) {
	for n := range items {
		if items[n].class == class {
			places = append(places, n)
		}
	}
	return places
}

// triedAgain reports whether a record with a shared value may be the second one of an
// operation that was sent again, because the first was lost with the log's tail. It may be
// if no timeline has more such records than there were writes.
func (j *judge) triedAgain(r int32) bool {
	if len(j.x.epochs) == 1 {
		return false
	}
	c := j.classes().of(j.x.records[r].class)
	return !c.excess && c.within(j.x.records[r].seq, j.since(r))
}

// overlap reports whether two records were in the log at the same time. If a write was
// sent again after its first record was lost, it is in the log only once.
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

// writerOf returns an operation that wrote the class and was called before the event. It
// prefers acknowledged ones, then those of unknown outcome.
func (j *judge) writerOf(c class, seq int64) (int32, bool) {
	for _, op := range j.classes().of(j.x.classID[c]).first {
		if op >= 0 && j.op(op).Call.Seq <= seq {
			return op, true
		}
	}
	return -1, false
}

// writerOfValue returns the first operation that wrote a value, to any key.
func (j *judge) writerOfValue(value string) (int32, bool) {
	if shared(value) {
		return 0, false
	}
	if j.byValue == nil {
		j.byValue = make(map[string]int32, len(j.writes))
		for _, op := range slices.Backward(j.writes) {
			o := j.op(op)
			for _, it := range o.Items {
				j.byValue[it.Value] = op
			}
			if o.Kind == OpPut {
				j.byValue[o.Value] = op
			}
		}
	}
	op, ok := j.byValue[value]
	return op, ok
}
