package filling

import (
	"bytes"
	"hash/maphash"
	"math/bits"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Table is what a storage holds until it is first read: a hash table of words and
// chunks of items. Since nobody looks, it changes them as it likes, and since the table
// has no pointers the collector passes it by: of a million keys in the index it looks at
// a million pointers, again and again while the heap grows. The first read moves all of
// it to the index.
//
// The table is one of open addressing with linear probing; the first bits of the hash are
// where a key's search begins. So its order is that of the hashes, and what it is moved to,
// a larger one or the index's segments, is written from front to back.
//
// It is for one goroutine at a time.
type Table struct {
	seed  maphash.Seed
	slack int // bytes of chunks that may be wasted however few there are

	places []place // a power of two of them
	shift  int     // of a hash, to the place where the search begins
	count  int     // keys
	packed packed
}

// New returns an empty table for keys hashed with seed. Of its chunks slack bytes may be
// wasted however few there are. Items of more than small bytes have an allocation each.
func New(seed maphash.Seed, slack, small int) *Table {
	return &Table{seed: seed, slack: slack, packed: packed{small: small, chunks: make([]numbered, 1)}}
}

// place is a hash and the ref of the item with it, or 0.
type place uint64

func placeOf(h uint32, r ref) place { return place(h)<<32 | place(r) }

func (p place) hash() uint32 { return uint32(p >> 32) }
func (p place) ref() ref     { return ref(p) }

const leastPlaces = 16

// home returns where the search for a key with the hash h begins.
func (t *Table) home(h uint32) int { return int(h >> t.shift) }

// HasRoom reports whether n keys can be put. There are numbers for so many chunks only.
func (t *Table) HasRoom(n int) bool { return t.packed.hasRoom(n) }

// Put sets the value and stamp of key, whose hash is h, to copies.
func (t *Table) Put(h uint32, key, value []byte, s item.Stamp) {
	at, found := t.locate(h, key)
	to := t.packed.add(key, value, s)
	if found {
		t.packed.drop(t.places[at].ref())
	} else {
		if t.count >= len(t.places)/4*3 {
			t.resize(max(leastPlaces, 2*len(t.places)))
			at = t.vacant(h)
		}
		t.count++
	}
	t.places[at] = placeOf(h, to)
}

// Delete removes key, whose hash is h, if it is there.
func (t *Table) Delete(h uint32, key []byte) {
	if at, found := t.locate(h, key); found {
		t.packed.drop(t.places[at].ref())
		t.free(at)
	}
}

// locate returns the place of key, whose hash is h, or the free place for it.
func (t *Table) locate(h uint32, key []byte) (at int, found bool) {
	if len(t.places) == 0 {
		return 0, false
	}
	mask := len(t.places) - 1
	for at = t.home(h); ; at = (at + 1) & mask {
		p := t.places[at]
		if p == 0 {
			return at, false
		}
		if p.hash() == h && bytes.Equal(t.packed.item(p.ref()).Key(), key) {
			return at, true
		}
	}
}

// vacant returns the first free place for the hash h.
func (t *Table) vacant(h uint32) int {
	mask := len(t.places) - 1
	at := t.home(h)
	for t.places[at] != 0 {
		at = (at + 1) & mask
	}
	return at
}

// free makes the place at free, and moves those behind it up whose search would end there:
// algorithm R of Knuth, "The Art of Computer Programming", volume 3, 6.4.
func (t *Table) free(at int) {
	mask := len(t.places) - 1
	for next := (at + 1) & mask; t.places[next] != 0; next = (next + 1) & mask {
		home := t.home(t.places[next].hash())
		if (next-home)&mask >= (next-at)&mask {
			t.places[at] = t.places[next]
			at = next
		}
	}
	t.places[at] = 0
	t.count--
	if n := len(t.places); n > leastPlaces && t.count < n/8 {
		t.resize(n / 2)
	}
}

// resize moves the keys to a table of n places.
func (t *Table) resize(n int) {
	old := t.places
	t.places = make([]place, n)
	t.shift = 32 - bits.TrailingZeros(uint(len(t.places)))
	for _, p := range old {
		if p != 0 {
			t.places[t.vacant(p.hash())] = p
		}
	}
}

// Fetch brings the places and items that changes of keys with the hashes, item.Ahead at most,
// will meet into the processor's cache.
func (t *Table) Fetch(hashes []uint32) {
	if len(hashes) < 2 || len(t.places) == 0 {
		return
	}
	var sink uint64
	var same [item.Ahead]ref
	n := 0
	for _, h := range hashes {
		if p := t.places[t.home(h)]; p.hash() == h && p != 0 {
			same[n] = p.ref()
			n++
		}
	}
	for _, r := range same[:n] {
		sink += uint64(t.packed.item(r).At(0))
	}
	t.packed.sunk = sink // or the compiler would leave the loads out
}

// Clean moves what chunks have alive while too much is wasted, and reads some times as
// much for it as was written since the last time.
func (t *Table) Clean() {
	c := &t.packed
	for budget := 4*c.written + chunk.Most; budget > 0 && wasteful(c.total-t.slack, c.live) && c.hasRoom(chunk.Most/chunk.Least); {
		victim, ok := c.victim()
		if !ok {
			break
		}
		budget -= t.rescue(victim)
	}
	c.written = 0
}

// rescue moves the live items of a chunk and returns how many bytes the chunk had.
func (t *Table) rescue(number int) (read int) {
	k := t.packed.chunks[number]
	var refs [item.Ahead]ref
	var hashes [item.Ahead]uint32
	for at := 0; at < k.Used; {
		n := 0
		for ; n < item.Ahead && at < k.Used; n++ {
			it := item.In(k.Bytes, at)
			refs[n], hashes[n] = refOf(number, at), item.Hash(t.seed, it.Key())
			at += chunk.Align(it.Size())
		}
		t.Fetch(hashes[:n])
		for i, r := range refs[:n] {
			if at, ok := t.whereIs(hashes[i], r); ok {
				t.places[at] = placeOf(hashes[i], t.packed.again(r))
			}
		}
	}
	return k.Used
}

// whereIs returns the place that has r, if there is one.
func (t *Table) whereIs(h uint32, r ref) (at int, ok bool) {
	mask := len(t.places) - 1
	want := placeOf(h, r)
	for at = t.home(h); t.places[at] != 0; at = (at + 1) & mask {
		if t.places[at] == want {
			return at, true
		}
	}
	return 0, false
}

// Len returns the number of keys.
func (t *Table) Len() int { return t.count }

// Weight returns the weight of all items.
func (t *Table) Weight() int { return t.packed.bytes + t.count*item.Overhead }

// All yields the items with their hashes, in the order of the latter.
func (t *Table) All(yield func(h uint32, it *item.Item) bool) {
	for _, p := range t.places {
		if p != 0 && !yield(p.hash(), t.packed.item(p.ref())) {
			return
		}
	}
}

// Chunks returns the chunks of small items, and how many bytes of them are alive. Nothing
// but pointers to their items keeps them alive when the table is gone.
func (t *Table) Chunks() (list []chunk.Chunk, live int) {
	for _, k := range t.packed.chunks {
		if !k.alone && k.live > 0 {
			list = append(list, k.Chunk)
		}
	}
	return list, t.packed.live
}
