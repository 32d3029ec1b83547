package kvstore

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// indexView adds to a plain storage what it lacks: an index of revisions and
// times, and a lock that keeps readers from seeing half a record batch.
//
// The lock is a weighted semaphore because a storage may be slow: a caller that waits for
// it must be able to leave when its context ends.
type indexView struct {
	s     Storage
	batch BatchStorage // nil when s has no ApplyBatch, or one that bypasses Set
	lock  *semaphore.Weighted
	index map[string]indexed

	// torn says that an apply failed, or the storage panicked, after some of
	// its changes. I7: the lock is then kept until the changes are applied in
	// full. Only the goroutine that applies changes it, and only holding the lock.
	torn bool

	// left is what a call of the storage that failed has left of the changes: they are tried
	// again from that call on. nil when there is nothing to try again. Only the goroutine that
	// applies changes uses it.
	left []KeyValue
}

type indexed struct {
	revision   int64
	timeMillis int64
}

// A writer takes all of the lock, a reader one part of it.
const wholeLock = 1 << 30

func newIndexView(s Storage, batch BatchStorage) *indexView {
	return &indexView{s: s, batch: batch, lock: semaphore.NewWeighted(wholeLock), index: map[string]indexed{}}
}

func (v *indexView) apply(ctx context.Context, records []Record) error {
	if v.left == nil {
		v.left = cloneItems(records)
	}
	if !v.torn {
		if err := v.lock.Acquire(ctx, wholeLock); err != nil {
			return err
		}
	}
	before := v.torn
	v.torn = true
	done, err := v.write(ctx)
	if err != nil {
		if v.torn = before || done; !v.torn {
			v.lock.Release(wholeLock)
		}
		return err
	}
	for _, r := range records {
		if r.Delete {
			delete(v.index, string(r.Key))
		} else {
			v.index[string(r.Key)] = indexed{r.Revision, r.TimeMillis}
		}
	}
	v.torn = false
	v.lock.Release(wholeLock)
	return nil
}

// revisions needs no lock: the index changes in apply and reset only.
func (v *indexView) revisions(context.Context) (func(func(int64)) error, error) {
	return func(fn func(int64)) error {
		for _, at := range v.index {
			fn(at.revision)
		}
		return nil
	}, nil
}

func (v *indexView) end() {
	if v.torn {
		v.torn = false
		v.lock.Release(wholeLock)
	}
}

// write makes the changes that are left. It reports whether it has made any when it fails.
func (v *indexView) write(ctx context.Context) (done bool, err error) {
	items := v.left
	if v.batch != nil && len(items) > 1 {
		if err := v.batch.ApplyBatch(ctx, items); err != nil {
			return false, err
		}
		v.left = nil
		return true, nil
	}
	for i, it := range items {
		if it.Value != nil {
			err = v.s.Set(ctx, it.Key, it.Value)
		} else if err = v.s.Delete(ctx, it.Key); isNotFound(err) {
			err = nil
		}
		if err != nil {
			if v.left = items[i:]; i > 0 {
				err = laterError{err}
			}
			return i > 0, err
		}
	}
	v.left = nil
	return true, nil
}

// cloneItems copies keys and values out of the fetch buffer, because a storage
// may keep what it is given.
func cloneItems(records []Record) []KeyValue {
	items := make([]KeyValue, len(records))
	for i, r := range records {
		items[i].Key = bytes.Clone(r.Key)
		if !r.Delete {
			items[i].Value = append(make([]byte, 0, len(r.Value)), r.Value...)
		}
	}
	return items
}

// share takes a reader's part of the lock.
func (v *indexView) share(ctx context.Context) error {
	if v.lock.Acquire(ctx, 1) != nil { // ctx has ended
		return errStoring
	}
	return nil
}

func (v *indexView) entry(ctx context.Context, key []byte) (Entry, error) {
	if err := v.share(ctx); err != nil {
		return Entry{}, err
	}
	defer v.lock.Release(1)
	if invariant.On {
		v.checkWhole()
	}
	value, err := v.s.Get(ctx, key)
	if err != nil {
		return Entry{}, err
	}
	return v.join(KeyValue{key, value}), nil
}

func (v *indexView) value(ctx context.Context, key []byte) ([]byte, error) {
	if err := v.share(ctx); err != nil {
		return nil, err
	}
	defer v.lock.Release(1)
	if invariant.On {
		v.checkWhole()
	}
	return v.s.Get(ctx, key)
}

func (v *indexView) join(kv KeyValue) Entry {
	at := v.index[string(kv.Key)]
	return Entry{Key: kv.Key, Value: kv.Value, Revision: at.revision, Time: time.UnixMilli(at.timeMillis)}
}

// scan collects the whole range under the lock: a plain storage has no
// snapshots, and handing out one pair after the other would show states of the
// log that never were.
func (v *indexView) scan(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error) {
	if err := v.share(ctx); err != nil {
		return nil, err
	}
	defer v.lock.Release(1)
	if invariant.On {
		v.checkWhole()
	}
	var entries []Entry
	for kv, err := range v.s.Range(ctx, c, opts) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, v.join(kv))
	}
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}, nil
}

func (v *indexView) owned(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error) {
	entries, err := v.scan(ctx, c, opts)
	if err != nil {
		return nil, err
	}
	return copies(entries), nil
}

func (v *indexView) pairs(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[KeyValue, error], error) {
	entries, err := v.owned(ctx, c, opts)
	if err != nil {
		return nil, err
	}
	return pairsOf(entries), nil
}

func (v *indexView) hold(context.Context) (held, error) { return heldIndex(v.index), nil }

func (v *indexView) reset(ctx context.Context) error {
	if err := v.lock.Acquire(ctx, wholeLock); err != nil {
		return err
	}
	defer v.lock.Release(wholeLock)
	if v.left == nil {
		var items []KeyValue
		for kv, err := range v.s.Range(ctx, KeyConstraint{}, QueryOptions{}) {
			if err != nil {
				return err
			}
			items = append(items, KeyValue{Key: bytes.Clone(kv.Key)})
		}
		v.left = items
	}
	if len(v.left) > 0 {
		if _, err := v.write(ctx); err != nil {
			return err
		}
	}
	v.index = map[string]indexed{}
	return nil
}

type heldIndex map[string]indexed

func (h heldIndex) lookup(_ context.Context, key []byte) (indexed, bool, error) {
	at, ok := h[string(key)]
	return at, ok, nil
}

func (h heldIndex) all(context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(h)) {
			if !yield(Entry{Key: []byte(key), Revision: h[key].revision}, nil) {
				return
			}
		}
	}
}
