package order

import (
	"bytes"
	"slices"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// size is the number of items of a leaf and of children of an inner node.
func (n *node) size() int {
	if n.height == 0 {
		return len(n.slots)
	}
	return len(n.children)
}

// capacity is the largest size.
func (n *node) capacity() int {
	if n.height == 0 {
		return MaxLeaf
	}
	return maxInner
}

// setSlots fills a new node with a copy of slots, with hints of its own.
func (n *node) setSlots(slots []Slot) {
	n.slots = make([]Slot, len(slots), roomFor(len(slots)))
	copy(n.slots, slots)
	if len(slots) > 0 {
		n.rehint(sharedPrefix(n.slots[0].Item.Key(), n.slots[len(slots)-1].Item.Key()))
	}
}

// rehint sets skip and the hints, which depend on it.
func (n *node) rehint(skip int) {
	n.skip = uint32(skip)
	for i := range n.slots {
		n.slots[i].hint = hintOf(n.slots[i].Item.Key(), n.skip)
	}
}

// insertSlot puts it at index i of a node that may be changed.
func (n *node) insertSlot(i int, it *item.Item) {
	if size := len(n.slots); size < cap(n.slots) {
		n.slots = n.slots[:size+1]
		copy(n.slots[i+1:], n.slots[i:size])
	} else {
		grown := make([]Slot, size+1, roomFor(size+1))
		copy(grown, n.slots[:i])
		copy(grown[i+1:], n.slots[i:])
		n.slots = grown
	}
	n.slots[i].Item = it
	last := len(n.slots) - 1
	if i == 0 || i == last {
		// Keys in between share what the outer two share.
		skip := sharedPrefix(n.slots[0].Item.Key(), n.slots[last].Item.Key())
		if skip < int(n.skip) || last == 0 {
			n.rehint(skip)
			return
		}
	}
	n.slots[i].hint = hintOf(it.Key(), n.skip)
}

// deleteSlot removes the slot at index i of a node that may be changed. The
// shared prefix may be longer afterwards; a skip that is too short is no error.
func (n *node) deleteSlot(i int) {
	n.slots = slices.Delete(n.slots, i, i+1)
	if len(n.slots) == 0 {
		n.skip = 0
	}
}

// deleteChild removes the child at index i and a separator beside it.
func (n *node) deleteChild(i int) {
	n.children = slices.Delete(n.children, i, i+1)
	if len(n.slots) > 0 {
		n.deleteSlot(max(i-1, 0))
	}
}

// roomFor returns the number of slots to allocate for size of them: the next
// multiple of eight, less the one slot's worth that the runtime puts before
// objects of more than 512 bytes.
func roomFor(size int) int {
	if size <= 32 {
		return (size + 7) &^ 7
	}
	return size | 7
}

// sharedPrefix returns the number of leading bytes that a and b share.
func sharedPrefix(a, b []byte) int {
	size := min(len(a), len(b))
	i := 0
	for i+8 <= size && bytes.Equal(a[i:i+8], b[i:i+8]) {
		i += 8
	}
	for i < size && a[i] == b[i] {
		i++
	}
	return i
}
