package index

import (
	"bytes"
	"math/bits"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

type segment struct {
	depth   uint8 // number of first bits that the hashes of its items share
	buckets []bucket

	// What follows is for the goroutine that changes the index only. To take the
	// hashes of the keys again when a segment grows would cost a cache miss an item.
	hashes [][perBucket]uint32
	count  int // items
}

func newSegment(depth uint8, buckets int) *segment {
	return &segment{depth: depth, buckets: make([]bucket, buckets), hashes: make([][perBucket]uint32, buckets)}
}

// bucket is one cache line.
type bucket struct {
	// tags holds a byte of the hash of each item, never 0, and 0 where
	// there is none. Its last byte counts the items that had no room here
	// and went on to the next bucket; 255 means that nobody knows any more.
	tags  atomic.Uint64
	items [perBucket]atomic.Pointer[item.Item]
}

const (
	perBucket   = 7
	maxBuckets  = 1024 // in a segment: 64 KiB
	lowBits     = 0x00_01_01_01_01_01_01_01
	highBits    = 0x00_80_80_80_80_80_80_80
	passedShift = 56
	passedMax   = 255
)

// The last bits of a hash choose the bucket in a segment, the seven before them make the
// tag, and the first bits choose the segment. They overlap from 25,000,000 keys a bit
// of tag on: tags then tell less.
const tagShift = 10

func tagOf(h uint32) uint64 { return uint64(h>>tagShift&0x7f | 0x80) }

// home returns the bucket where the search for a key begins.
func (s *segment) home(h uint32) *bucket { return &s.buckets[h&uint32(len(s.buckets)-1)] }

// matches returns a word with the high bit of each byte set that is the tag of h, and
// of a few more.
func matches(tags uint64, h uint32) uint64 {
	differ := tags ^ tagOf(h)*lowBits
	return (differ - lowBits) &^ differ & highBits
}

// locate returns where the item of key is, or nil. It visits each bucket once
// at most, also when the segment is changed at the same time.
func (s *segment) locate(h uint32, key []byte) (b *bucket, slot int) {
	mask := uint32(len(s.buckets) - 1)
	at := h
	for range s.buckets {
		b := &s.buckets[at&mask]
		tags := b.tags.Load()
		for m := matches(tags, h); m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(m) / 8
			if it := b.items[i].Load(); it != nil && bytes.Equal(it.Key(), key) {
				return b, i
			}
		}
		if tags>>passedShift == 0 {
			return nil, 0
		}
		at++
	}
	return nil, 0
}

// place returns where the item it, whose hash is h, is, or nil. It reads no items.
func (s *segment) place(h uint32, it *item.Item) *atomic.Pointer[item.Item] {
	mask := uint32(len(s.buckets) - 1)
	at := h
	for range s.buckets {
		b := &s.buckets[at&mask]
		tags := b.tags.Load()
		for m := matches(tags, h); m != 0; m &= m - 1 {
			if p := &b.items[bits.TrailingZeros64(m)/8]; p.Load() == it {
				return p
			}
		}
		if tags>>passedShift == 0 {
			return nil
		}
		at++
	}
	return nil
}

// add puts it, whose key is not there, into a segment that has room.
func (s *segment) add(h uint32, it *item.Item) {
	mask := uint32(len(s.buckets) - 1)
	for at := h; ; at++ {
		b := &s.buckets[at&mask]
		tags := b.tags.Load()
		if free := ^tags & highBits; free != 0 {
			i := bits.TrailingZeros64(free) / 8
			s.hashes[at&mask][i] = h
			b.items[i].Store(it)
			b.tags.Store(tags | tagOf(h)<<(8*i))
			s.count++
			return
		}
		if tags>>passedShift < passedMax {
			b.tags.Store(tags + 1<<passedShift)
		}
	}
}

// take takes the item at place i of a bucket of s, whose hash is h, out.
func (x *Index) take(h uint32, s *segment, found *bucket, i int) {
	found.tags.Store(found.tags.Load() &^ (0xff << (8 * i)))
	x.forget(found.items[i].Swap(nil))
	mask := uint32(len(s.buckets) - 1)
	for at := h; &s.buckets[at&mask] != found; at++ {
		b := &s.buckets[at&mask]
		if tags := b.tags.Load(); tags>>passedShift < passedMax {
			b.tags.Store(tags - 1<<passedShift)
		}
	}
	s.count--
	if n := len(s.buckets); n > 1 && s.count < 2*n {
		x.shape.Lock()
		defer x.shape.Unlock()
		next := newSegment(s.depth, n/2)
		s.moveTo(func(uint32) *segment { return next })
		x.dir.Load().replace(h, next)
	}
}

// moveTo adds the items to the segments that next chooses.
func (s *segment) moveTo(next func(h uint32) *segment) {
	for i := range s.buckets {
		b := &s.buckets[i]
		for used := b.tags.Load() & highBits; used != 0; used &= used - 1 {
			j := bits.TrailingZeros64(used) / 8
			h := s.hashes[i][j]
			next(h).add(h, b.items[j].Load())
		}
	}
}

// items yields the items of the segment in no order.
func (s *segment) items(yield func(*item.Item) bool) {
	for i := range s.buckets {
		for j := range s.buckets[i].items {
			if it := s.buckets[i].items[j].Load(); it != nil && !yield(it) {
				return
			}
		}
	}
}
