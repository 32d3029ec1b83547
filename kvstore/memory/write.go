package memory

import (
	"context"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

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

// write makes the changes of records visible, all at once. When they are not stamped their
// revisions and times mean nothing.
func (s *Storage) write(ctx context.Context, records []kvstore.Record, stamped bool) error {
	err := s.writeOnly(ctx, records, stamped)
	if !s.options.lag && err == nil {
		s.latest()
	}
	return err
}

// writeOnly leaves the order behind.
func (s *Storage) writeOnly(ctx context.Context, records []kvstore.Record, stamped bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil || len(records) == 0 {
		return err
	}
	if !s.asked.Load() {
		if s.fill(records, stamped) {
			s.version.Add(2)
			return nil
		}
		s.filled()
	}
	w := writing{list: s.last != nil}
	log := s.newLog(len(records))
	s.begin(log)
	s.apply(&w, records, stamped, log)
	done := s.follow(&w)
	s.end()
	if done != nil {
		s.limitLag(done)
	}
	return nil
}

// newLog returns the undo log of a write of n records, nil if there is none.
func (s *Storage) newLog(n int) *undo.Log {
	if !s.options.undo {
		return nil
	}
	return undo.New(n)
}

// begin says that the index is being changed, and what will have been there before.
func (s *Storage) begin(log *undo.Log) {
	v := s.version.Load() + 1
	if log != nil {
		log.Version = v
	}
	s.undo.Store(log)
	s.version.Store(v)
}

// end makes the changes visible.
func (s *Storage) end() {
	s.version.Add(1)
	s.undo.Store(nil)
}

// fill does all changes to the table, or nothing if that has no room.
func (s *Storage) fill(records []kvstore.Record, stamped bool) bool {
	if !s.filling.HasRoom(len(records)) {
		return false
	}
	var hashes [item.Ahead]uint32
	for part := range slices.Chunk(records, item.Ahead) {
		s.filling.Fetch(s.hash(part, hashes[:]))
		for i := range part {
			if r := &part[i]; r.Delete {
				s.filling.Delete(hashes[i], r.Key)
			} else {
				s.filling.Put(hashes[i], r.Key, r.Value, stampOf(r, stamped))
			}
		}
	}
	s.filling.Clean()
	return true
}

// apply does all changes to the index, and before that keeps in log what they
// replace. Then it cleans up.
func (s *Storage) apply(w *writing, records []kvstore.Record, stamped bool, log *undo.Log) {
	if invariant.On {
		s.checkWriting(log)
	}
	var hashes [item.Ahead]uint32
	for part := range slices.Chunk(records, item.Ahead) {
		s.index.Fetch(s.hash(part, hashes[:]))
		for i := range part {
			r := &part[i]
			value, stamp := r.Value, stampOf(r, stamped)
			if r.Delete {
				value, stamp = nil, item.Stamp{}
			}
			it := item.Pack(r.Key, value, stamp)
			w.did(it, r.Delete)
			if s.options.index {
				s.index.Put(hashes[i], it, r.Delete, log)
			}
		}
	}
	s.index.Clean(w.weight, func(it *item.Item) { w.did(it, false) })
}

// hash sets the first of hashes to those of the keys of records, and returns them.
func (s *Storage) hash(records []kvstore.Record, hashes []uint32) []uint32 {
	for i := range records {
		hashes[i] = s.index.Hash(records[i].Key)
	}
	return hashes[:len(records)]
}

// stampOf returns the stamp of r. Where records are not stamped their revisions and times
// mean nothing.
func stampOf(r *kvstore.Record, stamped bool) item.Stamp {
	if !stamped {
		return item.Stamp{}
	}
	return item.Stamp{Revision: r.Revision, TimeMillis: r.TimeMillis, Known: true}
}
