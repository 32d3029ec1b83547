package memory

import (
	"context"
	"iter"
	"math"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

const (
	// firstChunk is the number of items that a range copies ahead at first.
	// Each further chunk is twice as long: a loop that stops early has copied
	// little in vain.
	firstChunk = 8

	// lastChunk is the most items, and lastBytes the most bytes of small
	// items, that a range copies ahead. It stops earlier at the end of a
	// block, which makes the copy one move of memory, and the next one too.
	lastChunk = order.MaxLeaf
	lastBytes = 2 * chunk.BlockSize

	// longRun is the number of neighbours in a block at whose end it stops.
	longRun = 8
)

// RangeOwned implements [kvstore.OwnedRanger]. The slices of a chunk of
// neighbours, at most 63 of them, lie in one allocation of at most 8 KiB; those
// of an item of more than 512 bytes have one of their own.
func (v view) RangeOwned(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.Entry, error] {
	return func(yield func(kvstore.Entry, error) bool) {
		scanOwned(ctx, v.tree, c, opts.Limit, yield, entryOf)
	}
}

// PairsOwned implements [kvstore.OwnedRanger], as RangeOwned does.
func (v view) PairsOwned(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		scanOwned(ctx, v.tree, c, opts.Limit, yield, pairOf)
	}
}

func pairOf(it *item.Item) kvstore.KeyValue {
	l := it.Layout()
	return kvstore.KeyValue{Key: it.Bytes(l.Key, l.Value), Value: it.Bytes(l.Value, l.Stamp)}
}

// scanOwned is scan with copies of the items.
func scanOwned[T any](
	ctx context.Context, t order.Tree, c kvstore.KeyConstraint, limit int,
	yield func(T, error) bool, of func(*item.Item) T,
) {
	left, chunk := limit, firstChunk
	if left <= 0 {
		left = math.MaxInt
	}
	scanLeaves(ctx, t, c, yield, func(slots []order.Slot) bool {
		slots = slots[:min(left, len(slots))]
		left -= len(slots)
		for len(slots) > 0 {
			n, more := yieldCopies(slots[:min(chunk, len(slots))], yield, of)
			if !more {
				return false
			}
			slots = slots[n:]
			chunk = min(2*chunk, lastChunk)
		}
		return left > 0
	})
}

// yieldCopies yields copies of the first of slots, as many as make a chunk, and
// returns how many that were.
func yieldCopies[T any](slots []order.Slot, yield func(T, error) bool, of func(*item.Item) T) (n int, more bool) {
	var sizes [lastChunk]int
	total, run := 0, 0
	for ; n < len(slots); n++ {
		it := slots[n].Item
		size := it.Size()
		if n > 0 && !it.Behind(slots[n-1].Item, sizes[n-1]) {
			if run >= longRun {
				break
			}
			run = 0
		}
		run++
		if size <= chunk.Small {
			if total+size > lastBytes {
				break
			}
			total += size
		}
		sizes[n] = size
	}
	block := copyRuns(total, slots[:n], sizes[:n])
	at := 0
	for i, s := range slots[:n] {
		it := s.Item
		if sizes[i] > chunk.Small {
			it = it.Clone()
		} else {
			it = item.In(block, at)
			at += sizes[i]
		}
		if !yield(of(it), nil) {
			return n, false
		}
	}
	return n, true
}

// copyRuns returns a copy of the small items, total bytes. Items that lie side by
// side are copied together.
func copyRuns(total int, slots []order.Slot, sizes []int) []byte {
	var block []byte
	for i := 0; i < len(slots); {
		if sizes[i] > chunk.Small {
			i++
			continue
		}
		first, run := slots[i].Item, sizes[i]
		for i++; i < len(slots) && sizes[i] <= chunk.Small && slots[i].Item.Behind(slots[i-1].Item, sizes[i-1]); i++ {
			run += sizes[i]
		}
		if block == nil && run < total {
			block = make([]byte, 0, total)
		}
		block = append(block, first.Raw(run)...)
	}
	return block
}
