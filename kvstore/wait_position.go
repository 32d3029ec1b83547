package kvstore

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// tracker is the client's position in the log and the list of those who wait
// for it.
//
// I2: every record below done has been applied to the storage and its hooks have
// returned; every record below applied can be read. done <= applied.
//
// I3: the position only moves forward within one term. A rollback (the log lost records
// that had been applied) begins the next term and fails all waiters: an offset of the old
// term does not name the same record any more.
type tracker struct {
	mu      sync.Mutex
	applied int64
	done    int64
	epoch   int32 // leader epoch of the last batch below applied, -1 for none
	trusted int32 // leader epoch whose log is known to hold what was applied, -1 for none
	term    uint64
	waiters waitHeap
	came    uint64         // how many waiters have come
	end     int64          // of the log, when it was last heard of; -1 before
	tallest int64          // that the log was ever known to be, -1 for not known
	cause   Problem        // why the position may be held up; zero when nothing is known
	other   func() Problem // another reason; may be nil
	dead    error          // not nil: the position will never move again
	died    chan struct{}
}

// A waiter is released when the position reaches target, or with an error.
type waiter struct {
	target int64
	number uint64     // in the order in which they came
	index  int        // in the heap; outside and released are below 0
	hoped  bool       // nobody told this client that the log was ever so long
	ready  chan error // of capacity 1; gets one error, or nil
}

// Where a waiter is that is not in the heap.
const (
	outside  = -1 // not there yet
	released = -2 // its ready has the outcome
)

func newWaiter() waiter { return waiter{index: outside, ready: make(chan error, 1)} }

func newTracker() *tracker {
	return &tracker{applied: -1, done: -1, epoch: -1, trusted: -1, end: -1, tallest: -1, died: make(chan struct{})}
}

// errRolledBack ends a wait whose target belongs to records that are gone.
var errRolledBack = fmt.Errorf("%w: the position went back while waiting", ErrDataLoss)

// now returns the current term and the positions.
func (t *tracker) now() (term uint64, applied, done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.applied, t.done
}

// wait blocks until done >= target. The target has to stem from the given
// term: when that term is over, wait fails with an error that wraps
// ErrDataLoss.
func (t *tracker) wait(ctx context.Context, target int64, term uint64) error {
	w := newWaiter()
	t.enlist(&w, target, term)
	return t.await(ctx, &w)
}

// hopeDelay is how long a wait for something of which the client has not heard lasts
// before it asks: most of them end sooner, with the fetch that is on its way.
const hopeDelay = 200 * time.Millisecond

// hope is wait for a target of which this client need not have heard that the log was
// ever so long. Unless it has, nothing can be said to be lost there; so look makes the end
// of the log known, with sawEnd, without waiting for that.
func (t *tracker) hope(ctx context.Context, target int64, term uint64, look func()) error {
	w := newWaiter()
	w.hoped = true
	t.enlist(&w, target, term)
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

// isNews reports whether the log was never known to be so long.
func (t *tracker) isNews(target int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return target > t.tallest
}

// await waits for the release of a waiter that was enlisted.
func (t *tracker) await(ctx context.Context, w *waiter) error {
	select {
	case err := <-w.ready:
		return err
	case <-ctx.Done():
		_, err := t.leave(ctx, w)
		return err
	}
}

// enlist makes a new waiter wait for target, as wait does, without waiting.
func (t *tracker) enlist(w *waiter, target int64, term uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.came++
	w.target, w.number = target, t.came
	if !w.hoped {
		t.tallest = max(t.tallest, target)
	}
	switch {
	case t.term != term:
		t.release(w, errRolledBack)
	case t.done >= target:
		t.release(w, nil)
	case t.dead != nil:
		t.release(w, t.dead)
	default:
		heap.Push(&t.waiters, w)
	}
}

// leave takes a waiter back because ctx ended, and returns the error for that,
// or what the waiter was released with in the same moment. It reports false when
// the waiter was never enlisted.
func (t *tracker) leave(ctx context.Context, w *waiter) (enlisted bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch w.index {
	case outside:
		return false, nil
	case released:
		return true, <-w.ready
	}
	heap.Remove(&t.waiters, w.index)
	return true, t.waitErrorLocked(ctx, w.target, t.causeFor(w))
}

// causeFor returns why a waiter still waits.
func (t *tracker) causeFor(w *waiter) Problem {
	why := t.causeLocked()
	if why.Count == 0 && w.hoped && t.end >= 0 && w.target > t.end {
		why.Err = fmt.Errorf("the log ends at offset %d: the record was not written yet, or it was lost before this client heard of it", t.end)
	}
	return why
}

// causeLocked returns why the position may be held up.
func (t *tracker) causeLocked() Problem {
	if t.cause.Count == 0 && t.other != nil {
		return t.other()
	}
	return t.cause
}

// waitErrorFor is waitError for a wait with a reason of its own, if it is known.
func (t *tracker) waitErrorFor(ctx context.Context, target int64, why Problem) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why.Count == 0 {
		why = t.causeLocked()
	}
	return t.waitErrorLocked(ctx, target, why)
}

// waitError describes a wait for target that ctx ended.
func (t *tracker) waitError(ctx context.Context, target int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waitErrorLocked(ctx, target, t.causeLocked())
}

func (t *tracker) waitErrorLocked(ctx context.Context, target int64, why Problem) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &WaitError{Position: t.done, Target: target, Cause: why.Err, Count: why.Count, Err: err}
}

// show makes records below applied count as readable.
func (t *tracker) show(applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applied, t.epoch = max(t.applied, applied), epoch
}

// read returns how far the log was read, and the leader epoch there.
func (t *tracker) read() (applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applied, t.epoch
}

// reading returns what now and read do, of one moment.
func (t *tracker) reading() (term uint64, applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.applied, t.epoch
}

// over waits for the end of a term.
func (t *tracker) over(ctx context.Context, term uint64) error {
	w := newWaiter()
	w.hoped = true // nothing is lost because the log is not as long as this
	t.enlist(&w, math.MaxInt64, term)
	err := t.await(ctx, &w)
	if now, _, _ := t.now(); now != term {
		return nil
	}
	if ctx.Err() != nil {
		return contextError(ctx) // not how far the position was from a target that there is not
	}
	return err
}

// trust notes that the log of the leader of this epoch holds everything below
// applied. It stays so while the epoch lasts: a leader does not lose what it
// has, and only this leader's records are added.
func (t *tracker) trust(epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trusted = epoch
}

// trusts returns what trust was told last.
func (t *tracker) trusts() int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trusted
}

// advance moves done (and applied, when it is behind) and releases those who waited for
// it.
func (t *tracker) advance(done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = max(t.done, done)
	t.applied = max(t.applied, t.done)
	for len(t.waiters) > 0 && t.waiters[0].target <= t.done {
		t.release(heap.Pop(&t.waiters).(*waiter), nil)
	}
}

// sawEnd notes where the log ends.
func (t *tracker) sawEnd(end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end, t.tallest = end, max(t.tallest, end)
}

// farthest returns the highest position that anyone waits for and that the log is known
// to have reached once, -1 for none, and how many have come to wait so far.
func (t *tracker) farthest() (far int64, came uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	far = -1
	for _, w := range t.waiters {
		if w.target <= t.tallest {
			far = max(far, w.target)
		}
	}
	return far, t.came
}

// because notes why the position stands still; nil when it moves again.
func (t *tracker) because(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cause == nil {
		t.cause = Problem{}
		return
	}
	t.cause = t.cause.met(cause)
}

// why returns what because noted.
func (t *tracker) why() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cause.Err
}

// rollback ends the term and fails all waiters with err. The position starts
// again at pos.
func (t *tracker) rollback(pos int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.term++
	t.applied, t.done, t.epoch = pos, pos, -1
	t.releaseAll(err)
}

// lost fails those of the first waiters, came in number, whose target lies beyond the end
// of the log, although it was that long once: what they wait for is gone. A waiter that
// came later may wait for what was written after the end was asked for. Nothing that was
// applied is gone, so the term goes on.
func (t *tracker) lost(end int64, came uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var stay waitHeap
	for _, w := range t.waiters {
		if w.number <= came && w.target > end && w.target <= t.tallest {
			t.release(w, err)
			continue
		}
		w.index = len(stay)
		stay = append(stay, w)
	}
	heap.Init(&stay)
	t.waiters = stay
}

// kill fails all waiters, now and later, with err.
func (t *tracker) kill(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead == nil {
		t.dead = err
		close(t.died)
	}
	t.releaseAll(err)
}

func (t *tracker) releaseAll(err error) {
	for _, w := range t.waiters {
		t.release(w, err)
	}
	t.waiters = nil
}

func (t *tracker) release(w *waiter, err error) {
	w.index = released
	w.ready <- err
}

// waitHeap orders waiters by target, lowest first.
type waitHeap []*waiter

func (h *waitHeap) Len() int           { return len(*h) }
func (h *waitHeap) Less(i, j int) bool { return (*h)[i].target < (*h)[j].target }

func (h *waitHeap) Swap(i, j int) {
	a := *h
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is part of heap.Interface.
func (h *waitHeap) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

// Pop is part of heap.Interface.
func (h *waitHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return w
}

// deadBy returns why the position will never move again, nil when it may.
func (t *tracker) deadBy() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dead
}
