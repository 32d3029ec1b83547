package memory

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
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
	seed maphash.Seed
	dir  atomic.Pointer[directory]

	// old has the small items that the storage was filled with, and those that the
	// first tree gathered.
	old   chunk.Old
	slack int // bytes of chunks that may lie waste however small the storage is

	// shape is held, for reading, by those who move items: nobody must copy or replace
	// a segment meanwhile.
	shape sync.RWMutex

	sunk atomic.Uint32 // what nobody reads

	// For the goroutine that changes the index only.
	weight int // of the items
}

// directory maps the first bits of a hash to a segment. A segment of a lower depth
// than the directory's stands in it several times.
type directory struct {
	depth    uint8
	segments []atomic.Pointer[segment] // 1 << depth of them
}

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

// clear makes the index empty.
func (x *index) clear() {
	d := &directory{segments: make([]atomic.Pointer[segment], 1)}
	d.segments[0].Store(newSegment(0, 1))
	x.dir.Store(d)
	x.weight = 0
	x.old = chunk.Old{}
}

// reserve makes an empty index as large as n items need it.
func (x *index) reserve(n int) {
	depth, buckets := 0, 1
	for n>>depth > maxBuckets*(perBucket-2) {
		depth++
	}
	for buckets < maxBuckets && n > buckets*(perBucket-2) {
		buckets *= 2
	}
	d := &directory{depth: uint8(depth), segments: make([]atomic.Pointer[segment], 1<<depth)}
	for i := range d.segments {
		d.segments[i].Store(newSegment(uint8(depth), buckets))
	}
	x.dir.Store(d)
}

func (x *index) hash(key []byte) uint32 { return item.Hash(x.seed, key) }

func (d *directory) segment(h uint32) *segment {
	return d.segments[h>>(32-d.depth)].Load()
}

// home returns the bucket where the search for a key begins.
func (s *segment) home(h uint32) *bucket { return &s.buckets[h&uint32(len(s.buckets)-1)] }

// find returns the item of key, whose hash is h, or nil.
func (x *index) find(h uint32, key []byte) *item.Item { return x.dir.Load().find(h, key) }

func (d *directory) find(h uint32, key []byte) *item.Item {
	b, i := d.segment(h).locate(h, key)
	if b == nil {
		return nil
	}
	return b.items[i].Load()
}

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

// do does one change.
func (x *index) do(c change, b *undo.Log) {
	s := x.dir.Load().segment(c.hash)
	at, i := s.locate(c.hash, c.item.Key())
	if b != nil {
		var old *item.Item
		if at != nil {
			old = at.items[i].Load()
		}
		b.Add(c.hash, c.item, old)
	}
	if !c.gone {
		x.weight += c.item.Weight()
	}
	switch {
	case !c.gone && at != nil:
		x.forget(at.items[i].Swap(c.item))
	case !c.gone:
		x.add(c.hash, c.item)
	case at != nil:
		x.take(c.hash, s, at, i)
	}
}

// add adds it, whose hash is h and whose key is not there.
func (x *index) add(h uint32, it *item.Item) {
	s := x.dir.Load().segment(h)
	for s.count >= len(s.buckets)*(perBucket-1) {
		x.grow(h, s)
		s = x.dir.Load().segment(h)
	}
	s.add(h, it)
}

// forget says that the index has the item old no more.
func (x *index) forget(old *item.Item) {
	x.weight -= old.Weight()
	if old.Chunked() {
		x.old.Live.Add(-int64(chunk.Align(old.Size())))
	}
}

// move replaces the items of before by those of after, which are the same in a new
// block. Where the index has another one by now, nothing is to be done. It may be
// called at any time.
func (x *index) move(before, after []*item.Item) {
	x.shape.RLock()
	defer x.shape.RUnlock()
	d := x.dir.Load()
	var hashes [maxLeaf + 1]uint32
	x.hashes(d, before, hashes[:])
	came, gone := 0, 0
	for i, old := range before {
		if it := after[i]; it != old && it.Chunked() {
			came += chunk.Align(it.Size())
		}
	}
	x.old.Live.Add(int64(came)) // before anybody can replace them
	for i, old := range before {
		it := after[i]
		if it == old {
			continue
		}
		p := d.segment(hashes[i]).place(hashes[i], old)
		if p == nil || !p.CompareAndSwap(old, it) {
			old = it // which is not wanted
		}
		if old.Chunked() {
			gone += chunk.Align(old.Size())
		}
	}
	x.old.Live.Add(-int64(gone))
}

// hashes sets hashes to those of the keys of items, and touches their buckets: see item.Ahead.
func (x *index) hashes(d *directory, items []*item.Item, hashes []uint32) {
	var sink uint64
	for i, it := range items {
		h := x.hash(it.Key())
		hashes[i] = h
		sink += d.segment(h).home(h).tags.Load()
	}
	x.sunk.Store(uint32(sink)) // or the compiler would leave the loads out
}

// clean gives old chunks up while too much of them lies waste, and reads some times as much
// for it as w wrote. The items in their new places are changes, of w.
func (x *index) clean(w *writing) {
	x.old.GiveUp(4*w.weight+chunk.Most, x.slack, func(items []*item.Item) { x.rescue(items, w) })
}

// rescue moves items, as far as x has them, to allocations of their own.
func (x *index) rescue(items []*item.Item, w *writing) {
	d := x.dir.Load()
	var hashes [item.Ahead]uint32
	x.hashes(d, items, hashes[:])
	for i, it := range items {
		p := d.segment(hashes[i]).place(hashes[i], it)
		if p == nil {
			continue
		}
		if to := it.Clone(); p.CompareAndSwap(it, to) {
			x.old.Live.Add(-int64(chunk.Align(it.Size())))
			w.did(change{item: to, hash: hashes[i]})
		}
	}
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
func (x *index) take(h uint32, s *segment, found *bucket, i int) {
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

// grow makes room in s, the segment of h: it gets twice the buckets, or is divided
// in two when it has the most.
func (x *index) grow(h uint32, s *segment) {
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

// items yields the items of the segment in no order.
func (s *segment) items() func(yield func(*item.Item) bool) {
	return func(yield func(*item.Item) bool) {
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
	slots := make([]slot, 0, x.count())
	for s := range x.all {
		for it := range s.items() {
			slots = append(slots, slot{item: it})
		}
	}
	return slots
}

// count returns how many items there are.
func (x *index) count() int {
	n := 0
	for s := range x.all {
		n += s.count
	}
	return n
}
