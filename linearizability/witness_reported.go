package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// matchReported claims the records at the offsets that the operation reported. Offsets
// of a lost tail are used again, so it takes all records from the one epoch that has the
// most of them.
func (j *judge) matchReported(op int32) {
	if j.op(op).Outcome == Failed {
		return
	}
	items := j.itemsOf(op)
	if len(j.x.epochs) > 1 && len(items) == 1 && len(j.candidates(op, 0)) > 1 {
		if j.several == nil {
			j.several = map[int32]bool{}
		}
		j.several[op] = true
		return // which of them it is depends on others, see matchShared
	}
	best := j.bestEpoch(op)
	for n := range items {
		j.claim(&items[n], j.find(op, n, best))
	}
}

// bestEpoch returns the first epoch that has the most records at the offsets that an
// operation reported.
func (j *judge) bestEpoch(op int32) int32 {
	if len(j.x.epochs) == 1 {
		return 0
	}
	type change struct {
		epoch int32
		by    int
	}
	var changes []change
	for n := range j.itemsOf(op) {
		for _, r := range j.candidates(op, n) {
			rec := &j.x.records[r]
			changes = append(changes, change{rec.born, 1}, change{rec.died, -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.epoch, b.epoch) })
	best, most, found := int32(0), 0, 0
	for i, c := range changes {
		found += c.by
		if (i+1 == len(changes) || changes[i+1].epoch != c.epoch) && found > most {
			best, most = c.epoch, found
		}
	}
	return best
}

// candidates returns the records at the offset that an operation reported for its item n,
// those that find would return in some epoch.
func (j *judge) candidates(op int32, n int) (all []int32) {
	it, off := &j.itemsOf(op)[n], j.reported(op, n)
	if off == None || it.rec >= 0 || j.doubtful(op, it) {
		return nil
	}
	recs := j.x.placed(it.class, off)
	called := sort.Search(len(recs), func(i int) bool { return j.x.records[recs[i]].seq > j.op(op).Call.Seq })
	for _, r := range recs[called:] {
		if j.tooLate(op, r) || !j.x.spend(1) {
			break
		}
		if j.free(op, r) {
			all = append(all, r)
		}
	}
	return all
}

// doubtful reports whether the offset that a write reports for an item says nothing of the log that the
// tap has noted: that of a write of unknown outcome may have been lost before a late tap noted the record,
// and the one there may be another's, which has the same value.
func (j *judge) doubtful(op int32, it *item2log) bool {
	return j.h.Header.Tap != TapExact && j.op(op).Outcome != OK && it.class >= 0 && shared(j.x.classes[it.class].value)
}

// tooLate reports whether a record was appended when the operation had been acknowledged.
// Then its offset was used again.
func (j *judge) tooLate(op, r int32) bool {
	o := j.op(op)
	return len(j.x.epochs) > 1 && o.Outcome == OK && j.since(r) > o.Return.Seq
}

// since returns an event before which a record was not in the log. With a late tap, only what
// was noted before it had an effect tells: the last loss before.
func (j *judge) since(r int32) int64 {
	rec := &j.x.records[r]
	if j.h.Header.Tap == TapExact {
		return rec.seq
	}
	return j.x.epochs[rec.born].seq
}
