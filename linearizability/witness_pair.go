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
	lo    int64    // the event of the call: the append comes after it
	after position // what was acknowledged before the call
	// hi is the deadline: with an exact tap the event of the return, else
	// the lowest offset of a write that was called after the return.
	hi int64
	// least is the first record that can be the window's.
	least int32
}

// opened reports whether the record can be the window's.
func (w *window) opened(rec *record) bool {
	return w.lo < rec.seq && (rec.born > w.after.epoch || rec.off >= w.after.off)
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
