package memory

import (
	"math/bits"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// source is where the changes of a write come from: n records, of which nth returns one,
// good until it is called again. When they are not stamped their revisions and times
// mean nothing.
type source struct {
	n       int
	nth     func(i int) *kvstore.Record
	stamped bool
}

func (s *source) stampOf(r *kvstore.Record) item.Stamp {
	if !s.stamped {
		return item.Stamp{}
	}
	return item.Stamp{Revision: r.Revision, TimeMillis: r.TimeMillis, Known: true}
}

// change is one step from one version to the next: item is set, or its key removed.
type change struct {
	item *item.Item
	hash uint32 // of the key
	gone bool
}

// writing is what a write has done so far.
type writing struct {
	list    bool     // changes are asked for
	changes []change // that the tree has to follow
	weight  int      // of their items, asked for or not
}

// did counts a change and adds it to the list.
func (w *writing) did(c change) {
	w.weight += c.item.Weight()
	if w.list {
		w.changes = append(w.changes, c)
	}
}

// fill does all changes of src to the table, or nothing if that has no room.
func (s *Storage) fill(src source) bool {
	if !s.filling.HasRoom(src.n) {
		return false
	}
	var hashes [item.Ahead]uint32
	for i := 0; i < src.n; i += item.Ahead {
		part := hashes[:min(item.Ahead, src.n-i)]
		for j := range part {
			part[j] = s.index.hash(src.nth(i + j).Key)
		}
		s.filling.Fetch(part)
		for j, h := range part {
			if r := src.nth(i + j); r.Delete {
				s.filling.Delete(h, r.Key)
			} else {
				s.filling.Put(h, r.Key, r.Value, src.stampOf(r))
			}
		}
	}
	s.filling.Clean()
	return true
}

// apply does all changes of src, and before that keeps in b what they replace. Then it
// cleans the chunks.
func (x *index) apply(w *writing, src source, b *undo.Log) {
	var group [item.Ahead]change
	for i := 0; i < src.n; i += item.Ahead {
		part := group[:min(item.Ahead, src.n-i)]
		for j := range part {
			part[j].hash = x.hash(src.nth(i + j).Key)
		}
		if len(part) > 1 {
			x.fetch(part)
		}
		for j := range part {
			w.pack(&part[j], src, i+j)
		}
		for _, c := range part {
			x.do(c, b)
		}
	}
	x.clean(w)
}

// pack completes c, which has its hash, with the i-th record.
func (w *writing) pack(c *change, src source, i int) {
	r := src.nth(i)
	if c.gone = r.Delete; c.gone {
		c.item = item.Pack(r.Key, nil, item.Stamp{})
	} else {
		c.item = item.Pack(r.Key, r.Value, src.stampOf(r))
	}
	w.did(*c)
}

// fetch brings the buckets and items that changes will meet into the processor's cache.
func (x *index) fetch(part []change) {
	d := x.dir.Load()
	var tags [item.Ahead]uint64
	var sink uint32
	for j, c := range part {
		s := d.segment(c.hash)
		tags[j] = s.home(c.hash).tags.Load()
		sink ^= s.hashes[c.hash&uint32(len(s.hashes)-1)][0]
	}
	for j, c := range part {
		if m := matches(tags[j], c.hash); m != 0 {
			if it := d.segment(c.hash).home(c.hash).items[bits.TrailingZeros64(m)/8].Load(); it != nil {
				sink ^= uint32(it.At(0))
			}
		}
	}
	x.sunk.Store(sink) // or the compiler would leave the loads out
}
