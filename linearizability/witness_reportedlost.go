package linearizability

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"sort"
)

// checkReportedLost judges a write that ended with the error that the log has lost it. That is so if
// its records were lost, or are in the log no more, or never got there. If all of them had been in
// the log ever since they were appended, the process could have known.
//
// A try that comes late may be appended after an earlier one was lost, so such a write is not judged.
// If several writes share a value, the others must be able to have written all records of it, except
// those that the write itself may have written and that are in the log no more (J2). For example, there
// are two records, and only one other write of the value; or there is one record, and each other write
// was called after that was appended.
func (j *judge) checkReportedLost(op int32) {
	o := j.op(op)
	items := j.itemsOf(op)
	if o.Outcome != Unknown || o.Class != ErrorLoss || len(items) == 0 {
		return
	}
	j.judged(CheckReportedLost)
	for n := range items {
		if items[n].class < 0 {
			return
		}
		if recs := j.heldUntil(op, items[n].class); len(recs) > 0 && !j.othersWrote(op, items[n].class, recs, nil) && j.stayed(op, items[n].class, recs) {
			v := j.accusation(CheckReportedLost, op)
			v.Reason = fmt.Sprintf("%s ended at %s because the log had lost it, but its record was in the log all the time", o.call(), o.Return.Time)
			j.violate(j.with(v, j.recordsOf(op)...))
			return
		}
	}
}

// stayed reports whether the records of a write that has written one of those given were in the log until it
// returned, wherever they may be.
func (j *judge) stayed(op, class int32, recs []int32) bool {
	o, somewhere := j.op(op), false
	for _, r := range recs {
		if j.x.records[r].seq < o.Call.Seq {
			continue
		}
		for _, place := range j.places(op, r) {
			stays := !slices.ContainsFunc(place, func(r int32) bool { return !j.stays(r, o.Return.Seq) })
			if !stays && j.othersWrote(op, class, recs, place) {
				return false
			}
			somewhere = somewhere || stays
		}
	}
	return somewhere && !j.x.spent()
}

// othersWrote reports whether the other writes of a class that were not refused can have written its
// records, in the order of their appends, except some. Each is given the record of the write that had to
// be in the log first, of those that had been called by then.
func (j *judge) othersWrote(op, class int32, records, except []int32) bool {
	w := j.classes().of(class)
	next, ready := 0, &windowHeap{}
	for _, r := range records {
		if slices.Contains(except, r) {
			continue
		}
		noted := j.x.records[r].seq
		for ; next < len(w.calls) && w.calls[next] < noted && j.x.spend(1); next++ {
			by := w.writers[next]
			fits := func(r int32) bool { return len(j.places(by, r)) > 0 }
			if by != op && (len(j.itemsOf(by)) == 1 || slices.ContainsFunc(records, fits)) {
				heap.Push(ready, window{hi: j.before(j.deadline(by))})
			}
		}
		for ready.Len() > 0 && (*ready)[0].hi < noted {
			heap.Pop(ready)
		}
		if ready.Len() == 0 {
			return j.x.spent()
		}
		heap.Pop(ready)
	}
	return true
}

// places returns the lists of records that a write may have written one of which is the given one.
func (j *judge) places(op, rec int32) (all [][]int32) {
	items, m := j.itemsOf(op), &j.x.records[rec]
	l := j.x.timeline.in(m.born, 0)
	for n := range items {
		if items[n].class != m.class {
			continue
		}
		at := j.x.search(l, m.off) - n
		var recs []int32
		for i := at; i >= 0 && i < min(l.len(), at+len(items)) && j.x.spend(1); i++ {
			r := &j.x.records[l.at(i)]
			if r.class != items[i-at].class || !j.x.follows(rec, l.at(i), i-at-n) {
				break
			}
			recs = append(recs, l.at(i))
		}
		if len(recs) == len(items) {
			all = append(all, recs)
		}
	}
	return all
}

// heldUntil returns the records of a class that were noted before a write returned, without those that
// the log had lost by then; none if it had lost one that may have been the write's.
func (j *judge) heldUntil(op, class int32) (all []int32) {
	o := j.op(op)
	j.x.spend(len(j.x.written[class]))
	for _, r := range j.x.written[class] {
		rec := &j.x.records[r]
		switch {
		case j.h.Log[rec.event].Foreign || j.x.try(rec) || rec.seq > o.Return.Seq:
		case rec.died == never || j.x.epochs[rec.died].seq >= j.before(o.Return.Seq):
			all = append(all, r)
		case rec.seq > o.Call.Seq:
			return nil
		}
	}
	return all
}

// before returns the event before which something has to have been noted to have happened
// before an event: with a late tap it may be noted at any time later.
func (j *judge) before(seq int64) int64 {
	if j.h.Header.Tap == TapExact {
		return seq
	}
	return math.MaxInt64
}

// stays reports whether a record that was not lost was in the log at an event, and had been there since
// its append.
func (j *judge) stays(rec int32, seq int64) bool {
	r, limit := &j.x.records[rec], j.before(seq)
	if r.seq > seq || j.h.Log[r.event].Foreign || r.gone != 0 && r.gone < limit {
		return false
	}
	trim := j.x.lastTrim(limit)
	return trim == nil || trim.seq < r.seq || trim.off <= r.off
}

// lastTrim returns the last deletion from the start of the log before an event, nil for none.
func (x *logIndex) lastTrim(seq int64) *trim {
	i := sort.Search(len(x.trims), func(i int) bool { return x.trims[i].seq >= seq })
	if i == 0 {
		return nil
	}
	return &x.trims[i-1]
}
