package memory

import (
	"context"
	"hash/maphash"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// checkEvery is the number of changes of a batch after which its context is
// looked at again.
const checkEvery = 1024

// collectFrom is the number of items from which on a tree is built after a garbage
// collection. What the fetches and the index left behind while the storage was
// filled would else lie in the heap beside the copies that building makes: the
// peak at 1,000,000 keys was 3.3 times the live keys and values, and is 2.7
// times with it.
const collectFrom = 100_000

// Storage is an ordered map on the heap. It implements [kvstore.RecordStorage].
// The package documentation says what it guarantees.
//
// Make one with [New]. A Storage must not be copied.
type Storage struct {
	// root is the current version of the tree, nil while there is none: a
	// storage that is being filled has an index only, until it is first read
	// in order.
	root atomic.Pointer[node]

	// index has the items of root.
	index index

	// version is odd while the index is behind root. What a reader finds in
	// the index is good if version is the same even number before and after.
	// Without the second look this history would be possible: a reader looks
	// at version, a batch begins that deletes a key and sets it again, the
	// reader does not find the key, which was there before and after.
	version atomic.Uint64

	_       [64]byte   // what follows is written often: not in the readers' cache line
	mu      sync.Mutex // held by writes
	edits   uint64     // number of writes so far; guarded by mu
	changes []change   // space for the next editor; guarded by mu
}

var _ kvstore.RecordStorage = (*Storage)(nil)

// New returns an empty storage.
func New() *Storage {
	s := &Storage{}
	s.index.seed = maphash.MakeSeed()
	s.index.clear()
	return s
}

// find returns the item of key, or nil. It asks the index, and the tree while a
// write is changing the index: it waits for nobody. Only a storage that has no
// tree yet makes it wait, for the one write that is under way.
func (s *Storage) find(key []byte) *item {
	h := s.index.hash(key)
	if v := s.version.Load(); v&1 == 0 {
		it := s.index.find(h, key)
		if s.version.Load() == v {
			return it
		}
	}
	if root := s.root.Load(); root != nil {
		return root.get(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.find(h, key)
}

// tree returns the current version of the tree, which it builds when there is
// none.
func (s *Storage) tree() *node {
	if root := s.root.Load(); root != nil {
		return root
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	root := s.root.Load()
	if root == nil {
		if s.index.len() > collectFrom {
			runtime.GC()
		}
		root = build(&s.index)
		s.root.Store(root)
	}
	return root
}

// Get returns the value of key, or [kvstore.ErrNotFound]. The value aliases the
// storage's memory, which is never written again: it stays as it is, and the
// caller must not change it. An empty value is not nil.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	it := s.find(key)
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
	if err := ctx.Err(); err != nil {
		return kvstore.Entry{}, err
	}
	it := s.find(key)
	if it == nil {
		return kvstore.Entry{}, kvstore.ErrNotFound
	}
	return entryOf(it), nil
}

// Range yields the pairs of c in ascending key order, as they were when the
// iteration began. It looks at ctx about every 60 pairs and yields its error
// last when it has ended. For the slices the rule of [Storage.Get] holds.
func (s *Storage) Range(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		scan(ctx, s.tree(), c, opts.Limit, yield, pairOf)
	}
}

// Snapshot returns the storage as it is now, in constant time.
func (s *Storage) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return view{s.tree()}, nil
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
		e.changes = slices.Grow(e.changes, len(records))
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.version.Add(1)
	s.root.Store(nil)
	s.index.clear()
	s.version.Add(1)
	return nil
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
	e := editor{root: s.root.Load(), id: s.edits, changes: s.changes[:0]}
	err := do(&e)
	if err == nil {
		e.finish()
		s.publish(e.root, e.changes)
	}
	clear(e.changes) // they point at items and at the caller's keys
	if s.changes = e.changes; cap(s.changes) > checkEvery {
		s.changes = nil
	}
	return err
}

// publish makes the next version visible, at once for all keys: readers go by the
// tree until the index is as far.
func (s *Storage) publish(root *node, changes []change) {
	s.version.Add(1)
	s.root.Store(root)
	for _, c := range changes {
		if c.item != nil {
			s.index.put(c.item)
		} else {
			s.index.remove(c.key)
		}
	}
	s.version.Add(1)
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
	kv := pairOf(it)
	entry := kvstore.Entry{Key: kv.Key, Value: kv.Value, Revision: -1}
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
	scanLeaves(ctx, root, c, yield, func(slots []slot) bool {
		for _, s := range slots {
			if !yield(of(s.item), nil) {
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
	ctx context.Context, root *node, c kvstore.KeyConstraint,
	yield func(T, error) bool, visit func([]slot) bool,
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
	root.ascend(c.Start, func(slots []slot) bool {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		more := true
		if c.End != nil {
			slots, more = until(slots, c.End)
		}
		return visit(slots) && more
	})
}
