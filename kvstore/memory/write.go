package memory

import (
	"math/bits"

	"github.com/kvsim/kvsim/kvstore"
)

// source is where the changes of a write come from: n records, of which nth returns one,
// good until it is called again. When they are not stamped their revisions and times
// mean nothing.
type source struct {
	n       int
	nth     func(i int) *kvstore.Record
	stamped bool
}

// change is one step from one version to the next: item is set, or its key removed.
type change struct {
	item *item
	hash uint32 // of the key
	gone bool
}

// writing is what a write has done so far.
type writing struct {
	filling bool     // nobody has read the storage yet
	list    bool     // changes are asked for
	changes []change // that the tree has to follow
	weight  int      // of their items
}

// ahead is the number of changes whose buckets are asked for together: to wait for many
// of them at the same time takes not much longer than for one.
const ahead = 32

// apply does all changes of src, and before that keeps in b, unless it is nil, what they
// replace. Then it cleans the chunks.
func (x *index) apply(w *writing, src source, b *before) {
	var group [ahead]change
	for i := 0; i < src.n; i += ahead {
		part := group[:min(ahead, src.n-i)]
		if len(part) > 1 {
			x.fetch(part, src, i)
		}
		for j := range part {
			part[j] = x.change(w, src, i+j)
		}
		for _, c := range part {
			x.do(c, b)
		}
		if w.list {
			w.changes = append(w.changes, part...)
		}
	}
	for _, c := range x.chunks.clean(x, 4*w.weight+mostChunk) {
		if w.list {
			w.changes = append(w.changes, c)
			w.weight += weight(c.item)
		}
	}
}

// change makes the i-th change, and counts what it adds.
func (x *index) change(w *writing, src source, i int) change {
	r := src.nth(i)
	c := change{hash: x.hash(r.Key), gone: r.Delete}
	if c.gone {
		c.item = pack(r.Key, nil, stamp{})
		w.weight += weight(c.item)
		return c
	}
	var s stamp
	if src.stamped {
		s = stamp{r.Revision, r.TimeMillis, true}
	}
	var size int
	if w.filling {
		c.item, size = x.chunks.pack(r.Key, r.Value, s)
	} else {
		c.item = pack(r.Key, r.Value, s)
		size = c.item.size()
	}
	if c.item.chunked() {
		x.chunks.live.Add(int64(size))
	}
	x.weight += size + overhead
	w.weight += size + overhead
	return c
}

// fetch brings the buckets and items that changes from the i-th on will meet into the
// processor's cache.
func (x *index) fetch(part []change, src source, i int) {
	d := x.dir.Load()
	var tags [ahead]uint64
	var sink uint32
	for j := range part {
		part[j].hash = x.hash(src.nth(i + j).Key)
	}
	for j, c := range part {
		s := d.segment(c.hash)
		tags[j] = s.home(c.hash).tags.Load()
		sink ^= s.hashes[c.hash&uint32(len(s.hashes)-1)][0]
	}
	for j, c := range part {
		if m := matches(tags[j], c.hash); m != 0 {
			if it := d.segment(c.hash).home(c.hash).items[bits.TrailingZeros64(m)/8].Load(); it != nil {
				sink ^= uint32(it.at(0))
			}
		}
	}
	x.sunk.Store(sink) // or the compiler would leave the loads out
}
