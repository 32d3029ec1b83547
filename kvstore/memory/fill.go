package memory

import (
	"bytes"
	"math/bits"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// filling is what a storage holds until it is first read: a hash table of words and
// chunks of items. Since nobody looks, it changes them as it likes, and since the table
// has no pointers the collector passes it by: of a million keys in the index it looks at
// a million pointers, again and again while the heap grows. The first read moves all of
// it to the index.
//
// The table is one of open addressing with linear probing; the first bits of the hash are
// where a key's search begins. So its order is that of the hashes, and what it is moved to,
// a larger one or the index's segments, is written from front to back.
type filling struct {
	places []place // a power of two of them
	shift  int     // of a hash, to the place where the search begins
	count  int     // keys
	packed packed
}

// place is a hash and the ref of the item with it, or 0.
type place uint64

func placeOf(h uint32, r ref) place { return place(h)<<32 | place(r) }

func (p place) hash() uint32 { return uint32(p >> 32) }
func (p place) ref() ref     { return ref(p) }

const leastPlaces = 16

// home returns where the search for a key with the hash h begins.
func (f *filling) home(h uint32) int { return int(h >> f.shift) }

func newFilling() filling { return filling{packed: packed{chunks: make([]numbered, 1)}} }

// apply does all changes of src, for x. If there is no room it does nothing and returns
// false.
func (f *filling) apply(src source, x *index) bool {
	if !f.packed.hasRoom(src.n) {
		return false
	}
	var hashes [ahead]uint32
	before := f.packed.written
	for i := 0; i < src.n; i += ahead {
		part := hashes[:min(ahead, src.n-i)]
		for j := range part {
			part[j] = x.hash(src.nth(i + j).Key)
		}
		f.fetch(part)
		for j, h := range part {
			f.do(h, src, i+j)
		}
	}
	f.clean(x, f.packed.written-before)
	return true
}

// do does the i-th change of src, of a key with the hash h.
func (f *filling) do(h uint32, src source, i int) {
	r := src.nth(i)
	at, found := f.locate(h, r.Key)
	if r.Delete {
		if found {
			f.packed.drop(f.places[at].ref())
			f.free(at)
		}
		return
	}
	to := f.packed.add(r.Key, r.Value, src.stampOf(r))
	if found {
		f.packed.drop(f.places[at].ref())
	} else {
		if f.count >= len(f.places)/4*3 {
			f.resize(max(leastPlaces, 2*len(f.places)))
			at = f.vacant(h)
		}
		f.count++
	}
	f.places[at] = placeOf(h, to)
}

// locate returns the place of key, whose hash is h, or the free place for it.
func (f *filling) locate(h uint32, key []byte) (at int, found bool) {
	if len(f.places) == 0 {
		return 0, false
	}
	mask := len(f.places) - 1
	for at = f.home(h); ; at = (at + 1) & mask {
		p := f.places[at]
		if p == 0 {
			return at, false
		}
		if p.hash() == h && bytes.Equal(f.packed.item(p.ref()).Key(), key) {
			return at, true
		}
	}
}

// vacant returns the first free place for the hash h.
func (f *filling) vacant(h uint32) int {
	mask := len(f.places) - 1
	at := f.home(h)
	for f.places[at] != 0 {
		at = (at + 1) & mask
	}
	return at
}

// free makes the place at free, and moves those behind it up whose search would end there:
// algorithm R of Knuth, "The Art of Computer Programming", volume 3, 6.4.
func (f *filling) free(at int) {
	mask := len(f.places) - 1
	for next := (at + 1) & mask; f.places[next] != 0; next = (next + 1) & mask {
		home := f.home(f.places[next].hash())
		if (next-home)&mask >= (next-at)&mask {
			f.places[at] = f.places[next]
			at = next
		}
	}
	f.places[at] = 0
	f.count--
	if n := len(f.places); n > leastPlaces && f.count < n/8 {
		f.resize(n / 2)
	}
}

// resize moves the keys to a table of n places.
func (f *filling) resize(n int) {
	old := f.places
	f.places = make([]place, n)
	f.shift = 32 - bits.TrailingZeros(uint(len(f.places)))
	for _, p := range old {
		if p != 0 {
			f.places[f.vacant(p.hash())] = p
		}
	}
}

// fetch brings the places and items that changes of keys with the hashes will meet into the
// processor's cache.
func (f *filling) fetch(hashes []uint32) {
	if len(hashes) < 2 || len(f.places) == 0 {
		return
	}
	var sink uint64
	var same [ahead]ref
	n := 0
	for _, h := range hashes {
		if p := f.places[f.home(h)]; p.hash() == h && p != 0 {
			same[n] = p.ref()
			n++
		}
	}
	for _, r := range same[:n] {
		sink += uint64(f.packed.item(r).At(0))
	}
	f.packed.sunk = sink // or the compiler would leave the loads out
}

// clean moves what chunks have alive while too much lies waste, and reads some times as
// much for it as was written.
func (f *filling) clean(x *index, wrote int) {
	c := &f.packed
	for budget := 4*wrote + chunk.Most; budget > 0 && wasteful(c.total-x.slack, c.live) && c.hasRoom(chunk.Most/chunk.Least); {
		victim, ok := c.victim()
		if !ok {
			return
		}
		budget -= f.rescue(victim, x)
	}
}

// rescue moves the live items of a chunk and returns how many bytes the chunk had.
func (f *filling) rescue(number int, x *index) (read int) {
	k := f.packed.chunks[number]
	var refs [ahead]ref
	var hashes [ahead]uint32
	for at := 0; at < k.Used; {
		n := 0
		for ; n < ahead && at < k.Used; n++ {
			it := item.In(k.Bytes, at)
			refs[n], hashes[n] = refOf(number, at), x.hash(it.Key())
			at += chunk.Align(it.Size())
		}
		f.fetch(hashes[:n])
		for i, r := range refs[:n] {
			if at, ok := f.whereIs(hashes[i], r); ok {
				f.places[at] = placeOf(hashes[i], f.packed.again(r))
			}
		}
	}
	return k.Used
}

// whereIs returns the place that has r, if there is one.
func (f *filling) whereIs(h uint32, r ref) (at int, ok bool) {
	mask := len(f.places) - 1
	want := placeOf(h, r)
	for at = f.home(h); f.places[at] != 0; at = (at + 1) & mask {
		if f.places[at] == want {
			return at, true
		}
	}
	return 0, false
}

// moveTo moves all to the index, which is empty.
func (f *filling) moveTo(x *index) {
	x.reserve(f.count)
	for _, p := range f.places {
		if p != 0 {
			x.add(p.hash(), f.packed.item(p.ref()))
		}
	}
	x.weight = f.packed.weight
	x.old.Adopt(f.packed.handOver(), f.packed.live)
	*f = filling{}
}
