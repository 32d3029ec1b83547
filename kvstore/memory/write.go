package memory

import (
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
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

// pack returns the item of r, of its key only if that is deleted.
func (s *source) pack(r *kvstore.Record) *item.Item {
	if r.Delete {
		return item.Pack(r.Key, nil, item.Stamp{})
	}
	return item.Pack(r.Key, r.Value, s.stampOf(r))
}

func (s *source) stampOf(r *kvstore.Record) item.Stamp {
	if !s.stamped {
		return item.Stamp{}
	}
	return item.Stamp{Revision: r.Revision, TimeMillis: r.TimeMillis, Known: true}
}

// writing is what a write has done so far.
type writing struct {
	list    bool           // changes are asked for
	changes []order.Change // that the tree has to follow
	weight  int            // of their items, asked for or not
}

// did counts a change and adds it to the list.
func (w *writing) did(it *item.Item, gone bool) {
	w.weight += it.Weight()
	if w.list {
		w.changes = append(w.changes, order.Change{Item: it, Gone: gone})
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
			part[j] = s.index.Hash(src.nth(i + j).Key)
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

// apply does all changes of src to the index, and before that keeps in log what they
// replace. Then it cleans up.
func (s *Storage) apply(w *writing, src source, log *undo.Log) {
	var hashes [item.Ahead]uint32
	for i := 0; i < src.n; i += item.Ahead {
		part := hashes[:min(item.Ahead, src.n-i)]
		for j := range part {
			part[j] = s.index.Hash(src.nth(i + j).Key)
		}
		s.index.Fetch(part)
		for j, h := range part {
			r := src.nth(i + j)
			it := src.pack(r)
			w.did(it, r.Delete)
			if s.options.index {
				s.index.Put(h, it, r.Delete, log)
			}
		}
	}
	s.index.Clean(w.weight, func(it *item.Item) { w.did(it, false) })
}
