package order

import (
	"bytes"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Check holds the tree to its shape and to the order of its keys, which I24 rests on.
func (t Tree) Check() { t.root.check(nil, nil, true) }

// check checks the node and what is below it: low <= keys < high, where nil means no bound.
func (n *node) check(low, high []byte, root bool) {
	invariant.Check("order", n.size() <= n.capacity(), "a node of height %d has %d entries", n.height, n.size())
	invariant.Check("order", n.size() > 0 || root, "an empty node of height %d", n.height)
	if n.height > 0 {
		invariant.Check("order", len(n.slots) == len(n.children)-1, "%d separators for %d children", len(n.slots), len(n.children))
	} else {
		invariant.Check("order", n.children == nil && !n.due, "a leaf with %d children, or due to be gathered", len(n.children))
	}
	n.checkSlots(low, high)
	for i, child := range n.children {
		invariant.Check("order", child.height == n.height-1, "a child of height %d below height %d", child.height, n.height)
		from, to := low, high
		if i > 0 {
			from = n.slots[i-1].Item.Key()
		}
		if i < len(n.slots) {
			to = n.slots[i].Item.Key()
		}
		child.check(from, to, false)
	}
}

func (n *node) checkSlots(low, high []byte) {
	for i, s := range n.slots {
		key := s.Item.Key()
		in := (low == nil || bytes.Compare(key, low) >= 0) && (high == nil || bytes.Compare(key, high) < 0)
		invariant.Check("I24", in, "the order has %q outside [%q, %q)", key, low, high)
		invariant.Check("I24", i == 0 || bytes.Compare(n.slots[i-1].Item.Key(), key) < 0, "the order has %q behind a key that is not below it", key)
		shared := bytes.HasPrefix(key, n.slots[0].Item.Key()[:n.skip])
		invariant.Check("order", shared && s.hint == hintOf(key, n.skip), "the hint of %q behind %d bytes is %x", key, n.skip, s.hint)
	}
}
