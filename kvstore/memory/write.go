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

func (s *source) stampOf(r *kvstore.Record) stamp {
	if !s.stamped {
		return stamp{}
	}
	return stamp{r.Revision, r.TimeMillis, true}
}

// change is one step from one version to the next: item is set, or its key removed.
type change struct {
	item *item
	hash uint32 // of the key
	gone bool
}

// writing is what a write has done so far.
type writing struct {
	list    bool     // changes are asked for
	changes []change // that the tree has to follow
	weight  int      // of their items, asked for or not
}

// did counts a change, whose item has the size, and adds it to the list.
func (w *writing) did(c change, size int) {
	w.weight += size + overhead
	if w.list {
		w.changes = append(w.changes, c)
	}
}

// ahead is the number of changes whose buckets are asked for together: to wait for many
// of them at the same time takes not much longer than for one.
const ahead = 32

// apply does all changes of src, and before that keeps in b what they replace. Then it
// cleans the chunks.
func (x *index) apply(w *writing, src source, b *undo) {
	var group [ahead]change
	for i := 0; i < src.n; i += ahead {
		part := group[:min(ahead, src.n-i)]
		for j := range part {
			part[j].hash = x.hash(src.nth(i + j).Key)
		}
		if len(part) > 1 {
			x.fetch(part)
		}
		for j := range part {
			x.pack(&part[j], w, src, i+j)
		}
		for _, c := range part {
			x.do(c, b)
		}
	}
	x.chunks.clean(x, w)
}

// pack completes c, which has its hash, with the i-th record, and counts what it adds.
func (x *index) pack(c *change, w *writing, src source, i int) {
	r := src.nth(i)
	if c.gone = r.Delete; c.gone {
		c.item = pack(r.Key, nil, stamp{})
		w.did(*c, c.item.size())
		return
	}
	c.item = pack(r.Key, r.Value, src.stampOf(r))
	size := c.item.size()
	x.weight += size + overhead
	w.did(*c, size)
}

// fetch brings the buckets and items that changes will meet into the processor's cache.
func (x *index) fetch(part []change) {
	d := x.dir.Load()
	var tags [ahead]uint64
	var sink uint32
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
