package memory

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// index finds an item by its key in about two cache misses, one for a bucket and
// one for the item, where the tree needs about six. It knows no order.
//
// It is a hash table of the kind of Google's and Facebook's ("Swiss table",
// F14): a bucket fills one cache line with seven items and a byte of each item's
// hash. It grows by extendible hashing (Fagin, Nievergelt, Pippenger and Strong,
// "Extendible Hashing", 1979): the first bits of the hash choose a segment, and a
// segment that is full is divided, so no insert moves more than one segment's
// items, however many keys there are.
//
// One goroutine at a time may change it. Any number may call find meanwhile: what
// they get then is a guess, and [Storage] says how it knows a good one.
type index struct {
	seed   maphash.Seed
	dir    atomic.Pointer[directory]
	weight int // of the items; for the goroutine that changes the index only
}

// weight is about what an item costs, in bytes.
func weight(it *item) int { return it.size() + 48 }

// directory maps the first bits of a hash to a segment. A segment of a lower depth
// than the directory's stands in it several times.
type directory struct {
	depth    uint8
	segments []atomic.Pointer[segment] // 1 << depth of them
}

type segment struct {
	depth   uint8 // number of first bits that the hashes of its items share
	buckets []bucket
	count   int // items; for the goroutine that changes the index only
}

// bucket is one cache line.
type bucket struct {
	// tags holds a byte of the hash of each item, never 0, and 0 where
	// there is none. Its last byte counts the items that had no room here
	// and went on to the next bucket; 255 means that nobody knows any more.
	tags  atomic.Uint64
	items [perBucket]atomic.Pointer[item]
}

const (
	perBucket   = 7
	maxBuckets  = 1024 // in a segment: 64 KiB
	lowBits     = 0x00_01_01_01_01_01_01_01
	highBits    = 0x00_80_80_80_80_80_80_80
	passedShift = 56
	passedMax   = 255
)

func tagOf(h uint64) uint64 { return h&0x7f | 0x80 }

// clear makes the index empty.
func (x *index) clear() {
	d := &directory{segments: make([]atomic.Pointer[segment], 1)}
	d.segments[0].Store(&segment{buckets: make([]bucket, 1)})
	x.dir.Store(d)
	x.weight = 0
}

func (x *index) hash(key []byte) uint64 { return maphash.Bytes(x.seed, key) }

func (d *directory) segment(h uint64) *segment {
	return d.segments[h>>(64-d.depth)].Load()
}

// find returns the item of key, whose hash is h, or nil.
func (x *index) find(h uint64, key []byte) *item { return x.dir.Load().find(h, key) }

func (d *directory) find(h uint64, key []byte) *item {
	b, i := d.segment(h).locate(h, key)
	if b == nil {
		return nil
	}
	return b.items[i].Load()
}

// locate returns where the item of key is, or nil. It visits each bucket once
// at most, also when the segment is changed at the same time.
func (s *segment) locate(h uint64, key []byte) (b *bucket, slot int) {
	mask := uint64(len(s.buckets) - 1)
	at := h >> 7
	for range s.buckets {
		b := &s.buckets[at&mask]
		tags := b.tags.Load()
		differ := tags ^ tagOf(h)*lowBits
		for m := (differ - lowBits) &^ differ & highBits; m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(m) / 8
			if it := b.items[i].Load(); it != nil && bytes.Equal(it.key(), key) {
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

// apply does one change, and before that keeps in b, unless it is nil, what it
// replaces.
func (x *index) apply(c change, b *before) {
	key := c.item.key()
	h := x.hash(key)
	s := x.dir.Load().segment(h)
	at, i := s.locate(h, key)
	var old *item
	if at != nil {
		old = at.items[i].Load()
		x.weight -= weight(old)
	}
	if b != nil {
		b.add(h, c.item, old)
	}
	switch {
	case !c.gone:
		x.weight += weight(c.item)
		if at != nil {
			at.items[i].Store(c.item)
			return
		}
		for s.count >= len(s.buckets)*(perBucket-1) {
			x.grow(h, s)
			s = x.dir.Load().segment(h)
		}
		s.add(h, c.item)
	case at != nil:
		x.remove(h, s, at, i)
	}
}

// move replaces the item old by it, which is the same one in another place. Where the
// index has another one by now, nothing is to be done. It may be called at any time,
// also while the index is changed: when that makes it miss its aim the item lies in
// two places, which costs memory until the key is written again.
func (x *index) move(old, it *item) {
	h := x.hash(it.key())
	if b, i := x.dir.Load().segment(h).locate(h, it.key()); b != nil {
		b.items[i].CompareAndSwap(old, it)
	}
}

// add puts it, whose key is not there, into a segment that has room.
func (s *segment) add(h uint64, it *item) {
	mask := uint64(len(s.buckets) - 1)
	for at := h >> 7; ; at++ {
		b := &s.buckets[at&mask]
		tags := b.tags.Load()
		if free := ^tags & highBits; free != 0 {
			i := bits.TrailingZeros64(free) / 8
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

// remove takes the item at place i of a bucket of s, whose hash is h, out.
func (x *index) remove(h uint64, s *segment, found *bucket, i int) {
	found.tags.Store(found.tags.Load() &^ (0xff << (8 * i)))
	found.items[i].Store(nil)
	mask := uint64(len(s.buckets) - 1)
	for at := h >> 7; &s.buckets[at&mask] != found; at++ {
		b := &s.buckets[at&mask]
		if tags := b.tags.Load(); tags>>passedShift < passedMax {
			b.tags.Store(tags - 1<<passedShift)
		}
	}
	s.count--
	if n := len(s.buckets); n > 1 && s.count < 2*n {
		x.dir.Load().replace(h, x.rebuild(s, s.depth, n/2, func(uint64) bool { return true }))
	}
}

// grow makes room in s, the segment of h: it gets twice the buckets, or is divided
// in two when it has the most.
func (x *index) grow(h uint64, s *segment) {
	d := x.dir.Load()
	if n := len(s.buckets); n < maxBuckets {
		d.replace(h, x.rebuild(s, s.depth, 2*n, func(uint64) bool { return true }))
		return
	}
	if s.depth == d.depth {
		d = d.double()
	}
	for _, side := range []uint64{0, 1} {
		// The bit behind the shared ones tells the two new segments apart.
		shift := 63 - s.depth
		half := x.rebuild(s, s.depth+1, maxBuckets, func(h uint64) bool { return h>>shift&1 == side })
		d.replace(h&^(1<<shift)|side<<shift, half)
	}
	x.dir.Store(d)
}

// rebuild returns a segment of n buckets with the items of s whose hashes belong.
func (x *index) rebuild(s *segment, depth uint8, n int, belongs func(h uint64) bool) *segment {
	next := &segment{depth: depth, buckets: make([]bucket, n)}
	for b := range s.items() {
		if h := x.hash(b.key()); belongs(h) {
			next.add(h, b)
		}
	}
	return next
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
func (d *directory) replace(h uint64, next *segment) {
	spread := uint64(1) << (d.depth - next.depth)
	first := h >> (64 - d.depth) &^ (spread - 1)
	for i := range spread {
		d.segments[first+i].Store(next)
	}
}

// items yields the items of the segment in no order.
func (s *segment) items() func(yield func(*item) bool) {
	return func(yield func(*item) bool) {
		for i := range s.buckets {
			for j := range s.buckets[i].items {
				if it := s.buckets[i].items[j].Load(); it != nil && !yield(it) {
					return
				}
			}
		}
	}
}

// all calls yield with each segment once.
func (x *index) all(yield func(*segment) bool) {
	d := x.dir.Load()
	for i := 0; i < len(d.segments); {
		s := d.segments[i].Load()
		if !yield(s) {
			return
		}
		i += 1 << (d.depth - s.depth)
	}
}

// slots returns the items in no order, without hints.
func (x *index) slots() []slot {
	n := 0
	for s := range x.all {
		n += s.count
	}
	slots := make([]slot, 0, n)
	for s := range x.all {
		for it := range s.items() {
			slots = append(slots, slot{item: it})
		}
	}
	return slots
}
