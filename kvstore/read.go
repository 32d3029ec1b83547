package kvstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// Get returns the value of a key from the storage, or [ErrNotFound]. The slice
// belongs to the caller.
//
// It shows everything that this client has written and got an answer for, and never goes
// back to a state before what the client has shown. Other clients' recent writes may be
// missing: to see them, call [Client.Sync] or [Client.WaitRevision] first. Get blocks only
// while the client rereads the log, because the log lost records or because deletions may
// have been compacted away unread, and, on a storage that is not a [RecordStorage], while
// that stores a change: [Status].Reading says when this takes long.
func (c *Client) Get(ctx context.Context, key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, ErrInvalidKey
	}
	var value []byte
	err := c.read(ctx, func() (err error) {
		value, err = c.view.value(ctx, key)
		return valueError(err)
	})
	if err != nil {
		return nil, getError(key, err)
	}
	return cloneValue(value), nil
}

// GetEntry is [Client.Get] that also returns the value's revision and time.
func (c *Client) GetEntry(ctx context.Context, key []byte) (Entry, error) {
	if len(key) == 0 {
		return Entry{}, ErrInvalidKey
	}
	var e Entry
	err := c.read(ctx, func() (err error) {
		e, err = c.view.entry(ctx, key)
		return valueError(err)
	})
	if err != nil {
		return Entry{}, getError(key, err)
	}
	e.Key, e.Value = bytes.Clone(key), cloneValue(e.Value)
	return e, nil
}

// valueError is storageError for the error of one key.
func valueError(err error) error {
	if isNotFound(err) {
		return err
	}
	return storageError(err)
}

// storageError says of an error that it is the storage's.
func storageError(err error) error {
	if err == nil || errors.Is(err, errStoring) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStorage, err)
}

func getError(key []byte, err error) error {
	if isNotFound(err) {
		return ErrNotFound
	}
	return fmt.Errorf("get %s: %w", quoteKey(key), err)
}

// Range yields the pairs within a constraint, in ascending order of the keys' bytes, at
// most opts.Limit of them. It shows one point of the log, even while writes go on. The
// slices belong to the caller. With the default storage the slices of up to 63 small
// neighbours share one allocation of at most 8 KiB, which stays alive as long as any of
// them: clone what you keep for long out of a large range. An error, for example the end of
// ctx, is yielded last.
//
// The default storage puts its keys in order when a Range asks for that: the first one
// sorts all keys, whatever it reads, and each later one sorts what has changed since. A
// program that does not want its first request to wait for that calls Range once after
// opening.
//
// It may show what [Client.Get] may show. A storage that implements [RecordStorage] is
// read as the loop goes on; any other storage is read into memory first.
func (c *Client) Range(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[KeyValue, error] {
	return scan(ctx, c, c.view.pairs, constraint, opts)
}

// RangeEntries is [Client.Range] that also yields revisions and times.
func (c *Client) RangeEntries(ctx context.Context, constraint KeyConstraint, opts QueryOptions) iter.Seq2[Entry, error] {
	return scan(ctx, c, c.view.owned, constraint, opts)
}

// scan yields what the view holds within a constraint.
func scan[T any](
	ctx context.Context, c *Client,
	of func(context.Context, KeyConstraint, QueryOptions) (iter.Seq2[T, error], error),
	constraint KeyConstraint, opts QueryOptions,
) iter.Seq2[T, error] {
	constraint = constraint.clone()
	return func(yield func(T, error) bool) {
		var found iter.Seq2[T, error]
		err := c.read(ctx, func() (err error) {
			found, err = of(ctx, constraint, opts)
			return storageError(err)
		})
		if err != nil {
			var none T
			yield(none, fmt.Errorf("range: %w", err))
			return
		}
		for t, err := range guardedSeq("storage", found, c.crash) {
			if err != nil {
				if ended := ctx.Err(); !isPanic(err) && (ended == nil || !errors.Is(err, ended)) {
					err = storageError(err)
				}
				var none T
				yield(none, fmt.Errorf("range: %w", err))
				return
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}

// cloneValue never returns nil: a value that is there is not nil.
func cloneValue(v []byte) []byte { return append(make([]byte, 0, len(v)), v...) }

// read runs fn against the storage, at a time when the storage equals a prefix
// of the log.
func (c *Client) read(ctx context.Context, fn func() error) error {
	if ctx == nil {
		return errNoContext
	}
	for again := false; ; again = true {
		if ctx.Err() != nil {
			if again && c.gate.Closed() {
				return c.rebuildError(ctx)
			}
			return contextError(ctx)
		}
		if c.hiddenFromHook() {
			return ErrHookReentry
		}
		if invariant.On && c.gate.Closed() {
			c.hooks.checkWait("a read")
		}
		s, err := c.gate.Pass(ctx, c.rebuildError)
		if err != nil {
			return err
		}
		before := c.gate.Emptied()
		if err = guarded("storage", fn); isPanic(err) {
			c.crash(err)
		}
		if errors.Is(err, errStoring) && c.gateError() == nil {
			return c.storingError(ctx)
		}
		after := c.gate.Emptied() // before looking at the gate, which may be shut again after that
		if c.gate.Still(s) {
			if invariant.On {
				checkRead(before, after)
			}
			return err
		}
	}
}

// hiddenFromHook reports whether the caller is a hook of this client, and reads would wait
// for a rebuild, which waits for the hook.
func (c *Client) hiddenFromHook() bool { return c.gate.Closed() && c.hooks.inside() }

// rebuildError describes a read that waited for a rebuild.
func (c *Client) rebuildError(ctx context.Context) error {
	err := c.tracker.Ended(ctx, c.health.openTarget())
	if why := c.Status().Err; why != nil {
		return fmt.Errorf("reads wait for a rebuild because of: %w: %w", why, err)
	}
	return err
}

// storingError describes a read that waited until the storage had made a change in full.
func (c *Client) storingError(ctx context.Context) error {
	why := c.Status().Reading.Err
	if !errors.Is(why, ErrStorage) {
		why = errStoring
	}
	return fmt.Errorf("reads wait for the storage to make a change: %w: %w", why, contextError(ctx))
}

// Position returns the next offset that this client will apply: its reads show every
// record below it that the log still had. While records are being applied, reads may show them a moment before
// Position counts them: to hand on what was read, use the revision of [Client.GetEntry].
// Position is a revision that other clients can wait for, and goes back only when the log
// lost records. While the client rereads the log because deletions may have been
// compacted away unread, it does not move.
func (c *Client) Position() int64 {
	_, applied, _ := c.tracker.Now()
	return applied
}

// Sync waits until this client's reads show everything that was acknowledged to any
// client before Sync was called. A read after it is linearizable.
//
// It asks the partition's leader for the high watermark, and then whether the topic is
// still the same. A broker that was replaced as leader, but is cut off from the rest of
// the cluster and has not heard of it, can answer with an old one; no other broker can.
//
// When ctx ends first, the error is a [*WaitError].
func (c *Client) Sync(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("sync: %w", errNoContext)
	}
	if c.hooks.inside() {
		return fmt.Errorf("sync: %w", ErrHookReentry)
	}
	for {
		if err := c.gateError(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		if invariant.On {
			c.hooks.checkWait("Sync")
		}
		term, _, _ := c.tracker.Now()
		end, err := c.ends.get(ctx)
		if err == nil {
			err = c.tracker.Wait(ctx, end, term)
		} else if ctx.Err() != nil {
			err = c.endError(ctx)
		}
		if err == nil {
			return nil
		}
		// The log lost records: what was acknowledged and is still there
		// ends elsewhere now.
		if errors.Is(err, ErrDataLoss) && ctx.Err() == nil {
			continue
		}
		return fmt.Errorf("sync: %w", err)
	}
}

// endError describes a wait for the answer to where the log ends.
func (c *Client) endError(ctx context.Context) error {
	p := c.health.ends.problem(repeatInterval).besides(c.health.askProblem())
	switch {
	case p.Count > 0:
		p = c.health.callout.problem().besides(p)
	case c.tracker.Why() == nil:
		p = c.health.ends.problem(0)
	}
	return c.tracker.EndedFor(ctx, -1, position.Reason(p))
}

// gateError returns the error that ended the client, if one did.
func (c *Client) gateError() error { return c.gate.Err() }

// WaitRevision waits until this client's reads show the record at revision and
// all before it, or what superseded them: compaction may remove a record before this client
// reads it, and then the wait ends once reads show a later one of its key. It carries read-your-writes from the client that made the write
// to this one. When ctx ends first, the error is a [*WaitError].
//
// A revision is nothing but an offset, and when the log loses its tail, its offsets are
// used again. So there are limits to what a client can know. If the client finds, while
// WaitRevision waits, that the log has lost records which it had read, it fails with
// [ErrDataLoss], whether or not the record was among them. A loss of records that it had not
// read yet it does not find if others have written that far again. It also fails with that error if the log does not reach the revision although it is
// known to have been that long once: a client that waits for an offset that it has not
// heard of asks for the end of the log. A revision beyond the furthest end that this client
// has heard of may still be to come, or may have been lost: WaitRevision waits for it, and
// the error says where the log ends. A revision from before a loss can't be recognised as
// such afterwards: once others have written that far again, the record at that offset is
// another one, and WaitRevision returns nil when reads show that one.
//
// -1, which [Client.PutRevision] returns for a write whose offset is not known, makes
// WaitRevision do what [Client.Sync] does: everything that was acknowledged includes that
// write. Anything below -1 is refused with [ErrInvalidRevision].
//
// From a hook it returns nil for what reads already show, such as the hook's own record,
// and [ErrHookReentry] for anything else: for everything while the client rereads the log,
// when reads show nothing to a hook.
func (c *Client) WaitRevision(ctx context.Context, revision int64) error {
	if ctx == nil {
		return fmt.Errorf("wait for revision %d: %w", revision, errNoContext)
	}
	if revision < -1 {
		return fmt.Errorf("wait for revision %d: %w", revision, ErrInvalidRevision)
	}
	if revision == -1 {
		if err := c.Sync(ctx); err != nil {
			return fmt.Errorf("wait for revision %d: %w", revision, err)
		}
		return nil
	}
	term, applied, done := c.tracker.Complete()
	if err := c.gateError(); err != nil {
		return fmt.Errorf("wait for revision %d: %w", revision, err)
	}
	if done > revision && !c.hiddenFromHook() {
		return nil
	}
	if c.hooks.inside() {
		shown := applied > revision || revision == c.hooks.revision()
		if shown && !c.gate.Closed() { // only the hooks for it have not all returned
			return nil
		}
		return fmt.Errorf("wait for revision %d: %w", revision, ErrHookReentry)
	}
	if invariant.On {
		c.hooks.checkWait("WaitRevision")
	}
	target := revision // no log is so long that it has a record at the last offset
	if revision < math.MaxInt64 {
		target++
	}
	if err := c.tracker.Hope(ctx, target, term, c.ends.look); err != nil {
		return fmt.Errorf("wait for revision %d: %w", revision, err)
	}
	return nil
}
