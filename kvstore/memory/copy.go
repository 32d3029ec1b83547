package memory

import (
	"context"
	"iter"

	"github.com/kvsim/kvsim/kvstore"
)

// firstChunk is the number of items that a range copies ahead at first. Each
// further chunk is twice as long, up to a leaf: a loop that stops early has
// copied little in vain.
const firstChunk = 8

// RangeOwned implements [kvstore.OwnedRanger]. The slices of a chunk of
// neighbours, at most 63, lie in one allocation; those of an item of more than
// 512 bytes have one of their own.
func (v view) RangeOwned(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.Entry, error] {
	return func(yield func(kvstore.Entry, error) bool) {
		left, chunk := opts.Limit, firstChunk
		if left <= 0 {
			left = int(^uint(0) >> 1)
		}
		scanLeaves(ctx, v.root, c, yield, func(slots []slot) bool {
			slots = slots[:min(left, len(slots))]
			left -= len(slots)
			for len(slots) > 0 {
				n := min(chunk, len(slots))
				if !yieldCopies(slots[:n], yield) {
					return false
				}
				slots = slots[n:]
				chunk = min(2*chunk, maxLeaf)
			}
			return left > 0
		})
	}
}

// yieldCopies yields copies of at most maxLeaf items.
func yieldCopies(slots []slot, yield func(kvstore.Entry, error) bool) bool {
	var sizes [maxLeaf]int
	total := 0
	for i := range slots {
		if sizes[i] = slots[i].item.size(); sizes[i] <= maxGathered {
			total += sizes[i]
		}
	}
	block := copyRuns(make([]byte, 0, total), slots, sizes[:len(slots)])
	at := 0
	for i := range slots {
		it := slots[i].item
		if sizes[i] > maxGathered {
			it = itemAt(append([]byte(nil), it.raw(sizes[i])...), 0)
		} else {
			it = itemAt(block, at)
			at += sizes[i]
		}
		if !yield(entryOf(it), nil) {
			return false
		}
	}
	return true
}

// copyRuns appends the small items to block. Items that lie side by side are
// copied together.
func copyRuns(block []byte, slots []slot, sizes []int) []byte {
	for i := 0; i < len(slots); {
		if sizes[i] > maxGathered {
			i++
			continue
		}
		first, run := slots[i].item, sizes[i]
		for i++; i < len(slots) && sizes[i] <= maxGathered && slots[i].item.behind(slots[i-1].item, sizes[i-1]); i++ {
			run += sizes[i]
		}
		block = append(block, first.raw(run)...)
	}
	return block
}
