package position

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Wait blocks until done >= target and no gap below the target matters. The target has to stem from the given
// term: when that term is over, Wait fails with Errors.RolledBack.
func (t *Tracker) Wait(ctx context.Context, target int64, term uint64) error {
	w := NewWaiter()
	t.Enlist(&w, target, term)
	return t.await(ctx, &w)
}

// hopeDelay is how long a wait for something of which the client has not heard lasts
// before it asks: most of them end sooner, with the fetch that is on its way.
const hopeDelay = 200 * time.Millisecond

// Hope is Wait for a target that may be beyond any end of the log that this client has
// heard of. As long as it is, nothing can be said to be lost there; so look asks for the
// end of the log, which SawEnd notes, and returns without waiting for the answer.
func (t *Tracker) Hope(ctx context.Context, target int64, term uint64, look func()) error {
	w := NewWaiter()
	w.hoped = true
	t.Enlist(&w, target, term)
	timer := time.NewTimer(hopeDelay)
	defer timer.Stop()
	select {
	case err := <-w.ready:
		return err
	case <-timer.C:
		if t.isNews(target) {
			look()
		}
	case <-ctx.Done():
	}
	return t.await(ctx, &w)
}

// isNews reports whether the log was never known to be that long.
func (t *Tracker) isNews(target int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return target > t.tallest
}

// await waits for the release of a waiter that was enlisted.
func (t *Tracker) await(ctx context.Context, w *Waiter) error {
	select {
	case err := <-w.ready:
		return err
	case <-ctx.Done():
		_, err := t.Leave(ctx, w)
		return err
	}
}

// Enlist makes a new waiter wait for target, as Wait does, without waiting.
func (t *Tracker) Enlist(w *Waiter, target int64, term uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.came++
	w.target, w.number = target, t.came
	if !w.hoped {
		t.tallest = max(t.tallest, target)
	}
	switch {
	case t.term != term:
		t.release(w, t.errs.RolledBack)
	case t.completeLocked(t.done) >= target:
		t.release(w, nil)
	case t.dead != nil:
		t.release(w, t.dead)
	default:
		heap.Push(&t.waiters, w)
	}
	if invariant.On {
		t.check()
	}
}

// Leave takes a waiter back because ctx ended, and returns the error for that,
// or what the waiter was released with in the same moment. It reports false when
// the waiter was never enlisted.
func (t *Tracker) Leave(ctx context.Context, w *Waiter) (enlisted bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch w.index {
	case outside:
		return false, nil
	case released:
		return true, <-w.ready
	}
	heap.Remove(&t.waiters, w.index)
	return true, t.endedLocked(ctx, w.target, t.causeFor(w))
}

// Over waits for the end of a term. It returns nil when the term is over, the error of
// ctx when that ended first, and why the position will never move again.
func (t *Tracker) Over(ctx context.Context, term uint64) error {
	w := NewWaiter()
	w.hoped = true // a log that is shorter than the target has not lost anything
	t.Enlist(&w, math.MaxInt64, term)
	err := t.await(ctx, &w)
	if now, _, _ := t.Now(); now != term {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // and not an error about the distance to a target that does not exist
	}
	return err
}

// causeFor returns why a waiter still waits.
func (t *Tracker) causeFor(w *Waiter) Reason {
	why := t.causeLocked()
	switch held := t.heldBy(w); {
	case held != nil && why.Err != nil:
		why.Err = fmt.Errorf("%w; %w", held, why.Err)
		return why
	case held != nil:
		why.Err = held
		return why
	}
	if why.Count == 0 && w.hoped && t.end >= 0 && w.target > t.end {
		why.Err = fmt.Errorf("the log ends at offset %d: the record was not written yet, or it was lost before this client heard of it", t.end)
	}
	return why
}

// causeLocked returns why the position may stand still.
func (t *Tracker) causeLocked() Reason {
	if t.other != nil {
		return t.other(t.cause)
	}
	return t.cause
}

// EndedFor is Ended for a wait with a reason of its own, if it is known.
func (t *Tracker) EndedFor(ctx context.Context, target int64, why Reason) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why.Count == 0 {
		why = t.causeLocked()
	}
	return t.endedLocked(ctx, target, why)
}

// Ended describes a wait for target, -1 for one that is not known yet, that ctx ended.
func (t *Tracker) Ended(ctx context.Context, target int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.endedLocked(ctx, target, t.causeLocked())
}

func (t *Tracker) endedLocked(ctx context.Context, target int64, why Reason) error {
	return t.errs.Ended(ctx, t.done, target, why)
}
