package kvstoretest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore"
)

// bendItems changes the items before they are applied.
func bendItems(f func([]kvstore.KeyValue) []kvstore.KeyValue) func() kvstore.Storage {
	return bendBatch(func(b *bentBatch) {
		b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
			return b.good.ApplyBatch(ctx, f(slices.Clone(items)))
		}
	})
}

func brokenBatches() []brokenStorage {
	return []brokenStorage{
		{"batch-applies-in-order", "applies the items backwards", bendItems(func(items []kvstore.KeyValue) []kvstore.KeyValue {
			slices.Reverse(items)
			return items
		})},
		{"batch-applies-in-order", "deletes last", bendItems(func(items []kvstore.KeyValue) []kvstore.KeyValue {
			slices.SortStableFunc(items, func(a, b kvstore.KeyValue) int {
				switch {
				case a.Value != nil && b.Value == nil:
					return -1
				case a.Value == nil && b.Value != nil:
					return 1
				}
				return 0
			})
			return items
		})},
		{"batch-nil-deletes-empty-sets", "deletes on an empty value", bendItems(func(items []kvstore.KeyValue) []kvstore.KeyValue {
			for i := range items {
				if len(items[i].Value) == 0 {
					items[i].Value = nil
				}
			}
			return items
		})},
		{"batch-nil-deletes-empty-sets", "sets an empty value for nil", bendItems(func(items []kvstore.KeyValue) []kvstore.KeyValue {
			for i := range items {
				if items[i].Value == nil {
					items[i].Value = []byte{}
				}
			}
			return items
		})},
		{"batch-of-nothing", "returns an error", bendBatch(func(b *bentBatch) {
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				if len(items) == 0 {
					return errors.New("empty batch")
				}
				return b.good.ApplyBatch(ctx, items)
			}
		})},
		{"batch-of-many", "stops after 4096 items", bendItems(func(items []kvstore.KeyValue) []kvstore.KeyValue {
			return items[:min(len(items), 4096)]
		})},
		{"batch-can-be-repeated", "takes a second set of the same value for a delete", bendBatch(func(b *bentBatch) {
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				items = slices.Clone(items)
				for i, kv := range items {
					if old, err := b.good.Get(ctx, kv.Key); err == nil && string(old) == string(kv.Value) {
						items[i].Value = nil
					}
				}
				return b.good.ApplyBatch(ctx, items)
			}
		})},
		{"batch-leaves-its-items", "sorts the items in place", bendBatch(func(b *bentBatch) {
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				slices.SortStableFunc(items, func(x, y kvstore.KeyValue) int {
					return strings.Compare(string(x.Key), string(y.Key))
				})
				return b.good.ApplyBatch(ctx, items)
			}
		})},
		{"batch-with-ended-context", "does not look at the context", bendBatch(func(b *bentBatch) {
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				return b.good.ApplyBatch(without(ctx), items)
			}
		})},
		{"batch-with-ended-context", "applies and then returns the error", bendBatch(func(b *bentBatch) {
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				return errors.Join(b.good.ApplyBatch(without(ctx), items), ctx.Err())
			}
		})},
		{"batch-is-atomic", "applies halves, seen by a range", bendBatch(func(b *bentBatch) {
			g := &gap{}
			b.onRange = g.ranged(b.good)
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				if string(items[0].Value) != "100" {
					return b.good.ApplyBatch(ctx, items)
				}
				half := len(items) / 2
				err := b.good.ApplyBatch(ctx, items[:half])
				g.wait()
				return errors.Join(err, b.good.ApplyBatch(ctx, items[half:]))
			}
		})},
		{"batch-is-atomic", "applies the second half with the next batch, seen by gets", bendBatch(func(b *bentBatch) {
			var late []kvstore.KeyValue
			b.onRange = func(context.Context, limits, options) pairSeq { // never torn
				return func(yield func(kvstore.KeyValue, error) bool) {
					for i := range atomicKeys {
						if !yield(putItem(atomicKey(i), "0"), nil) {
							return
						}
					}
				}
			}
			b.onApplyBatch = func(ctx context.Context, items []kvstore.KeyValue) error {
				half := len(items) / 2
				if string(items[0].Value) == "0" {
					half = len(items)
				}
				now := append(late, items[:half]...)
				late = slices.Clone(items[half:])
				return b.good.ApplyBatch(ctx, now)
			}
		})},
	}
}

// gap is a moment between two halves of a write that lasts until a read has
// fallen into it.
type gap struct {
	open, seen atomic.Bool
}

// wait opens the gap until a read that began in it has ended.
func (g *gap) wait() {
	g.open.Store(true)
	soon(g.seen.Load)
	g.open.Store(false)
}

// ranged is the storage's Range, watched.
func (g *gap) ranged(good kvstore.Storage) func(context.Context, limits, options) pairSeq {
	return func(ctx context.Context, c limits, o options) pairSeq {
		return func(yield func(kvstore.KeyValue, error) bool) {
			inside := g.open.Load()
			good.Range(ctx, c, o)(yield)
			if inside {
				g.seen.Store(true)
			}
		}
	}
}
