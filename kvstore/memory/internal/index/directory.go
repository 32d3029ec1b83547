package index

import (
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// directory maps the first bits of a hash to a segment. A segment of a lower depth
// than the directory's stands in it several times.
type directory struct {
	depth    uint8
	segments []atomic.Pointer[segment] // 1 << depth of them
}

// newDirectory returns one of empty segments, each with a number of buckets.
func newDirectory(depth uint8, buckets int) *directory {
	d := &directory{depth: depth, segments: make([]atomic.Pointer[segment], 1<<depth)}
	for i := range d.segments {
		d.segments[i].Store(newSegment(depth, buckets))
	}
	return d
}

func (d *directory) segment(h uint32) *segment {
	return d.segments[h>>(32-d.depth)].Load()
}

func (d *directory) find(h uint32, key []byte) *item.Item {
	b, i := d.segment(h).locate(h, key)
	if b == nil {
		return nil
	}
	return b.items[i].Load()
}

// all calls yield with each segment once.
func (x *Index) all(yield func(*segment) bool) {
	d := x.dir.Load()
	for i := 0; i < len(d.segments); {
		s := d.segments[i].Load()
		if !yield(s) {
			return
		}
		i += 1 << (d.depth - s.depth)
	}
}

// grow makes room in s, the segment of h: it gets twice the buckets, or is divided
// in two when it has the most.
func (x *Index) grow(h uint32, s *segment) {
	x.shape.Lock()
	defer x.shape.Unlock()
	d := x.dir.Load()
	if n := len(s.buckets); n < maxBuckets {
		next := newSegment(s.depth, 2*n)
		s.moveTo(func(uint32) *segment { return next })
		d.replace(h, next)
		return
	}
	if s.depth == d.depth {
		d = d.double()
	}
	// The bit behind the shared ones tells the two new segments apart.
	shift := 31 - s.depth
	halves := [2]*segment{newSegment(s.depth+1, maxBuckets), newSegment(s.depth+1, maxBuckets)}
	s.moveTo(func(h uint32) *segment { return halves[h>>shift&1] })
	for side, half := range halves {
		d.replace(h&^(1<<shift)|uint32(side)<<shift, half)
	}
	x.dir.Store(d)
}

// double returns a directory twice as long with the same segments.
func (d *directory) double() *directory {
	next := &directory{depth: d.depth + 1, segments: make([]atomic.Pointer[segment], 2*len(d.segments))}
	for i := range next.segments {
		next.segments[i].Store(d.segments[i/2].Load())
	}
	return next
}

// replace makes next the segment of the hashes that share next.depth bits with h.
func (d *directory) replace(h uint32, next *segment) {
	spread := uint32(1) << (d.depth - next.depth)
	first := h >> (32 - d.depth) &^ (spread - 1)
	for i := range spread {
		d.segments[first+i].Store(next)
	}
}
