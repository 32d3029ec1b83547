package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// J7: a position is a place in the log: all records below off in the epoch's timeline are
// applied. Used as a bound, it allows every position that is not before it: positions of
// the same epoch with the same or a higher off, and positions of later epochs that include
// everything below off that was not lost with the log's tail.
//
// Example: a client has applied the log [a b c d], which then loses its tail from offset 2
// on. The client was at {0, 4}. It may next be at {1, 2}, where it has applied [a b] of the
// new timeline, but not at {1, 1}: that would be going back.
type position struct {
	epoch int32
	off   int64
}

// in returns the lowest offset of epoch e that satisfies the bound. E must not be before
// the epoch of the bound.
func (x *logIndex) in(p position, e int32) int64 {
	off := p.off
	for i := p.epoch + 1; i <= e; i++ {
		off = min(off, x.epochs[i].cut)
	}
	return off
}

// join returns the weakest bound that implies both.
func (x *logIndex) join(a, b position) position {
	if a.epoch > b.epoch {
		a, b = b, a
	}
	return position{b.epoch, max(b.off, x.in(a, b.epoch))}
}

// satisfied reports whether position p satisfies the bound.
func (x *logIndex) satisfied(bound, p position) bool {
	return p.epoch >= bound.epoch && p.off >= x.in(bound, p.epoch)
}

// A span holds the offsets of a batch, without end.
type span struct{ start, end int64 }

// batchEnd returns off or, if off lies inside a batch, the end of the batch.
func (x *logIndex) batchEnd(e int32, off int64) int64 {
	spans := x.batches[e]
	i := sort.Search(len(spans), func(i int) bool { return spans[i].start >= off })
	if i > 0 && off < spans[i-1].end {
		return spans[i-1].end
	}
	return off
}

// addBatch notes that the n records from first on are one batch.
func (x *logIndex) addBatch(first *record, n int) {
	for e := first.born; e < min(first.died, int32(len(x.epochs))); e++ {
		x.batches[e] = append(x.batches[e], span{first.off, first.off + int64(n)})
	}
}

// sortBatches must be called once, after the last addBatch.
func (x *logIndex) sortBatches() {
	for _, spans := range x.batches {
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	}
}
