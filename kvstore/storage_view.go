package kvstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
)

// view is the local copy of the log as the client uses it: changed by one
// goroutine, read by many, always at one point of the log.
type view interface {
	// apply applies whole record batches. The slices of records alias a fetch buffer. When it
	// fails, it is to be called again with the same records: it goes on with the call of the
	// storage that failed. Its error is a laterError if it made changes before that.
	apply(ctx context.Context, records []Record) error

	// entry and scan hand out slices that must not be changed, owned those
	// that the caller may keep and change.
	entry(ctx context.Context, key []byte) (Entry, error)
	scan(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error)
	owned(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error)

	// pairs is owned without revisions and times.
	pairs(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[KeyValue, error], error)

	// value is entry without revision and time.
	value(ctx context.Context, key []byte) ([]byte, error)

	// revisions returns a function that calls fn with the revision of each key, in any order.
	// Neither is called while apply or reset are.
	revisions(ctx context.Context) (func(fn func(revision int64)) error, error)

	// hold returns what is there, for as long as it is kept.
	hold(ctx context.Context) (held, error)

	// reset removes everything. It fails, and is called again, as apply.
	reset(ctx context.Context) error

	// end says that apply and reset will not be called again.
	end()
}

// errStoring ends a read whose context ended while it waited until the storage had made a change
// in full.
var errStoring = fmt.Errorf("%w: it is busy with a change", ErrStorage)

// laterError is the error of a call of the storage before which others of the same try worked.
type laterError struct{ error }

func (e laterError) Unwrap() error { return e.error }

// held is the state before a rebuild: the record that wrote each key.
type held interface {
	lookup(ctx context.Context, key []byte) (indexed, bool, error)
	all(ctx context.Context) iter.Seq2[Entry, error]
}

// newView uses the optional methods that the storage offers, except those that would
// bypass its own.
func newView(s Storage, logger *slog.Logger) view {
	rs, bypassed := asRecordStorage(s)
	if rs != nil {
		return recordView{rs}
	}
	bs, alsoBypassed := asBatchStorage(s)
	bypassed = cmp.Or(bypassed, alsoBypassed)
	if bypassed != "" {
		logger.Warn("kvstore: the storage embeds another one and changes some of its methods but not all: the client uses Get, Set, Delete and Range instead of those which would bypass them; declare these too, or embed kvstore.Storage",
			"storage", fmt.Sprintf("%T", s), "bypassed", bypassed)
	}
	return newIndexView(s, bs)
}

// recordView leaves everything to a RecordStorage.
type recordView struct{ s RecordStorage }

func (v recordView) apply(ctx context.Context, records []Record) error {
	return v.s.ApplyRecords(ctx, records)
}

func (v recordView) entry(ctx context.Context, key []byte) (Entry, error) {
	return v.s.GetEntry(ctx, key)
}

func (v recordView) value(ctx context.Context, key []byte) ([]byte, error) {
	return v.s.Get(ctx, key)
}

func (v recordView) scan(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error) {
	snap, err := v.s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	// Each loop over it is a call of Range, also one that comes after an error.
	return func(yield func(Entry, error) bool) { snap.Range(ctx, c, opts)(yield) }, nil
}

func (v recordView) owned(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[Entry, error], error) {
	snap, err := v.s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if snap := asOwnedRanger(snap); snap != nil {
		return snap.RangeOwned(ctx, c, opts), nil
	}
	return copies(snap.Range(ctx, c, opts)), nil
}

func (v recordView) pairs(ctx context.Context, c KeyConstraint, opts QueryOptions) (iter.Seq2[KeyValue, error], error) {
	snap, err := v.s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if snap := asOwnedRanger(snap); snap != nil {
		return snap.PairsOwned(ctx, c, opts), nil
	}
	return pairsOf(copies(snap.Range(ctx, c, opts))), nil
}

func (v recordView) revisions(ctx context.Context) (func(func(int64)) error, error) {
	if l := asRevisionLister(v.s); l != nil {
		return func(fn func(int64)) error { return l.Revisions(ctx, fn) }, nil
	}
	snap, err := v.s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return func(fn func(int64)) error {
		for e, err := range snap.Range(ctx, KeyConstraint{}, QueryOptions{}) {
			if err != nil {
				return err
			}
			fn(e.Revision)
		}
		return nil
	}, nil
}

func pairsOf(entries iter.Seq2[Entry, error]) iter.Seq2[KeyValue, error] {
	return func(yield func(KeyValue, error) bool) {
		for e, err := range entries {
			if !yield(KeyValue{e.Key, e.Value}, err) {
				return
			}
		}
	}
}

// copies yields the entries with slices of their own.
func copies(entries iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range entries {
			if err == nil {
				e.Key, e.Value = bytes.Clone(e.Key), cloneValue(e.Value)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (v recordView) hold(ctx context.Context) (held, error) {
	snap, err := v.s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return heldSnapshot{snap}, nil
}

func (v recordView) reset(ctx context.Context) error { return v.s.Reset(ctx) }

func (recordView) end() {}

type heldSnapshot struct{ s Snapshot }

func (h heldSnapshot) lookup(ctx context.Context, key []byte) (indexed, bool, error) {
	e, err := h.s.GetEntry(ctx, key)
	if isNotFound(err) {
		return indexed{}, false, nil
	}
	return indexed{e.Revision, e.Time.UnixMilli()}, err == nil, err
}

func (h heldSnapshot) all(ctx context.Context) iter.Seq2[Entry, error] {
	return h.s.Range(ctx, KeyConstraint{}, QueryOptions{})
}
