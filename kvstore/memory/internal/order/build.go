package order

import (
	"runtime"
	"slices"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

const (
	// fullLeaf and fullInner are how full a tree is built: some room is left,
	// or the next inserts would divide every node.
	fullLeaf  = 56
	fullInner = 28

	// alone is the number of items for which it is not worth it to start
	// another goroutine.
	alone = 8192
)

// Build returns the tree of items, whose keys differ, in one go: it sorts them and fills
// leaves from left to right, with gathered items. It takes time n log n for n items, most of
// it shared among the processors.
func (m *Maker) Build(items []*item.Item) Tree {
	if len(items) == 0 {
		return Tree{&node{}}
	}
	slots := make([]Slot, len(items))
	for i, it := range items {
		slots[i].Item = it
	}
	hint(slots)
	order(slots, runtime.GOMAXPROCS(0))
	level := m.leaves(slots)
	for height := uint8(1); len(level) > 1; height++ {
		level = parents(level, height)
	}
	return Tree{level[0].node}
}

// built is a node with the first and last key below it.
type built struct {
	node        *node
	first, last *item.Item
}

func (m *Maker) leaves(slots []Slot) []built {
	level := make([]built, (len(slots)+fullLeaf-1)/fullLeaf)
	each(len(level), alone/fullLeaf, func(from, to int) {
		g := gatherer{index: m.Index, blocks: chunk.Blocks{Shared: true}}
		for i := from; i < to; i++ {
			part := slots[i*fullLeaf : min((i+1)*fullLeaf, len(slots))]
			if m.Index != nil {
				g.gather(part)
			}
			n := &node{}
			n.setSlots(part)
			level[i] = built{n, part[0].Item, part[len(part)-1].Item}
		}
		if m.Index != nil {
			m.Index.Join(g.blocks.Chunks())
		}
	})
	return level
}

func parents(level []built, height uint8) []built {
	var up []built
	for part := range slices.Chunk(level, fullInner) {
		n := &node{height: height, children: make([]*node, len(part))}
		separators := make([]Slot, len(part)-1)
		for i, c := range part {
			n.children[i] = c.node
			if i > 0 {
				separators[i-1].Item = separate(part[i-1].last.Key(), c.first.Key())
			}
		}
		n.setSlots(separators)
		up = append(up, built{n, part[0].first, part[len(part)-1].last})
	}
	return up
}
