package order

import (
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Index has the items of a [Maker] as well, and is told where they go. Its methods may be
// called from several goroutines.
type Index interface {
	// Move says that what the items of before have, those of a leaf at most, is in those of
	// after now.
	Move(before, after []*item.Item)

	// Join hands chunks over that items have been moved to.
	Join(chunks []chunk.Chunk)
}

// gatherer puts the items of leaves side by side.
type gatherer struct {
	index         Index
	blocks        chunk.Blocks
	before, after [MaxLeaf + 1]*item.Item
}

// gather puts the items of a leaf's slots side by side.
func (g *gatherer) gather(slots []Slot) {
	for i, s := range slots {
		g.before[i], g.after[i] = s.Item, s.Item
	}
	after := g.after[:len(slots)]
	g.blocks.Gather(after)
	g.index.Move(g.before[:len(slots)], after)
	for i, it := range after {
		slots[i].Item = it
	}
}
