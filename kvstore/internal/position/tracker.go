package position

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Tracker is the client's position in the log and the list of those who wait
// for it.
//
// I2: every record below done has been applied to the storage and its hooks have
// returned; every record below applied can be read. done <= applied.
//
// I3: the position only moves forward within one term. A rollback (the log lost records
// that had been applied) begins the next term and fails all waiters: an offset of the old
// term does not name the same record any more.
type Tracker struct {
	errs Errors
	seen invariant.Last[place]

	mu      sync.Mutex
	applied int64
	done    int64
	epoch   int32 // leader epoch of the last batch below applied, -1 for none
	left    int64 // up to where the log has what had been read before a rollback, at most; 0 for nowhere
	under   int32 // leader epoch of the last batch that had been read then, -1 for none
	trusted int32 // leader epoch whose log is known to hold what was applied, -1 for none
	gaps    []gap // those that matter still, in order of both offsets
	term    uint64
	waiters waitHeap
	came    uint64              // how many waiters have come
	end     int64               // end of the log, when it was last heard of; -1 before
	tallest int64               // the longest that the log was ever known to be, -1 for not known
	cause   Reason              // why the position may stand still; zero when nothing is known
	other   func(Reason) Reason // all reasons, with those that Because does not know; may be nil
	dead    error               // not nil: the position will never move again
	died    chan struct{}
}

// Errors are what waits fail with.
type Errors struct {
	// RolledBack ends a wait whose target belongs to records that are gone.
	RolledBack error

	// Ended makes the error of a wait that ctx ended: the position was at when target
	// was waited for (-1: not known yet) and why stood in its way. It is called with the
	// tracker locked, so it must not call it.
	Ended func(ctx context.Context, at, target int64, why Reason) error
}

// Reason is why a position stands still. The zero Reason says that nothing is known.
type Reason struct {
	// Err is the last of an unbroken series of failures.
	Err error

	// Since is when the first one was met.
	Since time.Time

	// Count is the number of failures.
	Count int64
}

// Met returns the reason after another failure.
func (r Reason) Met(err error) Reason {
	if r.Count == 0 {
		r.Since = time.Now()
	}
	r.Err = err
	r.Count++
	return r
}

// NewTracker returns the tracker of a client that has not found the log's start yet:
// positions, epochs and the log's end are -1, the term is 0.
func NewTracker(errs Errors) *Tracker {
	t := &Tracker{errs: errs, applied: -1, done: -1, epoch: -1, under: -1, trusted: -1, end: -1, tallest: -1, died: make(chan struct{})}
	if invariant.On {
		t.seen.Swap(place{0, -1, -1})
	}
	return t
}

// Otherwise sets a function that is given what Because has noted, and returns it with other reasons.
// It is set before anyone waits. The tracker is locked when it is called.
func (t *Tracker) Otherwise(why func(known Reason) Reason) { t.other = why }

// Died is closed once the position will never move again; DeadBy says why.
func (t *Tracker) Died() <-chan struct{} { return t.died }

// Now returns the current term and the positions.
func (t *Tracker) Now() (term uint64, applied, done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.applied, t.done
}

// Show makes records below applied count as readable.
func (t *Tracker) Show(applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applied, t.epoch = max(t.applied, applied), epoch
	if invariant.On {
		t.check()
	}
}

// Read returns how far the log was read, and the leader epoch there.
func (t *Tracker) Read() (applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applied, t.epoch
}

// Reading returns what Now and Read do, of one moment.
func (t *Tracker) Reading() (term uint64, applied int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.applied, t.epoch
}

// Known returns how far the log is known, and the leader epoch there. That is what Read returns,
// unless the log was rolled back and has yet to be read again up to where it is the one that had
// been read: then it is known up to there, and may depart from it where the epoch ends.
func (t *Tracker) Known() (upTo int64, epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known()
}

func (t *Tracker) known() (upTo int64, epoch int32) {
	if t.under >= 0 && t.left > t.applied {
		return t.left, t.under
	}
	return t.applied, t.epoch
}

// Trust notes that the log of the leader of this epoch holds everything below
// applied. It stays so while the epoch lasts: a leader does not lose what it
// has, and only this leader's records are added.
func (t *Tracker) Trust(epoch int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trusted = epoch
}

// Trusts returns what Trust was told last.
func (t *Tracker) Trusts() int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trusted
}

// Advance moves done (and applied, when it is behind) and releases those who waited for
// it, unless a gap keeps them.
func (t *Tracker) Advance(done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = max(t.done, done)
	t.applied = max(t.applied, t.done)
	t.closeGaps()
	for upTo := t.completeLocked(t.done); len(t.waiters) > 0 && t.waiters[0].target <= upTo; {
		t.release(heap.Pop(&t.waiters).(*Waiter), nil)
	}
	if invariant.On {
		t.check()
	}
}

// SawEnd notes where the log ends.
func (t *Tracker) SawEnd(end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end, t.tallest = end, max(t.tallest, end)
}

// Farthest returns the highest position that anyone waits for and that the log is known
// to have reached once, -1 for none, and how many have come to wait so far.
func (t *Tracker) Farthest() (far int64, came uint64) {
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

// Because notes why the position stands still, nil once it moves again.
func (t *Tracker) Because(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cause == nil {
		t.cause = Reason{}
		return
	}
	t.cause = t.cause.Met(cause)
}

// Why returns the last reason for the position to stand still, nil if none is known.
func (t *Tracker) Why() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.causeLocked().Err
}

// Rollback ends the term and fails all waiters with err. The position starts
// again at pos. What had been read is in the log up to left at most, 0 if the log may be
// another one, with epochs of its own.
func (t *Tracker) Rollback(pos, left int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	upTo, epoch := t.known()
	t.left, t.under = min(upTo, left), epoch
	t.term++
	t.applied, t.done, t.epoch = pos, pos, -1
	t.gaps = t.gaps[:0]
	t.releaseAll(err)
	if invariant.On {
		t.check()
	}
}

// Lost fails those of the first came waiters whose target is beyond the end of the log,
// although it was that long once: what they wait for was lost. A later waiter may wait for
// what was written after the end was asked for. Nothing that was applied was lost, so the
// term goes on.
func (t *Tracker) Lost(end int64, came uint64, err error) {
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
	if invariant.On {
		t.check()
	}
}

// Kill fails all waiters, now and later, with err.
func (t *Tracker) Kill(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead == nil {
		t.dead = err
		close(t.died)
	}
	t.releaseAll(err)
	if invariant.On {
		t.check()
	}
}

func (t *Tracker) releaseAll(err error) {
	for _, w := range t.waiters {
		t.release(w, err)
	}
	t.waiters = nil
}

func (t *Tracker) release(w *Waiter, err error) {
	if invariant.On {
		w.checkOnce()
	}
	w.index = released
	w.ready <- err
}

// DeadBy returns why the position will never move again, nil when it may.
func (t *Tracker) DeadBy() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dead
}
