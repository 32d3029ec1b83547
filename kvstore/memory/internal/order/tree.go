package order

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Tree is one version of the order: a B+tree. [Maker] makes them. Any number of goroutines
// may read one.
type Tree struct{ root *node }

// Get returns the item of key, or nil.
func (t Tree) Get(key []byte) *item.Item { return t.root.get(key) }

// Ascend calls visit with the items of one leaf after the other, those with keys >= start
// and, unless end is nil, < end, until visit returns false.
func (t Tree) Ascend(start, end []byte, visit func([]Slot) bool) {
	if end == nil {
		t.root.ascend(start, visit)
		return
	}
	t.root.ascend(start, func(slots []Slot) bool {
		n := len(slots)
		if bytes.Compare(slots[n-1].Item.Key(), end) >= 0 {
			n, _ = slices.BinarySearchFunc(slots, end, func(s Slot, end []byte) int { return bytes.Compare(s.Item.Key(), end) })
		}
		return visit(slots[:n]) && n == len(slots)
	})
}

// Maker makes the versions of the tree of one storage, one at a time.
type Maker struct {
	// Index is told where items go that are put side by side. It is nil when they stay where
	// they are.
	Index Index

	edits uint64 // number of editors so far
	kept  invariant.Last[version]
}

// Change says that an item is put, in place of one with the same key, or that its key is
// gone.
type Change struct {
	Item *item.Item
	Gone bool
}

// Apply returns the tree that has all changes as well, of which the last one of a key
// counts. The tree t stays as it is.
func (m *Maker) Apply(t Tree, changes []Change) Tree {
	if invariant.On {
		m.checkKept(t)
	}
	m.edits++
	e := editor{root: t.root, id: m.edits, index: m.Index}
	for _, c := range latest(changes) {
		if c.gone {
			e.delete(c.Item.Key())
		} else {
			e.put(c.Item)
		}
	}
	e.finish()
	if invariant.On {
		m.checkKept(t)
		m.kept.Swap(versionOf(e.root))
	}
	return Tree{e.root}
}

// missed is a change that a tree lacks.
type missed struct {
	Slot
	gone   bool
	number int // of several changes of a key the last one counts
}

// latest returns the last change of each key, in key order: neighbours come one after
// the other then, and the way to them is in the processor's caches.
func latest(changes []Change) []missed {
	if len(changes) == 0 {
		return nil
	}
	all := make([]missed, len(changes))
	prefix := changes[0].Item.Key()
	for i, c := range changes {
		all[i] = missed{Slot{Item: c.Item}, c.Gone, i}
		prefix = prefix[:sharedPrefix(prefix, c.Item.Key())]
	}
	for i := range all {
		all[i].hint = hintOf(all[i].Item.Key(), uint32(len(prefix)))
	}
	slices.SortFunc(all, func(a, b missed) int {
		return cmp.Or(compareSlots(a.Slot, b.Slot), cmp.Compare(b.number, a.number))
	})
	return slices.CompactFunc(all, func(a, b missed) bool { return compareSlots(a.Slot, b.Slot) == 0 })
}
