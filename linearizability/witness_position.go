package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// J7: a position is a place in the log: all records of the epoch's timeline below
// off are applied. As a bound it stands for every position that is not before
// it: those of the same epoch with the same or a higher off, and those of later
// epochs that keep what the loss of the tail left of it.
//
// The log [a b c d] at position 4 loses its tail from offset 2 on. A client
// that was at {0, 4} may be at {1, 2} next, the same [a b] of the new timeline,
// but not at {1, 1}: that would be going back.
type position struct {
	epoch int32
	off   int64
}

// in returns the lowest offset of epoch e that satisfies the bound. No offset of
// an epoch before the bound's does; what it returns then is of no use.
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

// A span is the offsets of a batch, the end excluded.
type span struct{ start, end int64 }

// batchEnd returns off, or, if it lies inside of a batch, the end of the batch.
func (x *logIndex) batchEnd(e int32, off int64) int64 {
	spans := x.batches[e]
	i := sort.Search(len(spans), func(i int) bool { return spans[i].start >= off })
	if i > 0 && off < spans[i-1].end {
		return spans[i-1].end
	}
	return off
}

// addBatch notes that the records from first on are one batch.
func (x *logIndex) addBatch(first *record, n int) {
	for e := first.born; e < min(first.died, int32(len(x.epochs))); e++ {
		x.batches[e] = append(x.batches[e], span{first.off, first.off + int64(n)})
	}
}

// sortBatches has to be called once after the last addBatch.
func (x *logIndex) sortBatches() {
	for _, spans := range x.batches {
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	}
}
