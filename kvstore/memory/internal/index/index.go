package index

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/filling"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// Index is a hash table of the kind of Google's and Facebook's ("Swiss table",
// F14): a bucket fills one cache line with seven items and a byte of each item's
// hash. It grows by extendible hashing (Fagin, Nievergelt, Pippenger and Strong,
// "Extendible Hashing", 1979): the first bits of the hash choose a segment, and a
// segment that is full is divided, so no insert moves more than one segment's
// items, however many keys there are.
//
// One goroutine at a time may change it. Any number may call Find meanwhile: what
// they get then is a guess, and the storage says how it knows a good one. Before the
// first use it needs a call of Clear.
type Index struct {
	Seed  maphash.Seed
	Slack int // bytes of chunks that may be wasted however small the storage is

	dir atomic.Pointer[directory]

	// old has the small items that the storage was filled with, and those that the
	// first tree gathered.
	old chunk.Old

	// shape is held, for reading, by those who move items: nobody must copy or replace
	// a segment meanwhile.
	shape sync.RWMutex

	sunk atomic.Uint32 // what nobody reads

	// For the goroutine that changes the index only.
	weight int // of the items
}

// Clear makes the index empty.
func (x *Index) Clear() {
	x.dir.Store(newDirectory(0, 1))
	x.weight = 0
	x.old = chunk.Old{}
}

// Hash returns the hash of key.
func (x *Index) Hash(key []byte) uint32 { return item.Hash(x.Seed, key) }

// Find returns the item of key, whose hash is h, or nil.
func (x *Index) Find(h uint32, key []byte) *item.Item { return x.dir.Load().find(h, key) }

// Kept returns what finds the items that are there now, also after a Clear.
func (x *Index) Kept() func(h uint32, key []byte) *item.Item { return x.dir.Load().find }

// Weight returns the weight of all items.
func (x *Index) Weight() int { return x.weight }

// Fill moves what t has to the index, which is empty.
func (x *Index) Fill(t *filling.Table) {
	depth, buckets := 0, 1
	for t.Len()>>depth > maxBuckets*(perBucket-2) {
		depth++
	}
	for buckets < maxBuckets && t.Len() > buckets*(perBucket-2) {
		buckets *= 2
	}
	x.dir.Store(newDirectory(uint8(depth), buckets))
	for h, it := range t.All {
		x.add(h, it)
	}
	x.weight = t.Weight()
	chunks, live := t.Chunks()
	x.old.Live.Add(int64(live))
	x.old.Add(chunks, false)
}

// Put puts it, whose key has the hash h, or, when it is gone, removes its key. Before that
// it adds what it replaces to log, unless that is nil.
func (x *Index) Put(h uint32, it *item.Item, gone bool, log *undo.Log) {
	s := x.dir.Load().segment(h)
	at, i := s.locate(h, it.Key())
	if log != nil {
		var old *item.Item
		if at != nil {
			old = at.items[i].Load()
		}
		log.Add(h, it, old)
	}
	if invariant.On && log != nil {
		checkLogged(log, h, it)
	}
	switch {
	case gone && at != nil:
		x.take(h, s, at, i)
	case gone:
	case at != nil:
		x.weight += it.Weight()
		x.forget(at.items[i].Swap(it))
	default:
		x.weight += it.Weight()
		x.add(h, it)
	}
}

// add adds it, whose hash is h and whose key is not there.
func (x *Index) add(h uint32, it *item.Item) {
	s := x.dir.Load().segment(h)
	for s.count >= len(s.buckets)*(perBucket-1) {
		x.grow(h, s)
		s = x.dir.Load().segment(h)
	}
	s.add(h, it)
}

// forget says that the index has the item old no more.
func (x *Index) forget(old *item.Item) {
	x.weight -= old.Weight()
	if old.Chunked() {
		x.old.Live.Add(-int64(chunk.Align(old.Size())))
	}
}

// Fetch brings the buckets and items that changes of keys with the hashes, item.Ahead at
// most, will meet into the processor's cache.
func (x *Index) Fetch(hashes []uint32) {
	if len(hashes) < 2 {
		return
	}
	d := x.dir.Load()
	var tags [item.Ahead]uint64
	var sink uint32
	for j, h := range hashes {
		s := d.segment(h)
		tags[j] = s.home(h).tags.Load()
		sink ^= s.hashes[h&uint32(len(s.hashes)-1)][0]
	}
	for j, h := range hashes {
		if m := matches(tags[j], h); m != 0 {
			if it := d.segment(h).home(h).items[bits.TrailingZeros64(m)/8].Load(); it != nil {
				sink ^= uint32(it.At(0))
			}
		}
	}
	x.sunk.Store(sink) // or the compiler would leave the loads out
}

// Len returns how many items there are.
func (x *Index) Len() int {
	n := 0
	for s := range x.all {
		n += s.count
	}
	return n
}

// All yields the items in no order.
func (x *Index) All(yield func(*item.Item) bool) {
	for s := range x.all {
		for it := range s.items {
			if !yield(it) {
				return
			}
		}
	}
}
