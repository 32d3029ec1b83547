package order

import (
	"bytes"
	"encoding/binary"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

const (
	// MaxLeaf is the largest number of items in a leaf. 63 slots of 16
	// bytes and the 8 bytes that the runtime puts before an object with
	// pointers fill a size class of 1,024 bytes exactly.
	MaxLeaf = 63

	// maxInner is the largest number of children of an inner node. It is
	// smaller than MaxLeaf because every write copies a whole path.
	maxInner = 32
)

// node is a leaf (height 0) or an inner node of the tree.
//
// A leaf holds its items in ascending key order. An inner node with n children
// holds n-1 separators, which are items with a key only: every key below
// children[i] is >= the key of slots[i-1] and < the key of slots[i].
//
// The tree is persistent by path copying (Driscoll, Sarnak, Sleator and Tarjan, "Making Data
// Structures Persistent", 1989), on the B+tree of Comer, "The Ubiquitous B-Tree", 1979. What
// all keys of a node share is left out of its hints (the prefix truncation of Bayer and
// Unterauer, "Prefix B-Trees", 1977): a search compares integers and reads an item only on
// a tie.
//
// I23: a node that can be reached from a published root is never
// written. See [editor] for how nodes come to be.
type node struct {
	slots    []Slot
	children []*node // inner nodes only
	edit     uint64  // the write that made the node and may still change it
	skip     uint32  // number of leading bytes that all keys in slots share
	height   uint8   // 0 for a leaf
	strays   uint8   // leaves only: changes since the items were gathered
	due      bool    // is in its editor's due; false in what was published
	borrowed bool    // inner nodes only: slots are those of an older version as well
}

// Slot is an item with a piece of its key.
type Slot struct {
	hint uint64 // hintOf(item.Key(), node.skip)
	Item *item.Item
}

// hintOf returns the eight bytes of key behind the first skip ones as a
// number, short keys filled up with zeros. Of two keys that share their first
// skip bytes the smaller one never has the larger hint.
func hintOf(key []byte, skip uint32) uint64 {
	if uint64(len(key)) >= uint64(skip)+8 {
		return binary.BigEndian.Uint64(key[skip:])
	}
	if uint64(len(key)) <= uint64(skip) {
		return 0
	}
	var h uint64
	rest := key[skip:]
	for i, b := range rest {
		h |= uint64(b) << (56 - 8*i)
	}
	return h
}

// search returns the index of the first slot whose key is not below key, and
// whether it is equal. It supposes that key has the node's shared prefix. For
// a key that has not, equal is false and the index means nothing.
func (n *node) search(key []byte) (index int, equal bool) {
	h := hintOf(key, n.skip)
	lo, hi := 0, len(n.slots)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		s := &n.slots[mid]
		switch {
		case s.hint < h:
			lo = mid + 1
		case s.hint > h:
			hi = mid
		default:
			c := bytes.Compare(s.Item.Key(), key)
			if c == 0 {
				return mid, true
			}
			if c < 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
	}
	return lo, false
}

// find is search for any key.
func (n *node) find(key []byte) (index int, equal bool) {
	if n.skip > 0 {
		prefix := n.slots[0].Item.Key()[:n.skip]
		switch bytes.Compare(key[:min(len(key), len(prefix))], prefix) {
		case -1:
			return 0, false
		case 1:
			return len(n.slots), false
		}
	}
	return n.search(key)
}

// childFor returns the index of the child below which key belongs.
func (n *node) childFor(key []byte) int {
	i, equal := n.find(key)
	if equal {
		i++
	}
	return i
}

// get returns the item of key, or nil.
func (n *node) get(key []byte) *item.Item {
	for n.height > 0 {
		n = n.children[n.childFor(key)]
	}
	// No need to look at the shared prefix first: equal compares whole keys.
	i, equal := n.search(key)
	if !equal {
		return nil
	}
	return n.slots[i].Item
}

// ascend calls visit with the items of one leaf after the other, beginning with
// the first key >= start, until visit returns false. It reports whether it got
// to the end.
func (n *node) ascend(start []byte, visit func([]Slot) bool) bool {
	if n.height == 0 {
		i, _ := n.find(start)
		return i == len(n.slots) || visit(n.slots[i:])
	}
	for _, child := range n.children[n.childFor(start):] {
		if !child.ascend(start, visit) {
			return false
		}
		start = nil
	}
	return true
}
