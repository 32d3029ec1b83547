package linearizability

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// A window bounds where in the log the record of a write may be.
type window struct {
	item  int32
	lo    int64    // the event of the call; the append comes after it
	after position // the position after all that was acknowledged before the call
	// hi is the deadline: with an exact tap the event of the return, otherwise the lowest
	// offset of a write that was called after the return, or the epoch of the return if
	// offsets were used again.
	hi int64
	// at is the offset at which the record must be, or None.
	at int64
	// least is the first record that can be the write's.
	least int32
}

// opened reports whether the window has opened by the time of the record.
func (w *window) opened(rec *record) bool {
	return w.lo < rec.seq && (rec.born > w.after.epoch || rec.off >= w.after.off)
}

// matchShared pairs the writes that have no record yet, and whose value id may be shared.
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
	if len(classes) == 0 && len(j.x.epochs) == 1 {
		return // after a loss, records may be left of writes that were sent before
	}
	for _, c := range classes {
		j.only(c, waiting[c])
	}
	bounds := j.realTimeBounds()
	j.torn = j.whole(bounds)
	for _, c := range classes {
		j.pair(c, waiting[c], bounds)
	}
}

// only claims the record of a class for a write if both are the only ones.
func (j *judge) only(c int32, waiting []int32) {
	recs := j.x.written[c]
	if len(waiting) != 1 || len(recs) != 1 || j.items[waiting[0]].rec >= 0 || !j.free(j.items[waiting[0]].op, recs[0]) {
		return
	}
	it := &j.items[waiting[0]]
	j.claim(it, recs[0])
	it.wrong = j.reportedItem(waiting[0]) != None
	j.matchBatchNeighbours(it.op)
}

// pair assigns the free records of a class to the items that wait for one. Acknowledged
// writes go first.
func (j *judge) pair(c int32, waiting []int32, bounds []opBounds) {
	var acked, unknown []window
	several := false
	for _, n := range waiting {
		op := j.items[n].op
		w := window{item: n, lo: j.op(op).Call.Seq, hi: math.MaxInt64, after: bounds[op].after, at: None}
		if j.items[n].rec >= 0 {
			continue
		}
		if j.several[op] {
			several, w.at = true, j.reported(op, 0)
		}
		if j.op(op).Outcome != OK {
			unknown = append(unknown, w)
			continue
		}
		switch {
		case j.h.Header.Tap == TapExact:
			w.hi = j.op(op).Return.Seq
		case len(j.x.epochs) > 1:
			w.hi = int64(j.x.current(j.op(op).Return.Seq))
		default:
			w.hi = bounds[op].before
		}
		acked = append(acked, w)
	}
	if several && j.assignAny(c, append(acked, unknown...)) {
		return
	}
	j.assign(c, acked, true)
	j.assign(c, unknown, false)
}

// assign gives each free record of the class to the open window with the earliest
// deadline. A window with a later call also opens later in the log, so one pass over the
// windows and the records, both in order, is enough. An acknowledged write has no record that was aborted.
func (j *judge) assign(c int32, windows []window, acked bool) {
	slices.SortFunc(windows, func(a, b window) int { return cmp.Compare(a.lo, b.lo) })
	ready := &windowHeap{}
	next := 0
	for _, r := range j.x.written[c] {
		rec := &j.x.records[r]
		if !j.x.unowned(r) || acked && rec.status == aborted {
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
			it.wrong = j.reportedItem(w.item) != None && !j.several[it.op]
		}
	}
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

func (h *windowHeap) Len() int { return len(*h) }

func (h *windowHeap) Less(a, b int) bool { return (*h)[a].hi < (*h)[b].hi }

func (h *windowHeap) Swap(a, b int) { (*h)[a], (*h)[b] = (*h)[b], (*h)[a] }

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
	after  position // its offset is not below this position's
	before int64    // its offset is below this one
}

// realTimeBounds returns, for each operation, the position after all writes that were
// acknowledged before its call, and the lowest offset of a write that was called after its
// return. It uses only writes whose records are known.
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
