package order

import (
	"bytes"
	"hash/maphash"

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

// version is a root that was handed out, with a hash of what it led to.
type version struct {
	root *node
	sum  uint64
}

// mostSummed is how many items of a version are hashed at most, the first ones.
const mostSummed = 512

var sumSeed = maphash.MakeSeed()

// versionOf returns the version of a root as it is now.
func versionOf(root *node) version {
	var h maphash.Hash
	h.SetSeed(sumSeed)
	left := mostSummed
	root.sum(&h, &left)
	return version{root, h.Sum64()}
}

// sum hashes the node and what is below it, nodes, slots and the bytes of items, until no
// items are left to hash.
func (n *node) sum(h *maphash.Hash, left *int) {
	maphash.WriteComparable(h, [3]uint64{uint64(n.height), uint64(n.skip), uint64(len(n.slots))})
	for _, s := range n.slots {
		if *left--; *left < 0 {
			return
		}
		maphash.WriteComparable(h, s)
		maphash.WriteComparable(h, s.Item.Stamp())
		_, _ = h.Write(s.Item.Key())
		_, _ = h.Write(s.Item.Value())
	}
	for _, child := range n.children {
		maphash.WriteComparable(h, child)
		if *left > 0 {
			child.sum(h, left)
		}
	}
}

// checkKept checks I23 for a tree of which the next version is made: if it is the last one
// that was handed out, it is as it was then.
func (m *Maker) checkKept(t Tree) {
	if was := m.kept.Value(); was.root == t.root && was.root != nil {
		invariant.Check("I23", versionOf(t.root) == was, "a version of the order that was handed out has changed")
	}
}
