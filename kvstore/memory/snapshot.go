package memory

import (
	"context"
	"iter"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

// view is one version of the tree. It implements [kvstore.Snapshot].
type view struct {
	tree order.Tree
}

// GetEntry implements [kvstore.Snapshot].
func (v view) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if err := ctx.Err(); err != nil {
		return kvstore.Entry{}, err
	}
	it := v.tree.Get(key)
	if it == nil {
		return kvstore.Entry{}, kvstore.ErrNotFound
	}
	return entryOf(it), nil
}

// Range implements [kvstore.Snapshot].
func (v view) Range(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.Entry, error] {
	return func(yield func(kvstore.Entry, error) bool) {
		scan(ctx, v.tree, c, opts.Limit, yield, entryOf)
	}
}

func entryOf(it *item.Item) kvstore.Entry {
	kv := pairOf(it)
	entry := kvstore.Entry{Key: kv.Key, Value: kv.Value, Revision: -1}
	if s := it.Stamp(); s.Known {
		entry.Revision = s.Revision
		entry.Time = time.UnixMilli(s.TimeMillis).UTC()
	}
	return entry
}

// scan yields the items of c as T, at most limit of them when limit is
// positive. It looks at ctx once a leaf.
func scan[T any](
	ctx context.Context, t order.Tree, c kvstore.KeyConstraint, limit int,
	yield func(T, error) bool, of func(*item.Item) T,
) {
	left := limit
	scanLeaves(ctx, t, c, yield, func(slots []order.Slot) bool {
		for _, s := range slots {
			if !yield(of(s.Item), nil) {
				return false
			}
			if left--; left == 0 {
				return false
			}
		}
		return true
	})
}

// scanLeaves calls visit with the items of c, leaf by leaf, until it returns
// false. When ctx has ended it yields the error instead.
func scanLeaves[T any](
	ctx context.Context, t order.Tree, c kvstore.KeyConstraint,
	yield func(T, error) bool, visit func([]order.Slot) bool,
) {
	fail := func(err error) bool {
		var none T
		yield(none, err)
		return false
	}
	if err := ctx.Err(); err != nil {
		fail(err)
		return
	}
	t.Ascend(c.Start, c.End, func(slots []order.Slot) bool {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		return visit(slots)
	})
}
