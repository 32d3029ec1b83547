package linearizability

import (
	"fmt"
	"math"
	"sort"
)

// checkReportedLost judges a write that ended with the error that the log has lost it. That is so if
// its records were lost, or are in the log no more, or never got there. If all of them had been in
// the log ever since they were appended, the process could have known.
//
// A try that comes late may be appended after an earlier one was lost, so such a write is not judged.
// If several writes share a value, the records are those of all of them only if there are as many
// (J2).
func (j *judge) checkReportedLost(op int32) {
	o := j.op(op)
	items := j.itemsOf(op)
	if o.Outcome != Unknown || o.Class != ErrorLoss || len(items) == 0 {
		return
	}
	j.judged(CheckReportedLost)
	for n := range items {
		if class := items[n].class; class < 0 || j.staying(class, o.Return.Seq) < j.classes().of(class).writesBefore(o.Return.Seq) {
			return
		}
	}
	v := j.accusation(CheckReportedLost, op)
	v.Reason = fmt.Sprintf("%s ended at %s because the log had lost it, but its record was in the log all the time", o.call(), o.Return.Time)
	j.violate(j.with(v, j.recordsOf(op)...))
}

// staying returns how many records of a class were in the log at an event, and had been there since
// their append; -1 if the log had lost one before.
func (j *judge) staying(class int32, seq int64) (n int) {
	j.x.spend(len(j.x.written[class]))
	for _, r := range j.x.written[class] {
		if rec := &j.x.records[r]; rec.died != never && j.x.epochs[rec.died].seq < j.before(seq) {
			return -1
		}
		if j.stays(r, seq) {
			n++
		}
	}
	return n
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
