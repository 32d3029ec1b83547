package linearizability

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// item2log is one key that an operation wrote, and the record that holds it.
type item2log struct {
	op    int32
	class int32 // -1: the log never had this key with this value
	rec   int32 // -1: not in the log
	// paired says that rec is one of several that may be the item's, and
	// least is the first of them: what follows from rec must not be used,
	// but what follows from least holds.
	paired bool
	least  int32
	// wrong says that the operation reported another offset than rec's.
	wrong bool
}

// match finds the record of each write. A value id that is unique identifies
// its record. Where ids are shared, as the tombstones of a key are, a reported
// revision does, or the neighbours in a batch; what is left over is paired by
// the order that real time imposes, earliest deadline first, which finds a
// pairing if there is one.
func (j *judge) match() {
	j.listWrites()
	for _, o := range j.writes {
		j.matchByValue(o)
	}
	for _, o := range j.writes {
		j.matchBatchNeighbours(o)
	}
	for _, o := range j.writes {
		j.matchReported(o)
	}
	j.matchShared()
	for _, o := range j.writes {
		j.noteBatch(o)
	}
	j.x.sortBatches()
	if j.h.Header.Tap == TapLate {
		j.x.steps = j.lateSteps()
	}
}

// listWrites lists all items of all writes.
func (j *judge) listWrites() {
	j.first = make([]int32, len(j.h.Ops)+1)
	add := func(i int, key, value string) {
		j.items = append(j.items, item2log{op: int32(i), class: j.x.lookup(key, value), rec: -1, least: -1})
	}
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		j.first[i] = int32(len(j.items))
		switch o.Kind {
		case OpPut:
			add(i, o.Key, o.Value)
		case OpDelete:
			add(i, o.Key, "")
		case OpBatch:
			for _, it := range o.Items {
				add(i, it.Key, it.Value)
			}
		case OpGet, OpRange, OpSync, OpWait, OpOpen, OpClose:
			continue
		}
		j.writes = append(j.writes, int32(i))
	}
	j.first[len(j.h.Ops)] = int32(len(j.items))
}

// itemsOf returns the items of a write.
func (j *judge) itemsOf(op int32) []item2log { return j.items[j.first[op]:j.first[op+1]] }

// reported returns the offset that an operation reported for its item n.
func (j *judge) reported(op int32, n int) int64 {
	o := j.op(op)
	if o.Kind == OpBatch {
		if rev := o.Items[n].Revision; rev != None {
			return rev
		}
		if o.Revision == None {
			return None
		}
		return o.Revision - int64(len(o.Items)-1-n)
	}
	return o.Revision
}

// matchReported claims the records at the offsets that the operation reported.
func (j *judge) matchReported(op int32) {
	if j.op(op).Outcome == Failed {
		return
	}
	items := j.itemsOf(op)
	for n := range items {
		if off := j.reported(op, n); off != None && items[n].rec < 0 && items[n].class >= 0 {
			j.claim(&items[n], j.find(op, items[n].class, off))
		}
	}
}

// find returns a record of the class at the offset that the operation can have
// written: one without a writer that was appended between the call and the
// return, or -1.
func (j *judge) find(op, class int32, off int64) int32 {
	o := j.op(op)
	for e := range j.x.timeline {
		r := j.x.at(int32(e), off)
		if r < 0 || !j.free(op, r) || j.x.records[r].class != class {
			continue
		}
		if j.h.Header.Tap == TapExact && o.Outcome == OK && j.x.records[r].seq > o.Return.Seq && e+1 < len(j.x.timeline) {
			continue // the offset was used again
		}
		return r
	}
	return -1
}

func (j *judge) free(op, r int32) bool {
	rec := &j.x.records[r]
	return rec.op < 0 && rec.seq > j.op(op).Call.Seq && !j.h.Log[rec.event].Foreign
}

func (j *judge) claim(it *item2log, r int32) {
	if r >= 0 {
		it.rec = r
		j.x.records[r].op = it.op
	}
}

// matchByValue claims the records that hold the operation's unique values. If
// there are several, it is the one at the reported offset, or else the last one
// that is still in the log.
func (j *judge) matchByValue(op int32) {
	if j.op(op).Outcome == Failed {
		return
	}
	items := j.itemsOf(op)
	for n := range items {
		it := &items[n]
		if it.rec >= 0 || it.class < 0 || shared(j.x.classes[it.class].value) {
			continue
		}
		off := j.reported(op, n)
		best, rank := int32(-1), -1
		for _, r := range j.x.written[it.class] {
			fit := 0
			if j.x.records[r].off == off {
				fit += 2
			}
			if j.x.records[r].died == never {
				fit++
			}
			if j.free(op, r) && fit >= rank {
				best, rank = r, fit
			}
		}
		j.claim(it, best)
		it.wrong = best >= 0 && off != None && j.x.records[best].off != off && j.op(op).Outcome == OK
	}
}

// matchBatchNeighbours claims the tombstones of a batch beside the values that
// identify it.
func (j *judge) matchBatchNeighbours(op int32) {
	items := j.itemsOf(op)
	for n := range items {
		if items[n].rec < 0 {
			continue
		}
		sure := &j.x.records[items[n].rec]
		for m := range items {
			if items[m].rec >= 0 || items[m].class < 0 {
				continue
			}
			r := j.x.at(sure.born, sure.off+int64(m-n))
			if r >= 0 && j.free(op, r) && j.x.records[r].class == items[m].class && j.x.records[r].born == sure.born {
				j.claim(&items[m], r)
			}
		}
		return
	}
}

// A window bounds where in the log the record of a write may be.
type window struct {
	item  int32
	lo    int64    // the event of the call: the append comes after it
	after position // what was acknowledged before the call
	// hi is the deadline: with an exact tap the event of the return, else
	// the lowest offset of a write that was called after the return.
	hi int64
	// least is the first record that can be the window's.
	least int32
}

// matchShared pairs what is left: writes whose value id is not theirs alone.
func (j *judge) matchShared() {
	waiting := map[int32][]int32{} // class -> items
	var classes []int32
	for _, op := range j.writes {
		if j.op(op).Outcome == Failed {
			continue
		}
		for n := j.first[op]; n < j.first[op+1]; n++ {
			c := j.items[n].class
			if j.items[n].rec >= 0 || c < 0 || !shared(j.x.classes[c].value) {
				continue
			}
			if waiting[c] == nil {
				classes = append(classes, c)
			}
			waiting[c] = append(waiting[c], n)
		}
	}
	if len(classes) == 0 {
		return
	}
	bounds := j.realTimeBounds()
	for _, c := range classes {
		j.pair(c, waiting[c], bounds)
	}
}

// pair assigns the free records of a class to the items that wait for one:
// acknowledged ones first, each to the earliest record that it can have, the
// ones with the earliest deadline before the others.
func (j *judge) pair(c int32, waiting []int32, bounds []opBounds) {
	var acked, unknown []window
	for _, n := range waiting {
		op := j.items[n].op
		w := window{item: n, lo: j.op(op).Call.Seq, hi: math.MaxInt64, after: bounds[op].after}
		if j.op(op).Outcome != OK {
			unknown = append(unknown, w)
			continue
		}
		w.hi = bounds[op].before
		if j.h.Header.Tap == TapExact {
			w.hi = j.op(op).Return.Seq
		}
		acked = append(acked, w)
	}
	j.assign(c, acked)
	j.assign(c, unknown)
}

// assign gives each free record of the class to the window with the earliest
// deadline of those that are open. Windows that open later by their call open
// later in the log too, so that both are taken in order.
func (j *judge) assign(c int32, windows []window) {
	slices.SortFunc(windows, func(a, b window) int { return cmp.Compare(a.lo, b.lo) })
	ready := &windowHeap{}
	next := 0
	for _, r := range j.x.written[c] {
		rec := &j.x.records[r]
		if rec.op >= 0 || j.h.Log[rec.event].Foreign {
			continue
		}
		for next < len(windows) && windows[next].opened(rec) {
			windows[next].least = r
			heap.Push(ready, windows[next])
			next++
		}
		if ready.Len() == 0 {
			continue
		}
		if w, ok := heap.Pop(ready).(window); ok {
			it := &j.items[w.item]
			j.claim(it, r)
			it.paired, it.least = true, w.least
			it.wrong = j.reportedItem(w.item) != None
		}
	}
}

// opened reports whether the record can be the window's.
func (w *window) opened(rec *record) bool {
	return w.lo < rec.seq && (rec.born > w.after.epoch || rec.off >= w.after.off)
}

// reportedItem returns the offset that was reported for an item, by its index.
func (j *judge) reportedItem(n int32) int64 {
	op := j.items[n].op
	if j.op(op).Outcome != OK {
		return None
	}
	return j.reported(op, int(n-j.first[op]))
}

// windowHeap orders windows by their deadline.
type windowHeap []window

func (h *windowHeap) Len() int           { return len(*h) }
func (h *windowHeap) Less(a, b int) bool { return (*h)[a].hi < (*h)[b].hi }
func (h *windowHeap) Swap(a, b int)      { (*h)[a], (*h)[b] = (*h)[b], (*h)[a] }

// Push is for container/heap.
func (h *windowHeap) Push(w any) {
	if w, ok := w.(window); ok {
		*h = append(*h, w)
	}
}

// Pop is for container/heap.
func (h *windowHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	*h = old[:len(old)-1]
	return w
}

// opBounds bounds the offset of a write by real time.
type opBounds struct {
	after  position // its offset is not below that of this position
	before int64    // its offset is below
}

// realTimeBounds returns for each operation the highest offset that was
// acknowledged before its call, and the lowest offset of a write that was
// called after its return, of those whose record is known.
func (j *judge) realTimeBounds() []opBounds {
	bounds := make([]opBounds, len(j.h.Ops))
	var acked position
	for _, e := range j.events {
		if !e.ret {
			bounds[e.op].after = acked
		} else if off, ok := j.wrote(e.op); ok && j.op(e.op).Outcome == OK {
			acked = j.x.join(acked, off)
		}
	}
	lowest := int64(math.MaxInt64)
	events := j.events
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		if e.ret {
			bounds[e.op].before = lowest
		} else if items := j.itemsOf(e.op); len(items) > 0 && items[0].rec >= 0 {
			lowest = min(lowest, j.x.records[items[0].rec].off)
		}
		if len(j.x.epochs) > 1 {
			lowest = math.MaxInt64 // offsets are used again: no deadline
		}
	}
	return bounds
}

// wrote returns the position after the last record of a write, or, where that
// is one of several, the lowest that it can be.
func (j *judge) wrote(op int32) (position, bool) {
	items := j.itemsOf(op)
	if len(items) == 0 {
		return position{}, false
	}
	var p position
	for i := range items {
		if items[i].rec < 0 {
			return position{}, false
		}
		r := &j.x.records[items[i].lowest()]
		p = j.x.join(p, position{r.born, r.off + 1})
	}
	return p, true
}

// lowest returns the first record that may be the item's.
func (it *item2log) lowest() int32 {
	if it.paired {
		return it.least
	}
	return it.rec
}

// opEvent is the call or the return of an operation.
type opEvent struct {
	seq int64
	op  int32
	ret bool
}

// opEvents returns the calls and returns of all operations in their order.
// Operations that are pending have no return.
func (j *judge) opEvents() []opEvent {
	events := make([]opEvent, 0, 2*len(j.h.Ops))
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		events = append(events, opEvent{o.Call.Seq, int32(i), false})
		if o.Outcome != Pending {
			events = append(events, opEvent{o.Return.Seq, int32(i), true})
		}
	}
	slices.SortFunc(events, func(a, b opEvent) int { return cmp.Compare(a.seq, b.seq) })
	return events
}

// noteBatch tells the index where a batch is, if it is in the log whole.
func (j *judge) noteBatch(op int32) {
	items := j.itemsOf(op)
	certain := slices.ContainsFunc(items, func(it item2log) bool { return !it.paired })
	if len(items) < 2 || !certain || !j.contiguous(items) {
		return
	}
	j.x.addBatch(&j.x.records[items[0].rec], len(items))
}

// uncertain reports whether a record was paired with one of several writes.
func (j *judge) uncertain(r int32) bool {
	items := j.itemsOf(j.x.records[r].op)
	for n := range items {
		if items[n].rec == r {
			return items[n].paired
		}
	}
	return false
}

func (j *judge) contiguous(items []item2log) bool {
	for n := range items {
		if items[n].rec < 0 {
			return false
		}
		r, first := &j.x.records[items[n].rec], &j.x.records[items[0].rec]
		if r.off != first.off+int64(n) || r.born != first.born {
			return false
		}
	}
	return true
}

// lateSteps bounds how far readers could get when the tap is late: a record was
// not in the log before its write was called, nor before the records below it.
func (j *judge) lateSteps() []step {
	steps := make([]step, 0, len(j.x.steps))
	var last int64
	next := 0
	for i := range j.h.Log {
		l := &j.h.Log[i]
		if l.Kind == LogEnd {
			continue
		}
		s := j.x.steps[len(steps)]
		s.lso = s.end // when a transaction ended is not known
		switch l.Kind {
		case LogCommit, LogAbort:
			s.seq = last
		case LogAppend:
			s.seq = last
			if op := j.x.records[next].op; op >= 0 && !j.uncertain(int32(next)) {
				s.seq = max(last, j.op(op).Call.Seq)
			}
			next++
		case LogTruncate, LogRecreate, LogTrim, LogCompact, LogEnd:
		}
		last = s.seq
		steps = append(steps, s)
	}
	return steps
}
