package linearizability

import "sort"

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
	if p.epoch == e {
		return p.off
	}
	return min(p.off, x.cuts.of(p.epoch+1, e))
}

// join returns the weakest bound that implies both.
func (x *logIndex) join(a, b position) position {
	if a.epoch > b.epoch {
		a, b = b, a
	}
	return position{b.epoch, max(b.off, x.in(a, b.epoch))}
}

// earliest returns the same bound in the first epoch whose log had all that is below it.
//
// Example: the log [a b c] loses c, and then there is nothing new in it. Whoever has seen the end
// of the new log knows that it has [a b], and so does a client that follows the log as it was.
func (x *logIndex) earliest(p position) position {
	first := sort.Search(int(p.epoch), func(e int) bool { return x.cuts.of(int32(e)+1, p.epoch) >= p.off })
	return position{int32(first), p.off}
}

// satisfied reports whether position p satisfies the bound.
func (x *logIndex) satisfied(bound, p position) bool {
	return p.epoch >= bound.epoch && p.off >= x.in(bound, p.epoch)
}

// batchEnd returns off or, if off lies inside a batch, the end of the batch.
func (x *logIndex) batchEnd(e int32, off int64) int64 {
	if len(x.batchLen) == 0 {
		return off
	}
	l := x.batches.in(e, 0)
	if i := x.search(l, off); i > 0 {
		first := l.at(i - 1)
		if end := x.records[first].off + int64(x.batchLen[first]); off < end {
			return end
		}
	}
	return off
}

// addBatch notes that the n records from first on are one batch.
func (x *logIndex) addBatch(first int32, n int) {
	if x.batchLen == nil {
		x.batchLen = make([]int32, len(x.records))
	}
	x.batchLen[first] = int32(n)
}

// sortBatches must be called once, after the last addBatch.
func (x *logIndex) sortBatches() {
	if x.batchLen == nil {
		return
	}
	x.batches = x.group(1, func(r int32) int32 {
		if x.batchLen[r] == 0 {
			return -1
		}
		return 0
	})
}
