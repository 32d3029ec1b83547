package memory

import (
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/index"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// gather puts the items of slots, which are those of a leaf, side by side and tells the
// index of it. [editor.changed] says when.
func gather(x *index.Index, slots []slot, blocks *chunk.Blocks) {
	var before, after [maxLeaf + 1]*item.Item
	for i, s := range slots {
		before[i] = s.item
	}
	n := copy(after[:], before[:len(slots)])
	blocks.Gather(after[:n])
	x.Move(before[:n], after[:n])
	for i, it := range after[:n] {
		slots[i].item = it
	}
}
