package kvstore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// TypedBatch collects typed writes that take effect together, see [Batch]. It
// may be filled from several goroutines and is executed once.
//
// Values are serialized by Put, so a value may be changed as soon as Put has
// returned. One that can't be serialized makes Execute refuse the whole batch.
type TypedBatch[T any] struct {
	batch *Batch
	serde Serde[T]

	mu       sync.Mutex
	badKey   []byte // key of the first value that could not be serialized
	badErr   error  // why it could not
	badCount int    // how many there are
	executed bool
}

// Put adds a put of value to the batch and returns the batch. The key is
// copied.
func (b *TypedBatch[T]) Put(key []byte, value T) *TypedBatch[T] {
	v, err := serialize(b.serde, value)
	if err == nil {
		b.batch.Put(key, v)
		return b
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.badCount == 0 {
		b.badKey, b.badErr = bytes.Clone(key), err
	}
	b.badCount++
	return b
}

// Delete adds the delete of a key to the batch and returns the batch. The key
// is copied.
func (b *TypedBatch[T]) Delete(key []byte) *TypedBatch[T] {
	b.batch.Delete(key)
	return b
}

// Execute writes the batch and returns when this client's reads show it. See
// [Batch.Execute].
//
// If a value could not be serialized, nothing is written: Execute returns a
// [*WriteError] that matches [ErrRefused] and the serde's error, and names the
// key of the first such value.
func (b *TypedBatch[T]) Execute(ctx context.Context) error {
	_, err := b.ExecuteRevision(ctx)
	return err
}

// ExecuteRevision is [TypedBatch.Execute] that also returns the revision of
// the last change in the batch. See [Batch.ExecuteRevision].
func (b *TypedBatch[T]) ExecuteRevision(ctx context.Context) (int64, error) {
	if err := b.begin(); err != nil {
		return -1, err
	}
	return b.batch.ExecuteRevision(ctx)
}

// begin uses up the batch. It returns why the batch can't be executed, nil if it can.
func (b *TypedBatch[T]) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.executed {
		return &WriteError{Op: "execute", Outcome: ErrRefused, Revision: -1, Cause: ErrBatchExecuted}
	}
	b.executed = true
	switch b.badCount {
	case 0:
		return nil
	case 1:
		return refusedValue("execute", b.badKey, b.badErr)
	}
	return refusedValue("execute", b.badKey, fmt.Errorf("%w (the first of %d such values)", b.badErr, b.badCount))
}
