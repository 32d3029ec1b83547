package kvstore

import (
	"bytes"
	"context"
	"errors"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Put stores a pair. It returns when this client's reads show it and the hooks
// have run for it.
//
// key needs at least one byte, otherwise the error is [ErrInvalidKey]. A nil value is
// stored as an empty one. Both are copied. A pair that does not fit the topic's
// max.message.bytes is refused with a [*SizeError].
//
// Put returns soon after ctx ends, whatever state Kafka is in. The error is a
// [*WriteError]: it matches [ErrNotWritten], [ErrRefused] or [ErrOutcomeUnknown], and
// says so when the write is in the log but not visible yet.
func (c *Client) Put(ctx context.Context, key []byte, value []byte) error {
	_, err := c.PutRevision(ctx, key, value)
	return err
}

// PutRevision is [Client.Put] that also returns the revision of the write: the offset of
// its record. Another client that waits for it with [Client.WaitRevision] reads this
// write. It is -1 when a broker recognised a write that was sent again but no longer knew
// its offset.
func (c *Client) PutRevision(ctx context.Context, key []byte, value []byte) (revision int64, err error) {
	return c.write(ctx, "put", []change{putChange(key, value)})
}

// Delete removes a key. It returns when this client's reads no longer show it and the hooks
// have run for it. A key that is not there is no error: the tombstone is written anyway.
// Errors are those of [Client.Put].
func (c *Client) Delete(ctx context.Context, key []byte) error {
	_, err := c.DeleteRevision(ctx, key)
	return err
}

// DeleteRevision is [Client.Delete] that also returns the revision of the
// tombstone.
func (c *Client) DeleteRevision(ctx context.Context, key []byte) (revision int64, err error) {
	return c.write(ctx, "delete", []change{deleteChange(key)})
}

// putChange copies a pair. The value is never nil: in the log nil is a delete.
func putChange(key, value []byte) change {
	return putChangeIn(make([]byte, len(key)+len(value)), key, value)
}

// putChangeIn is putChange into memory of exactly the size.
func putChangeIn(both, key, value []byte) change {
	n := copy(both, key)
	copy(both[n:], value)
	return change{key: both[:n:n], value: both[n:]}
}

func deleteChange(key []byte) change { return change{key: bytes.Clone(key)} }

// write puts changes into the log, in one record batch, and waits until they
// are visible. It returns the revision of the last of them.
func (c *Client) write(ctx context.Context, op string, changes []change) (int64, error) {
	fail := func(outcome, cause error, revision int64) (int64, error) {
		e := &WriteError{Op: op, Outcome: outcome, Cause: cause, Revision: revision}
		if len(changes) == 1 {
			e.Key = bytes.Clone(changes[0].key) // the writer may still use the original
		}
		return -1, e
	}
	if ctx == nil {
		return fail(ErrRefused, errNoContext, -1)
	}
	if c.writer == nil {
		return fail(ErrRefused, ErrReadOnly, -1)
	}
	deadline := c.writer.deadline() // what follows may wait for the brokers
	size, err := c.admissible(ctx, changes)
	if err != nil {
		return fail(ErrRefused, err, -1)
	}
	if c.hooks.inside() {
		return fail(ErrNotWritten, ErrHookReentry, -1)
	}
	if ctx.Err() != nil {
		return fail(ErrNotWritten, contextError(ctx), -1)
	}
	if invariant.On {
		c.hooks.checkWait(op)
	}
	res, err := c.writer.submit(ctx, c.writer.newWrite(changes, size, deadline))
	if err != nil {
		return fail(ErrNotWritten, err, -1)
	}
	defer c.writer.queue.leave()
	if res.outcome != nil {
		return fail(res.outcome, res.cause, -1)
	}
	if res.revision < 0 {
		return c.syncWrite(ctx, fail)
	}
	if err = c.shown(ctx, res); err != nil {
		return fail(ErrOutcomeUnknown, err, c.stillNamed(res, err))
	}
	return res.revision, nil
}

// stillNamed returns the revision of a write that did not become visible because of err, or
// -1 when the offset may not be the write's any more: the log lost records, or is another
// one.
func (c *Client) stillNamed(res written, err error) int64 {
	lost := errors.Is(err, ErrDataLoss) || errors.Is(err, ErrTopicRecreated) || errors.Is(err, ErrTopicDeleted)
	if term, _, _ := c.tracker.Now(); lost || term != res.term {
		return -1
	}
	return res.revision
}

// syncWrite finishes a write that is in the log at an unknown offset, by waiting for the
// log's end.
func (c *Client) syncWrite(ctx context.Context, fail func(error, error, int64) (int64, error)) (int64, error) {
	if err := c.Sync(ctx); err != nil {
		return fail(ErrOutcomeUnknown, err, -1)
	}
	return -1, nil
}

// admissible checks what can be refused without asking Kafka for more than whether
// the topic's limit was raised, and returns the size of the record batch that the
// changes need.
func (c *Client) admissible(ctx context.Context, changes []change) (size int, err error) {
	for _, ch := range changes {
		if len(ch.key) == 0 {
			return 0, ErrInvalidKey
		}
	}
	size = batchSize(changes)
	if size > c.settings.limit().bytes && !c.hooks.inside() && ctx.Err() == nil {
		c.settings.relearn(ctx)
	}
	if limit := c.settings.limit(); size > limit.bytes {
		return 0, newSizeError(changes, limit)
	}
	return size, nil
}
