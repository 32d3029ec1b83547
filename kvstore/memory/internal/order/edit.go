package order

import (
	"slices"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// editor builds the next version of a tree. It copies a node before it first changes
// it and marks the copy with its id; later changes of the same editor are done in the
// copy. The old root stays as it is. The index is told of items that are gathered.
type editor struct {
	root     *node
	id       uint64 // not used by any editor of this storage before
	index    Index
	gatherer *gatherer // nil before it is needed
	due      []*node   // leaves whose items are to be gathered in the end
}

// put adds it, or replaces the item with the same key.
func (e *editor) put(it *item.Item) {
	left, split := e.insert(e.root, it.Key(), it, true, true)
	e.root = left
	if split.right != nil {
		e.root = &node{edit: e.id, height: left.height + 1, children: []*node{left, split.right}}
		e.root.setSlots([]Slot{{Item: split.separator}})
	}
}

// delete removes the item of key, if there is one.
func (e *editor) delete(key []byte) {
	if e.root.get(key) == nil {
		return
	}
	e.root = e.remove(e.root, key)
	for e.root.height > 0 && len(e.root.children) == 1 {
		e.root = e.root.children[0]
	}
	if e.root.size() == 0 {
		e.root = &node{edit: e.id}
	}
}

// division is what an insert hands to the parent when the node had to be
// divided. A nil right means that it had not.
type division struct {
	separator *item.Item
	right     *node
}

// insert puts it below n and returns the node to take n's place. first and last
// say whether n lies on the left or right edge of the tree.
func (e *editor) insert(n *node, key []byte, it *item.Item, first, last bool) (*node, division) {
	if n.height == 0 {
		return e.insertLeaf(n, key, it, first, last)
	}
	i := n.childFor(key)
	left, split := e.insert(n.children[i], key, it, first && i == 0, last && i == len(n.children)-1)
	if left != n.children[i] {
		n = e.own(n)
		n.children[i] = left
	}
	if split.right == nil {
		return n, division{}
	}
	n.insertSlot(i, split.separator)
	n.children = slices.Insert(n.children, i+1, split.right)
	if len(n.children) <= maxInner {
		return n, division{}
	}
	return e.divide(n, cut(len(n.children), 2, first && i == 0, last && i+2 == len(n.children)))
}

func (e *editor) insertLeaf(n *node, key []byte, it *item.Item, first, last bool) (*node, division) {
	// An overwrite needs no look at the shared prefix: equal compares whole keys.
	if i, equal := n.search(key); equal {
		n = e.ownSlots(n, 0)
		n.slots[i].Item = it
		e.changed(n)
		return n, division{}
	}
	i, _ := n.find(key)
	n = e.ownSlots(n, 1)
	n.insertSlot(i, it)
	if len(n.slots) <= MaxLeaf {
		e.changed(n)
		return n, division{}
	}
	return e.divide(n, cut(len(n.slots), 1, first && i == 0, last && i+1 == len(n.slots)))
}

// cut says where to divide a node of size entries: in the middle, but at the edge
// of the tree when that is where the new entry came in. Keys that arrive in
// order thus leave full nodes behind instead of half-full ones.
func cut(size, least int, first, last bool) int {
	switch {
	case last:
		return size - least
	case first:
		return least
	default:
		return size / 2
	}
}

// divide makes two nodes of n, the left one with at entries.
func (e *editor) divide(n *node, at int) (*node, division) {
	n.replaced()
	left := &node{edit: e.id, height: n.height}
	right := &node{edit: e.id, height: n.height}
	if n.height == 0 {
		left.setSlots(n.slots[:at])
		right.setSlots(n.slots[at:])
		e.gather(left)
		e.gather(right)
		return left, division{separate(n.slots[at-1].Item.Key(), n.slots[at].Item.Key()), right}
	}
	left.setSlots(n.slots[:at-1])
	right.setSlots(n.slots[at:])
	left.children = slices.Clone(n.children[:at])
	right.children = slices.Clone(n.children[at:])
	return left, division{n.slots[at-1].Item, right}
}

// separate returns the shortest separator s with left < s <= right.
func separate(left, right []byte) *item.Item {
	return item.Pack(right[:sharedPrefix(left, right)+1], nil, item.Stamp{})
}

// remove takes key, which is there, out of n and returns the node to take n's
// place. That node may be empty.
func (e *editor) remove(n *node, key []byte) *node {
	if n.height == 0 {
		i, _ := n.find(key)
		n = e.ownSlots(n, 0)
		n.deleteSlot(i)
		e.changed(n)
		return n
	}
	i := n.childFor(key)
	child := e.remove(n.children[i], key)
	n = e.ownSlots(n, 0)
	n.children[i] = child
	switch {
	case child.size() == 0:
		n.deleteChild(i)
	case child.size() > child.capacity()/2:
	case i > 0 && fits(n.children[i-1], child):
		e.merge(n, i-1)
	case i+1 < len(n.children) && fits(child, n.children[i+1]):
		e.merge(n, i)
	}
	return n
}

// fits reports whether two neighbours should become one node. Some room is
// left, or the next insert would divide it again.
func fits(a, b *node) bool {
	return a.size()+b.size() <= a.capacity()*3/4
}

// merge replaces the children i and i+1 of n by one node.
func (e *editor) merge(n *node, i int) {
	a, b := n.children[i], n.children[i+1]
	a.replaced()
	b.replaced()
	slots := make([]Slot, 0, len(a.slots)+len(b.slots)+1)
	slots = append(slots, a.slots...)
	m := &node{edit: e.id, height: a.height}
	if a.height > 0 {
		slots = append(slots, n.slots[i])
		m.children = slices.Concat(a.children, b.children)
	}
	m.setSlots(append(slots, b.slots...))
	if m.height == 0 {
		e.gather(m)
	}
	n.deleteChild(i + 1)
	n.children[i] = m
}

// changed counts a change of a leaf that may be changed. When half of its items
// have come, or half of its blocks gone, since they were last gathered, that is
// due: in the end, once for all changes that the editor makes to the leaf. The
// space that is wasted in blocks is thus bounded.
func (e *editor) changed(n *node) {
	if n.due {
		return
	}
	n.strays++
	if n.strays > 8 && int(n.strays) > len(n.slots)/2 {
		n.due = true
		e.due = append(e.due, n)
	}
}

// finish gathers what is due.
func (e *editor) finish() {
	for _, n := range e.due {
		if n.due {
			n.due = false
			e.gather(n)
		}
	}
}

// replaced says that n is not in the tree any more. Its items may be in other
// nodes, and overwritten there, when what is due is done.
func (n *node) replaced() {
	if n.due { // a node of an older version never is, and must not be written
		n.due = false
	}
}

// gather puts the items of a leaf that may be changed side by side.
func (e *editor) gather(n *node) {
	n.strays = 0
	if e.index == nil {
		return
	}
	if e.gatherer == nil {
		e.gatherer = &gatherer{index: e.index}
	}
	e.gatherer.gather(n.slots)
}

// own returns n, or a copy when n is not this editor's to change. The copy goes on
// using the slots of n, which must not be changed: see ownSlots.
func (e *editor) own(n *node) *node {
	if n.edit == e.id {
		return n
	}
	return &node{
		slots:    slices.Clip(n.slots), // an insert takes a new array
		borrowed: true,
		children: slices.Clone(n.children),
		edit:     e.id,
		skip:     n.skip,
		height:   n.height,
		strays:   n.strays,
	}
}

// ownSlots is own for a node of which the slots change as well, with room for more
// of them.
func (e *editor) ownSlots(n *node, more int) *node {
	n = e.own(n)
	if n.borrowed {
		slots := make([]Slot, len(n.slots), roomFor(len(n.slots)+more))
		copy(slots, n.slots)
		n.slots, n.borrowed = slots, false
	}
	return n
}
