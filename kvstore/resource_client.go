package kvstore

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"
)

// TypedKV is a key with its deserialized value.
type TypedKV[T any] struct {
	Key   []byte
	Value T
}

// TypedEntry is a key with its deserialized value and the record that wrote it.
type TypedEntry[T any] struct {
	Key   []byte
	Value T

	// Revision is the offset of the record that wrote the value.
	Revision int64

	// Time is the timestamp of that record, in whole milliseconds.
	Time time.Time
}

// ResourceClient is a [Client] whose values have type T. It holds nothing but
// the client and the serde, needs no closing, and is safe for concurrent use.
//
// Its methods behave like those of [Client]; what they add is this. A value
// that can't be serialized is refused with a [*WriteError] that names the key
// and matches [ErrRefused]: nothing is written. A stored value that can't be
// deserialized gives a [*DecodeError] that names the key, and stays where it is.
type ResourceClient[T any] struct {
	client      *Client
	serde       Serde[T]
	deserialize func(ctx context.Context, b []byte) (T, error)
}

// NewResourceClient returns a typed view of client. Closing the client remains
// the caller's job.
//
// It panics if client or serde is nil.
func NewResourceClient[T any](client *Client, serde Serde[T]) *ResourceClient[T] {
	if client == nil {
		panic("kvstore: NewResourceClient: client is nil")
	}
	if serde == nil {
		panic("kvstore: NewResourceClient: serde is nil")
	}
	return &ResourceClient[T]{client: client, serde: serde, deserialize: deserializer(serde)}
}

// Raw returns the client underneath.
func (r *ResourceClient[T]) Raw() *Client { return r.client }

// Get returns the value of key, or [ErrNotFound]. See [Client.Get].
func (r *ResourceClient[T]) Get(ctx context.Context, key []byte) (T, error) {
	b, err := r.client.Get(ctx, key)
	if err != nil {
		var zero T
		return zero, err
	}
	return r.decode(ctx, key, b)
}

// GetEntry returns the value of key with its revision and time, or
// [ErrNotFound]. See [Client.GetEntry].
func (r *ResourceClient[T]) GetEntry(ctx context.Context, key []byte) (TypedEntry[T], error) {
	e, err := r.client.GetEntry(ctx, key)
	if err != nil {
		return TypedEntry[T]{}, err
	}
	return r.entry(ctx, e)
}

// Put stores value under key and returns when this client's reads show it. See
// [Client.Put].
func (r *ResourceClient[T]) Put(ctx context.Context, key []byte, value T) error {
	b, err := r.encode(key, value)
	if err != nil {
		return err
	}
	return r.client.Put(ctx, key, b)
}

// PutRevision is like Put and returns the revision of the write. See
// [Client.PutRevision].
func (r *ResourceClient[T]) PutRevision(ctx context.Context, key []byte, value T) (int64, error) {
	b, err := r.encode(key, value)
	if err != nil {
		return -1, err
	}
	return r.client.PutRevision(ctx, key, b)
}

// Delete removes key and returns when this client's reads show that it is
// gone. See [Client.Delete].
func (r *ResourceClient[T]) Delete(ctx context.Context, key []byte) error {
	return r.client.Delete(ctx, key)
}

// DeleteRevision is like Delete and returns the revision of the tombstone. See
// [Client.DeleteRevision].
func (r *ResourceClient[T]) DeleteRevision(ctx context.Context, key []byte) (int64, error) {
	return r.client.DeleteRevision(ctx, key)
}

// Range iterates over the keys within constraint in ascending order. It ends
// at the first error, which it yields; if a value can't be deserialized, the
// Key that is yielded with the error says which. [ResourceClient.RangeAll] goes
// on after such a value. See [Client.Range].
func (r *ResourceClient[T]) Range(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[TypedKV[T], error] {
	return untilError(r.RangeAll(ctx, constraint, opts))
}

// RangeAll is like Range but skips no key and does not end at a value that can't be
// deserialized: it yields the Key and a [*DecodeError], and goes on for as long as the loop
// does. Such a value counts towards opts.Limit. Any other error, such as the end of ctx, is
// yielded last.
func (r *ResourceClient[T]) RangeAll(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[TypedKV[T], error] {
	return decodeAll(ctx, r.client.Range(ctx, constraint, opts), func(kv KeyValue) (TypedKV[T], error) {
		v, err := r.decode(ctx, kv.Key, kv.Value)
		return TypedKV[T]{Key: kv.Key, Value: v}, err
	})
}

// RangeEntries is like Range and yields each value's revision and time as
// well. See [Client.RangeEntries].
func (r *ResourceClient[T]) RangeEntries(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[TypedEntry[T], error] {
	return untilError(r.RangeAllEntries(ctx, constraint, opts))
}

// RangeAllEntries is like RangeAll and yields each value's revision and time as well, even
// of a value that can't be deserialized.
func (r *ResourceClient[T]) RangeAllEntries(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[TypedEntry[T], error] {
	return decodeAll(ctx, r.client.RangeEntries(ctx, constraint, opts), func(e Entry) (TypedEntry[T], error) {
		return r.entry(ctx, e)
	})
}

// decodeAll yields the result of decode for each element, and goes on after its errors until
// ctx ends. Then it says so, or a loop that passes over its errors would take a part for the
// whole.
func decodeAll[R, T any](ctx context.Context, raw iter.Seq2[R, error], decode func(R) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for r, err := range raw {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			typed, err := decode(r)
			if !yield(typed, err) {
				return
			}
			if err != nil && ctx.Err() != nil {
				var none T
				yield(none, fmt.Errorf("range: %w", contextError(ctx)))
				return
			}
		}
	}
}

// untilError ends with the first error.
func untilError[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for t, err := range seq {
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Batch returns a new, empty batch of typed writes.
func (r *ResourceClient[T]) Batch() *TypedBatch[T] {
	return &TypedBatch[T]{batch: r.client.Batch(), serde: r.serde}
}

// entry deserializes the value of e. After an error everything but the value is set.
func (r *ResourceClient[T]) entry(ctx context.Context, e Entry) (TypedEntry[T], error) {
	v, err := r.decode(ctx, e.Key, e.Value)
	return TypedEntry[T]{Key: e.Key, Value: v, Revision: e.Revision, Time: e.Time}, err
}

// encode returns the bytes of value, never nil unless there is an error.
func (r *ResourceClient[T]) encode(key []byte, value T) ([]byte, error) {
	b, err := serialize(r.serde, value)
	if err != nil {
		return nil, refusedValue("put", key, err)
	}
	return b, nil
}

func (r *ResourceClient[T]) decode(ctx context.Context, key, b []byte) (T, error) {
	v, err := r.deserialize(ctx, b)
	if err != nil {
		var zero T
		return zero, &DecodeError{Key: bytes.Clone(key), Cause: foreign(err)}
	}
	return v, nil
}

// serialize returns the bytes of v. A serde that returns nil without an error means an
// empty value: nil must not get further, where it would mean a delete.
func serialize[T any](serde Serde[T], v T) ([]byte, error) {
	b, err := serde.Serialize(v)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// refusedValue is the error of a write whose value could not be serialized.
func refusedValue(op string, key []byte, cause error) error {
	return &WriteError{
		Op:       op,
		Key:      bytes.Clone(key),
		Outcome:  ErrRefused,
		Revision: -1,
		Cause:    fmt.Errorf("serialize value: %w", foreign(cause)),
	}
}
