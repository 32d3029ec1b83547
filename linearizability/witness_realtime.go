package linearizability

import (
	"fmt"
)

// checkRealTime judges whether offsets follow the order of real time.
func (j *judge) checkRealTime() {
	var acked position
	last := int32(-1) // the write that set acked
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

// realTimePair compares a write with the highest one that was acknowledged before it was
// called.
func (j *judge) realTimePair(op, earlier int32, acked position) {
	if earlier < 0 {
		return
	}
	j.judged(CheckRealTimeOrder)
	items := j.itemsOf(op)
	for n := range items {
		r := items[n].rec
		if r < 0 || items[n].paired {
			continue // it was paired so as to fit this order
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
