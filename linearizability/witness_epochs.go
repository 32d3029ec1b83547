package linearizability

import (
	"math"
	"sort"
)

// current returns the epoch in which an event falls.
func (x *logIndex) current(seq int64) int32 {
	last := len(x.epochs) - 1
	if x.epochs[last].seq <= seq {
		return int32(last)
	}
	// The first epoch began before all events.
	return int32(max(0, sort.Search(last, func(e int) bool { return x.epochs[e].seq > seq })-1))
}

// A lowest answers what the lowest of the cuts of some epochs in a row is. For each block of
// cuts it has the lowest of that block, and of the next 2, 4, 8 and so on from there.
type lowest struct {
	cuts   []int64
	blocks [][]int64
}

const blockCuts = 32

func newLowest(epochs []epoch) lowest {
	l := lowest{cuts: make([]int64, len(epochs))}
	row := make([]int64, (len(epochs)+blockCuts-1)/blockCuts)
	for e := range epochs {
		l.cuts[e] = epochs[e].cut
		if b := e / blockCuts; e%blockCuts == 0 || epochs[e].cut < row[b] {
			row[b] = epochs[e].cut
		}
	}
	for n := 1; ; n *= 2 {
		l.blocks = append(l.blocks, row)
		if len(row) <= n {
			return l
		}
		next := make([]int64, len(row)-n)
		for i := range next {
			next[i] = min(row[i], row[i+n])
		}
		row = next
	}
}

// of returns the lowest cut of the epochs from one to another, both included.
func (l *lowest) of(from, to int32) int64 {
	low := int64(math.MaxInt64)
	for ; from <= to && from%blockCuts != 0; from++ {
		low = min(low, l.cuts[from])
	}
	for ; from <= to && to%blockCuts != blockCuts-1; to-- {
		low = min(low, l.cuts[to])
	}
	for from <= to {
		n := int32(1)
		row := 0
		for from/blockCuts+2*n-1 <= to/blockCuts {
			n, row = 2*n, row+1
		}
		low = min(low, l.blocks[row][from/blockCuts])
		from += n * blockCuts
	}
	return low
}

// epochOf returns the first epoch, not before another one, in which readers could get to a
// position by an event. If there is none, it returns the epoch of the event.
func (x *logIndex) epochOf(from int32, off, seq int64) int32 {
	last := x.current(seq)
	for e := from; e < last && x.spend(1); e++ {
		if off <= x.epochs[e].settled {
			return e
		}
	}
	return max(from, last)
}

// showed returns how far the log had got at least, by the position that an operation reports or the
// revision that it waited for: in the first epoch that got there, as it may follow any.
func (x *logIndex) showed(o *Operation) position {
	off := max(0, o.Position)
	if o.Kind == OpWait {
		off = max(off, o.Revision+1)
	}
	last := int(x.current(o.Return.Seq))
	return position{int32(sort.Search(last, func(e int) bool { return x.epochs[e].farthest >= off })), off}
}

// furthest returns how far readers could get at most up to an event.
func (x *logIndex) furthest(seq int64) int64 {
	cur := x.current(seq)
	return max(x.epochs[cur].highest, x.reach(cur, seq).lso)
}

// lost reports whether the log lost something between two events.
func (x *logIndex) lost(from, to int64) bool {
	i := sort.Search(len(x.trims), func(i int) bool { return x.trims[i].seq > from })
	return i < len(x.trims) && x.trims[i].seq < to || x.current(from) != x.current(to)
}

// trimmed reports whether a record has been deleted from the start of the log. Some clients
// may still have its effect, and others will never see it.
func (x *logIndex) trimmed(rec int32) bool {
	if rec < 0 || len(x.trims) == 0 {
		return false
	}
	r := &x.records[rec]
	born := x.epochs[r.born].seq
	i := sort.Search(len(x.trims), func(i int) bool { return x.trims[i].seq >= born })
	return i < len(x.trims) && r.off < x.trims[i].highest
}

// noteHighest sets what is known of the epochs and trims before, or after, each.
func (x *logIndex) noteHighest() {
	for e := 1; e < len(x.epochs); e++ {
		before := &x.epochs[e-1]
		x.epochs[e].highest = max(before.highest, before.end)
	}
	for i := len(x.trims) - 1; i >= 0; i-- {
		t := &x.trims[i]
		t.highest = t.off
		if i+1 < len(x.trims) {
			t.highest = max(t.off, x.trims[i+1].highest)
		}
	}
}
