package kvstore

import (
	"context"
	"slices"
	"sync"
)

// Batch collects puts and deletes that take effect together: all or none of
// them are in the log, next to each other, in the order added, and every reader
// of every client sees all of them together or none. Kafka appends a record batch
// whole or not at all; a Batch is exactly one.
//
// A Batch may be filled from several goroutines. It is executed once.
type Batch struct {
	c *Client

	mu       sync.Mutex
	changes  []change
	room     []byte // for the keys and values to come
	executed bool
}

// Batch returns an empty batch.
func (c *Client) Batch() *Batch { return &Batch{c: c} }

// Put adds a put of a pair to the batch and returns the batch. Key and value are
// copied; a nil value is stored as an empty one. A bad key is reported by
// Execute.
func (b *Batch) Put(key, value []byte) *Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := len(key) + len(value)
	if size > len(b.room) {
		b.room = make([]byte, max(size, min(len(b.changes)*size, maxRoom)))
	}
	both := b.room[:size:size]
	b.room = b.room[size:]
	return b.add(putChangeIn(both, key, value))
}

// maxRoom bounds what a batch allocates in one step, in bytes: a pair by itself while
// the batch is small, then as much again as the batch has.
const maxRoom = 64 << 10

// Delete adds the delete of a key to the batch and returns the batch. The key is
// copied.
func (b *Batch) Delete(key []byte) *Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(deleteChange(key))
}

// add appends a change. It is called under mu.
func (b *Batch) add(ch change) *Batch {
	if n := len(b.changes); n == cap(b.changes) {
		b.changes = slices.Grow(b.changes, max(n, 4)) // append would grow a long one by a quarter, again and again
	}
	b.changes = append(b.changes, ch)
	return b
}

// Execute writes the batch and returns when this client's reads show it and the
// hooks have run for it. An empty batch succeeds without writing.
//
// Errors are those of [Client.Put]. A batch that does not fit one record batch
// is refused with a [*SizeError] that matches [ErrBatchTooLarge], and nothing is
// written. A second Execute is refused with [ErrBatchExecuted], also when the
// first failed: after an unknown outcome the same changes might be written
// twice.
func (b *Batch) Execute(ctx context.Context) error {
	_, err := b.ExecuteRevision(ctx)
	return err
}

// ExecuteRevision is [Batch.Execute] that also returns the revision of the last
// change in the batch; the changes before have the revisions before. It is -1
// for an empty batch.
func (b *Batch) ExecuteRevision(ctx context.Context) (revision int64, err error) {
	if ctx == nil {
		return -1, &WriteError{Op: "execute", Outcome: ErrRefused, Revision: -1, Cause: errNoContext}
	}
	b.mu.Lock()
	changes, again := b.changes, b.executed
	b.executed = true
	b.mu.Unlock()
	switch {
	case again:
		return -1, &WriteError{Op: "execute", Outcome: ErrRefused, Revision: -1, Cause: ErrBatchExecuted}
	case len(changes) == 0:
		return -1, nil
	}
	revision, err = b.c.write(ctx, "execute", changes)
	return revision, ofBatch(err)
}
