package memory

import (
	"bytes"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// checkFew is how many items a storage has at most that is checked each time that a reader
// brought its order up to date. One with more is checked less often, so that the checks take
// a bounded time a write.
const checkFew = 64

// check holds the storage to I24: index and order have the same items. It does not bring the
// order up to date by itself, which would hide a reader who forgets to: it is called by
// one who just did, holding treeMu, and checks nothing if somebody writes meanwhile.
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
	items := s.index.count()
	if items > checkFew && writes%uint64(items/checkFew) != 0 {
		return
	}
	s.index.checkAgainst(t.root)
}

// checkAgainst holds the index to I24. Nobody changes it meanwhile.
func (x *index) checkAgainst(root *node) {
	x.checkCounts()
	ordered := 0
	var last []byte
	root.ascend(nil, func(slots []slot) bool {
		for _, s := range slots {
			key := s.item.Key()
			invariant.Check("I24", ordered == 0 || bytes.Compare(last, key) < 0, "the order has %q behind %q", key, last)
			found := x.find(x.hash(key), key)
			invariant.Check("I24", found != nil, "the order has %q, and the index does not", key)
			invariant.Check("I24", found.Same(s.item), "%q is %q in the index and %q in the order", key, found.Value(), s.item.Value())
			last = key
			ordered++
		}
		return true
	})
	invariant.Check("I24", ordered == x.count(), "the order has %d items, the index %d", ordered, x.count())
}

// checkCounts holds each segment to its count and to finding its own items, which I24
// rests on.
func (x *index) checkCounts() {
	for s := range x.all {
		n := 0
		for it := range s.items() {
			n++
			key := it.Key()
			invariant.Check("I24", x.find(x.hash(key), key) == it, "the index has %q and does not find it", key)
		}
		invariant.Check("I24", n == s.count, "a segment counts %d items and has %d", s.count, n)
	}
}
