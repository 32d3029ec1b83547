package memory

import (
	"slices"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

// maxLag is how far the tree may be behind, besides an eighth of what the storage
// holds, by weight.
const maxLag = 64 << 10

// tree is the order of the items as it was after a write. I24: it holds what the index
// held then.
type tree struct {
	order.Tree
	last *write
}

// write is what one write did. Since there is a tree, writes form a list, each with
// the one after it: what is behind a tree's last write is still to be done to it.
type write struct {
	number  uint64 // how many writes the storage had had with it
	lag     uint64 // weight of the changes of this write and of all before it
	changes []order.Change
	next    atomic.Pointer[write]
}

// follow puts the write that is under way behind the last one, for the tree, and
// returns it. Where there is no tree it does nothing.
func (s *Storage) follow(w *writing) *write {
	if s.last == nil {
		return nil
	}
	next := &write{number: s.version.Load()/2 + 1, lag: s.last.lag + uint64(w.weight), changes: w.changes}
	s.last.next.Store(next)
	s.last = next
	return next
}

// limitLag brings the tree up to date when it is so far behind w that what it keeps
// alive, the items that are overwritten, would add up, or a Range would have much
// to do. Many changes together cost it little each.
func (s *Storage) limitLag(w *write) {
	t := s.tree.Load()
	if t == nil || w.lag-t.last.lag <= maxLag+uint64(s.index.Weight())/8 || !s.treeMu.TryLock() {
		return // it is being built or brought up to date
	}
	defer s.treeMu.Unlock()
	s.catchUp()
}

// latest returns a tree that has all writes that readers see. It waits for
// no write: it does itself what the tree lacks, or waits for another reader who
// does.
func (s *Storage) latest() order.Tree {
	for {
		seen := s.version.Load() / 2
		if t := s.tree.Load(); t == nil {
			s.plant()
		} else if t.last.number >= seen {
			return t.Tree
		} else if t := s.caughtUp(); t != nil {
			return t.Tree
		}
	}
}

func (s *Storage) caughtUp() *tree {
	s.treeMu.Lock()
	defer s.treeMu.Unlock()
	t := s.catchUp()
	if invariant.On {
		s.check()
	}
	return t
}

// plant builds the tree, if there is none. Writes wait while the items are collected
// from the index, not while they are put in order.
func (s *Storage) plant() {
	s.mu.Lock()
	s.filled()
	if s.last != nil { // it is being built: wait for that, and block no write
		s.mu.Unlock()
		await(&s.treeMu)
		return
	}
	s.treeMu.Lock()
	defer s.treeMu.Unlock()
	first := &write{number: s.version.Load() / 2}
	items := slices.AppendSeq(make([]*item.Item, 0, s.index.Len()), s.index.All)
	s.last = first
	s.mu.Unlock()
	s.tree.Store(&tree{s.maker.Build(items), first})
}

// catchUp does to the tree all writes that readers see and returns it, or nil
// when there is none. Its caller holds treeMu.
func (s *Storage) catchUp() *tree {
	t := s.tree.Load()
	if t == nil {
		return nil
	}
	seen := s.version.Load() / 2
	last := t.last
	var changes []order.Change
	for w := last.next.Load(); w != nil && w.number <= seen; w = w.next.Load() {
		changes = append(changes, w.changes...)
		w.changes = nil
		last = w
	}
	if last != t.last {
		t = &tree{s.maker.Apply(t.Tree, changes), last}
		s.tree.Store(t)
	}
	return t
}
