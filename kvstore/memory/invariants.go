package memory

import (
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/index"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// checkFew is how many items a storage has at most that is checked each time that a reader
// brought its order up to date. One with more is checked less often, so that the checks take
// a bounded time a write.
const checkFew = 64

// check holds the storage to I24: index and order have the same items. It does not bring
// the order up to date by itself, which would hide a reader who forgets to: it is called by
// one who just did, holding treeMu, and checks nothing if a write is under way.
func (s *Storage) check() {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	t, version := s.tree.Load(), s.version.Load()
	writes := version / 2
	if t == nil || t.last.number != writes || version%2 == 1 {
		return
	}
	items := s.index.Len()
	if items > checkFew && writes%uint64(items/checkFew) != 0 {
		return
	}
	t.Check()
	if s.options.index {
		checkSame(&s.index, t.Tree)
	}
}

// checkWriting checks I22 for a write that is about to change the index: readers know of it by
// the version, and find its log, if there is one.
func (s *Storage) checkWriting(log *undo.Log) {
	v := s.version.Load()
	invariant.Check("I22", v%2 == 1, "the index is about to change at version %d, which readers take for one without a write", v)
	if log != nil {
		invariant.Check("I22", s.undo.Load() == log && log.Version == v, "the index is about to change at version %d, and readers do not find its log", v)
	}
}

// checkSame holds index and order to I24. Nobody changes them meanwhile.
func checkSame(x *index.Index, t order.Tree) {
	x.Check()
	ordered := 0
	t.Ascend(nil, nil, func(slots []order.Slot) bool {
		for _, s := range slots {
			key := s.Item.Key()
			found := x.Find(x.Hash(key), key)
			invariant.Check("I24", found != nil, "the order has %q, and the index does not", key)
			invariant.Check("I24", found.Same(s.Item), "%q is %q in the index and %q in the order", key, found.Value(), s.Item.Value())
			ordered++
		}
		return true
	})
	invariant.Check("I24", ordered == x.Len(), "the order has %d items, the index %d", ordered, x.Len())
}
