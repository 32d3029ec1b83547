package memory

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// maxLag is how far the tree may be behind, besides an eighth of what the storage
// holds, by weight.
const maxLag = 64 << 10

// tree is the order of the items as it was after a write. I24: it holds what the index
// held then.
type tree struct {
	root *node
	last *write
}

// write is what one write did. Since there is a tree, writes form a list, each with
// the one after it: what is behind a tree's last write is still to be done to it.
type write struct {
	number  uint64 // how many writes the storage had had with it
	lag     uint64 // weight of the changes of this write and of all before it
	changes []change
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
// to do. Many changes at once cost it little each.
func (s *Storage) limitLag(w *write) {
	t := s.tree.Load()
	if t == nil || w.lag-t.last.lag <= maxLag+uint64(s.index.Weight())/8 || !s.treeMu.TryLock() {
		return // it is being built, or somebody brings it up to date
	}
	defer s.treeMu.Unlock()
	s.catchUp()
}

// root returns the root of a tree that has all writes that readers see. It waits for
// no write: it does itself what the tree lacks, or waits for another reader who
// does.
func (s *Storage) root() *node {
	for {
		seen := s.version.Load() / 2
		if t := s.tree.Load(); t == nil {
			s.plant()
		} else if t.last.number >= seen {
			return t.root
		} else if root := s.caughtUp(); root != nil {
			return root
		}
	}
}

func (s *Storage) caughtUp() *node {
	s.treeMu.Lock()
	defer s.treeMu.Unlock()
	root := s.catchUp()
	if invariant.On {
		s.check()
	}
	return root
}

// plant builds the tree, if there is none. Writes wait while the items are collected
// from the index, not while they are put in order.
func (s *Storage) plant() {
	s.mu.Lock()
	s.treeMu.Lock()
	defer s.treeMu.Unlock()
	if s.last != nil {
		s.mu.Unlock()
		return
	}
	s.filled()
	first := &write{number: s.version.Load() / 2}
	slots := make([]slot, 0, s.index.Len())
	for it := range s.index.All {
		slots = append(slots, slot{item: it})
	}
	s.last = first
	s.mu.Unlock()
	s.tree.Store(&tree{build(&s.index, slots), first})
}

// catchUp does to the tree all writes that readers see and returns its root, or nil
// when there is none. Its caller holds treeMu.
func (s *Storage) catchUp() *node {
	t := s.tree.Load()
	if t == nil {
		return nil
	}
	seen := s.version.Load() / 2
	last := t.last
	var missed []missed
	for w := last.next.Load(); w != nil && w.number <= seen; w = w.next.Load() {
		missed = appendMissed(missed, w.changes)
		w.changes = nil
		last = w
	}
	if last == t.last {
		return t.root
	}
	s.edits++
	e := editor{root: t.root, id: s.edits, index: &s.index}
	for _, m := range latest(missed) {
		if m.gone {
			e.delete(m.item.Key())
		} else {
			e.put(m.item)
		}
	}
	e.finish()
	s.tree.Store(&tree{e.root, last})
	return e.root
}

// missed is a change that the tree lacks.
type missed struct {
	slot
	gone bool
	at   int // of several changes of a key the last one counts
}

func appendMissed(all []missed, changes []change) []missed {
	all = slices.Grow(all, len(changes))
	for _, c := range changes {
		all = append(all, missed{slot{item: c.item}, c.gone, len(all)})
	}
	return all
}

// latest returns the last change of each key, in key order: neighbours come one after
// the other then, and the way to them is in the processor's caches.
func latest(all []missed) []missed {
	if len(all) < 2 {
		return all
	}
	prefix := all[0].item.Key()
	for _, m := range all[1:] {
		prefix = prefix[:sharedPrefix(prefix, m.item.Key())]
	}
	for i := range all {
		all[i].hint = hintOf(all[i].item.Key(), uint32(len(prefix)))
	}
	slices.SortFunc(all, func(a, b missed) int {
		return cmp.Or(compareSlots(a.slot, b.slot), cmp.Compare(a.at, b.at))
	})
	n := 0
	for i, m := range all {
		if i+1 < len(all) && compareSlots(m.slot, all[i+1].slot) == 0 {
			continue
		}
		all[n] = m
		n++
	}
	return all[:n]
}
