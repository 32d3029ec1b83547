package kvstore

import (
	"context"
	"iter"
	"time"
)

// KeyValue is one key with its value.
//
// Pairs that a [Client] hands out belong to the caller, who may keep and
// change the slices. In [BatchStorage.ApplyBatch] a nil Value means delete.
type KeyValue struct {
	Key   []byte
	Value []byte
}

// QueryOptions narrows a range query.
type QueryOptions struct {
	// Limit is the largest number of pairs to return. Zero and less mean
	// no limit.
	Limit int
}

// Storage holds the local copy of the topic that reads are answered from.
//
// The client is the only writer: it calls Set and Delete from one goroutine,
// in log order, and Get and Range from any number of goroutines at the same
// time. A storage therefore has to be safe for concurrent use.
//
// Get returns [ErrNotFound], or an error that wraps it, for a key that is not
// there. Range yields keys in ascending byte order, at most opts.Limit of
// them; an error is yielded as the last element.
//
// The slices passed to Set, Delete and ApplyBatch may be kept by the storage.
// The slices that Get and Range return must stay unchanged for as long as the
// caller holds them; the client copies them before it hands them out.
//
// An error from Set, Delete or ApplyBatch makes the client try the same call
// again, with backoff, until it succeeds or the client ends. The calls
// must therefore be idempotent. The client makes no other change meanwhile. It does
// the same with what it reads for itself while it rereads the log.
//
// A storage that panics ends the client with a [*PanicError]: the state of the storage is
// unknown then.
//
// A storage serves one client at a time: [NewClient] refuses one that another client of the
// process has with [ErrStorageInUse]. For a type that embeds a storage and overrides only
// some of its methods, the client uses Get, Set, Delete and Range alone where the optional
// methods would bypass those; that is logged.
//
// A storage that holds data when it is given to [NewClient] ends up with exactly the
// content of the log: anything that the log does not hold is removed.
type Storage interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
	Set(ctx context.Context, key []byte, value []byte) error
	Delete(ctx context.Context, key []byte) error
	Range(ctx context.Context, c KeyConstraint, opts QueryOptions) iter.Seq2[KeyValue, error]
}

// BatchStorage is a [Storage] that can apply many changes in one call. The client
// prefers ApplyBatch to single calls whenever a fetch brought more than one
// record.
type BatchStorage interface {
	Storage

	// ApplyBatch applies all items in order, all or nothing. A nil Value deletes the key,
	// any other Value (an empty one too) sets it. The same key may be in items more than
	// once: the last one wins.
	ApplyBatch(ctx context.Context, items []KeyValue) error
}

// Record is one change taken from the log.
type Record struct {
	Key    []byte
	Value  []byte // never nil for a set, nil for a delete
	Delete bool   // the record is a tombstone

	// Revision is the record's offset in the log.
	Revision int64

	// Time is the record's timestamp, in milliseconds since the Unix epoch.
	TimeMillis int64
}

// Entry is a key with its value and the record that wrote it.
type Entry struct {
	Key   []byte
	Value []byte

	// Revision is the offset of the record that wrote the value.
	Revision int64

	// Time is the timestamp of that record, with the precision that Kafka
	// keeps: one millisecond.
	Time time.Time
}

// RecordStorage is an optional interface for storages that keep the revision
// and time of each value beside it and can be read at one point of the log.
// With such a storage the client keeps no index of its own and takes no lock
// on reads. [github.com/kvsim/kvsim/kvstore/memory] implements it.
type RecordStorage interface {
	BatchStorage

	// ApplyRecords applies all records in order; a concurrent reader sees
	// all of them or none. The slices alias a fetch buffer and are valid
	// only until ApplyRecords returns: an implementation copies what it
	// keeps.
	ApplyRecords(ctx context.Context, records []Record) error

	// GetEntry returns the entry of key, or [ErrNotFound].
	GetEntry(ctx context.Context, key []byte) (Entry, error)

	// Snapshot returns an immutable view of the storage as it is now.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Reset removes everything. Snapshots taken before are not affected.
	Reset(ctx context.Context) error
}

// Snapshot is a view of a [RecordStorage] at one point of the log. It is safe
// for concurrent use and holds memory only as long as it is referenced.
type Snapshot interface {
	// GetEntry returns the entry of key, or [ErrNotFound].
	GetEntry(ctx context.Context, key []byte) (Entry, error)

	// Range yields the entries in ascending key order, at most opts.Limit of
	// them. It stops with ctx's error when ctx ends.
	Range(ctx context.Context, c KeyConstraint, opts QueryOptions) iter.Seq2[Entry, error]
}

// OwnedRanger is an optional interface of a [Snapshot] that can copy a range
// for less than one allocation a key. With such a snapshot the client makes no
// copies of its own.
type OwnedRanger interface {
	Snapshot

	// RangeOwned is Range, but the slices that it yields belong to the caller, who may keep
	// and change them. Several may share one allocation, each with no capacity beyond its
	// length.
	RangeOwned(ctx context.Context, c KeyConstraint, opts QueryOptions) iter.Seq2[Entry, error]

	// PairsOwned is RangeOwned without revisions and times.
	PairsOwned(ctx context.Context, c KeyConstraint, opts QueryOptions) iter.Seq2[KeyValue, error]
}
