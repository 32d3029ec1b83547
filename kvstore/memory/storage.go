package memory

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// checkEvery is the number of changes of a batch after which its context is
// looked at again.
const checkEvery = 1024

// Storage is an ordered map on the heap. It implements [kvstore.RecordStorage].
// The package documentation says what it guarantees.
//
// Make one with [New]. A Storage must not be copied.
type Storage struct {
	// root is the current version of the tree. It is never nil.
	root atomic.Pointer[node]

	mu    sync.Mutex // held by writes
	edits uint64     // number of writes so far; guarded by mu
}

var _ kvstore.RecordStorage = (*Storage)(nil)

// New returns an empty storage.
func New() *Storage {
	s := &Storage{}
	s.root.Store(&node{})
	return s
}

// Get returns the value of key, or [kvstore.ErrNotFound]. The value aliases the
// storage's memory, which is never written again: it stays as it is, and the
// caller must not change it. An empty value is not nil.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	it := s.root.Load().get(key)
	if it == nil {
		return nil, kvstore.ErrNotFound
	}
	return it.value(), nil
}

// GetEntry returns the value of key with the revision and the time (in UTC) of
// the record that wrote it, or [kvstore.ErrNotFound]. A value that was written
// without a record has revision -1 and the zero time. For the slices the rule of
// [Storage.Get] holds.
func (s *Storage) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	return view{s.root.Load()}.GetEntry(ctx, key)
}

// Range yields the pairs of c in ascending key order, as they were when the
// iteration began. It looks at ctx about every 60 pairs and yields its error
// last when it has ended. For the slices the rule of [Storage.Get] holds.
func (s *Storage) Range(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		scan(ctx, s.root.Load(), c, opts.Limit, yield, func(it *item) kvstore.KeyValue {
			return kvstore.KeyValue{Key: it.key(), Value: it.value()}
		})
	}
}

// Snapshot returns the storage as it is now, in constant time.
func (s *Storage) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return view{s.root.Load()}, nil
}

// Set sets key to a copy of value, with revision -1. A nil value is stored as
// an empty one.
func (s *Storage) Set(ctx context.Context, key, value []byte) error {
	return s.change(ctx, func(e *editor) error {
		e.put(pack(key, value, stamp{}))
		return nil
	})
}

// Delete removes key. It is no error when key is not there.
func (s *Storage) Delete(ctx context.Context, key []byte) error {
	return s.change(ctx, func(e *editor) error {
		e.delete(key)
		return nil
	})
}

// ApplyBatch applies all items in order, with revision -1, and copies what it
// keeps. A nil Value deletes the key. Readers see all of the items or none.
// Nothing is done when an error is returned.
func (s *Storage) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	return s.change(ctx, func(e *editor) error {
		for i, kv := range items {
			if i%checkEvery == checkEvery-1 && ctx.Err() != nil {
				return ctx.Err()
			}
			if kv.Value == nil {
				e.delete(kv.Key)
			} else {
				e.put(pack(kv.Key, kv.Value, stamp{}))
			}
		}
		return nil
	})
}

// ApplyRecords applies all records in order and copies what it keeps. Readers
// see all of the records or none. Nothing is done when an error is returned.
func (s *Storage) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return s.change(ctx, func(e *editor) error {
		for i := range records {
			if i%checkEvery == checkEvery-1 && ctx.Err() != nil {
				return ctx.Err()
			}
			r := &records[i]
			if r.Delete {
				e.delete(r.Key)
			} else {
				e.put(pack(r.Key, r.Value, stamp{r.Revision, r.TimeMillis, true}))
			}
		}
		return nil
	})
}

// Reset removes everything. Snapshots and ranges that have begun are not
// affected.
func (s *Storage) Reset(ctx context.Context) error {
	return s.change(ctx, func(e *editor) error {
		e.root = &node{}
		return nil
	})
}

// change publishes what do makes of the current version, unless ctx has ended
// or do fails.
func (s *Storage) change(ctx context.Context, do func(*editor) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.edits++
	e := editor{root: s.root.Load(), id: s.edits}
	if err := do(&e); err != nil {
		return err
	}
	s.root.Store(e.root)
	return nil
}

// view is one version of the tree. It implements [kvstore.Snapshot].
type view struct {
	root *node
}

// GetEntry implements [kvstore.Snapshot].
func (v view) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if err := ctx.Err(); err != nil {
		return kvstore.Entry{}, err
	}
	it := v.root.get(key)
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
		scan(ctx, v.root, c, opts.Limit, yield, entryOf)
	}
}

func entryOf(it *item) kvstore.Entry {
	entry := kvstore.Entry{Key: it.key(), Value: it.value(), Revision: -1}
	if s := it.stamp(); s.known {
		entry.Revision = s.revision
		entry.Time = time.UnixMilli(s.timeMillis).UTC()
	}
	return entry
}

// scan yields the items of c as T, at most limit of them when limit is
// positive. It looks at ctx once a leaf.
func scan[T any](
	ctx context.Context, root *node, c kvstore.KeyConstraint, limit int,
	yield func(T, error) bool, of func(*item) T,
) {
	left := limit
	fail := func(err error) bool {
		var none T
		yield(none, err)
		return false
	}
	if err := ctx.Err(); err != nil {
		fail(err)
		return
	}
	root.ascend(c.Start, func(slots []slot) bool {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		more := true
		if c.End != nil {
			slots, more = until(slots, c.End)
		}
		for _, s := range slots {
			if !yield(of(s.item), nil) {
				return false
			}
			if left--; left == 0 {
				return false
			}
		}
		return more
	})
}
