package position_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

var (
	errRolledBack = errors.New("rolled back")
	errLost       = errors.New("lost")
	errDead       = errors.New("dead")
)

// ended is the error of a wait that its context ended.
type ended struct {
	at, target int64
	why        position.Reason
}

func (e *ended) Error() string {
	return fmt.Sprintf("at %d, waiting for %d, because of %v, met %d times", e.at, e.target, e.why.Err, e.why.Count)
}

func newTracker() *position.Tracker {
	return position.NewTracker(position.Errors{
		RolledBack: errRolledBack,
		Ended: func(_ context.Context, at, target int64, why position.Reason) error {
			return &ended{at, target, why}
		},
	})
}

// over returns a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// waiting enlists a waiter for each target in term 0.
func waiting(tr *position.Tracker, targets ...int64) []*position.Waiter {
	var all []*position.Waiter
	for _, target := range targets {
		w := position.NewWaiter()
		tr.Enlist(&w, target, 0)
		all = append(all, &w)
	}
	return all
}

// outcome says how a wait ended: "waits" if it has not.
func outcome(w *position.Waiter) string {
	select {
	case err := <-w.Ready():
		return fmt.Sprint(err)
	default:
		return "waits"
	}
}

func wantOutcomes(t *testing.T, ws []*position.Waiter, want ...string) {
	t.Helper()
	for i, w := range ws {
		if got := outcome(w); got != want[i] {
			t.Errorf("waiter %d: %s, want %s", i, got, want[i])
		}
	}
}

func TestAdvanceReleasesThoseWhoWaitForThePosition(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Rollback(0, 0, errLost) // the log's start
	ws := []*position.Waiter{}
	for _, target := range []int64{5, 2, 9, 0} {
		w := position.NewWaiter()
		tr.Enlist(&w, target, 1)
		ws = append(ws, &w)
	}
	wantOutcomes(t, ws, "waits", "waits", "waits", "<nil>")
	tr.Show(7, 3)
	wantOutcomes(t, ws[:3], "waits", "waits", "waits") // readable, but the hooks have not returned
	tr.Advance(5)
	wantOutcomes(t, ws[:3], "<nil>", "<nil>", "waits")
	if term, applied, done := tr.Now(); term != 1 || applied != 7 || done != 5 {
		t.Errorf("Now = term %d, applied %d, done %d, want 1, 7, 5", term, applied, done)
	}
	tr.Advance(9)
	wantOutcomes(t, ws[2:3], "<nil>")
	if applied, epoch := tr.Read(); applied != 9 || epoch != 3 {
		t.Errorf("Read = %d, epoch %d, want 9, epoch 3", applied, epoch)
	}
}

func TestPositionDoesNotGoBackWithinATerm(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(8)
	tr.Advance(3)
	tr.Show(4, 2)
	if term, applied, done := tr.Now(); term != 0 || applied != 8 || done != 8 {
		t.Errorf("Now = term %d, applied %d, done %d, want 0, 8, 8", term, applied, done)
	}
}

func TestRollbackEndsTheTermAndFailsAllWaiters(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(5)
	ws := waiting(tr, 7, 6)
	tr.Rollback(2, 0, errLost)
	wantOutcomes(t, ws, "lost", "lost")
	wantOutcomes(t, waiting(tr, 1), "rolled back") // below the position, but of the term before
	if term, applied, done := tr.Now(); term != 1 || applied != 2 || done != 2 {
		t.Errorf("Now = term %d, applied %d, done %d, want 1, 2, 2", term, applied, done)
	}
	if _, epoch := tr.Read(); epoch != -1 {
		t.Errorf("epoch = %d after a rollback, want -1", epoch)
	}
}

// While the log is read again, what is left of what had been read is known.
func TestLogIsKnownUpToWhereItWasRolledBack(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	want := func(when string, upTo int64, epoch int32) {
		t.Helper()
		if gotUpTo, gotEpoch := tr.Known(); gotUpTo != upTo || gotEpoch != epoch {
			t.Errorf("%s: Known = %d, epoch %d, want %d, epoch %d", when, gotUpTo, gotEpoch, upTo, epoch)
		}
	}
	want("at first", -1, -1)
	tr.Rollback(0, 0, errLost) // the log's start
	want("at the log's start", 0, -1)
	tr.Show(9, 3)
	want("read", 9, 3)
	tr.Rollback(0, 7, errLost)
	want("lost its tail", 7, 3)
	tr.Show(2, 1)
	want("read again in part", 7, 3)
	tr.Rollback(0, 8, errLost)
	want("lost something that had not been read again", 7, 3)
	tr.Rollback(0, 5, errLost)
	want("lost more", 5, 3)
	tr.Show(6, 4)
	want("read again beyond that", 6, 4)
	tr.Rollback(6, 5, errLost)
	want("begins behind what is left", 6, -1)
	tr.Show(8, 4)
	tr.Rollback(0, 0, errLost)
	want("may be another log", 0, -1)
	tr.Show(8, -1)
	tr.Rollback(0, 6, errLost)
	want("has no epochs to tell where it departs", 0, -1)
}

func TestLostFailsOnlyWhatTheLogOnceHadAndWasWaitedForBefore(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(1)
	ws := waiting(tr, 9, 4, 6)
	far, came := tr.Farthest()
	if far != 9 || came != 3 {
		t.Fatalf("Farthest = %d, %d, want 9, 3", far, came)
	}
	later := waiting(tr, 8)
	tr.Lost(5, came, errLost)
	wantOutcomes(t, ws, "lost", "waits", "lost")
	wantOutcomes(t, later, "waits") // it may wait for what was written after the end was asked for
	tr.Advance(8)                   // the term goes on
	wantOutcomes(t, ws[1:2], "<nil>")
	wantOutcomes(t, later, "<nil>")
}

func TestDeathFailsWaitersNowAndLaterButNotWhatWasReached(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(3)
	ws := waiting(tr, 5)
	if err := tr.DeadBy(); err != nil {
		t.Errorf("DeadBy = %v before the end", err)
	}
	tr.Kill(errDead)
	tr.Kill(errLost) // the first reason stays
	wantOutcomes(t, append(ws, waiting(tr, 5, 3)...), "dead", "dead", "<nil>")
	select {
	case <-tr.Died():
	default:
		t.Error("Died is open after Kill")
	}
	if err := tr.DeadBy(); !errors.Is(err, errDead) {
		t.Errorf("DeadBy = %v, want %v", err, errDead)
	}
}

func TestEndOfAContextSaysHowFarThePositionWasAndWhy(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(3)
	tr.Because(errLost)
	tr.Because(errLost)
	var e *ended
	if err := tr.Wait(over(), 7, 0); !errors.As(err, &e) || e.at != 3 || e.target != 7 || !errors.Is(e.why.Err, errLost) || e.why.Count != 2 {
		t.Errorf("Wait = %v, want at 3, waiting for 7, because of lost, met 2 times", err)
	}
	tr.Because(nil)
	tr.Otherwise(func(known position.Reason) position.Reason {
		if known.Count > 0 {
			return known
		}
		return position.Reason{Err: errDead, Count: 1}
	})
	if err := tr.Ended(over(), -1); !errors.As(err, &e) || e.target != -1 || !errors.Is(e.why.Err, errDead) {
		t.Errorf("Ended = %v, want the other reason", err)
	}
	if err := tr.EndedFor(over(), 4, position.Reason{Err: errLost, Count: 9}); !errors.As(err, &e) || e.why.Count != 9 {
		t.Errorf("EndedFor = %v, want its own reason", err)
	}
	if why := tr.Why(); !errors.Is(why, errDead) {
		t.Errorf("Why = %v, want the other reason", why)
	}
	tr.Because(errLost)
	if why := tr.Why(); !errors.Is(why, errLost) {
		t.Errorf("Why = %v, want what Because was told", why)
	}
}

func TestLeaveTakesAWaiterOut(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	ws := waiting(tr, 4, 2, 3)
	if enlisted, err := tr.Leave(over(), ws[1]); !enlisted || err == nil {
		t.Errorf("Leave = %v, %v, want true and an error", enlisted, err)
	}
	if far, _ := tr.Farthest(); far != 4 {
		t.Errorf("Farthest = %d, want 4", far)
	}
	tr.Advance(4)
	wantOutcomes(t, ws, "<nil>", "waits", "<nil>")
	released := waiting(tr, 1)[0]
	if enlisted, err := tr.Leave(over(), released); !enlisted || err != nil {
		t.Errorf("Leave of a released waiter = %v, %v, want true and its outcome", enlisted, err)
	}
	outside := position.NewWaiter()
	if enlisted, err := tr.Leave(over(), &outside); enlisted || err != nil {
		t.Errorf("Leave of a waiter that was not enlisted = %v, %v, want false", enlisted, err)
	}
}

func TestDismissedWaiterIsReadyAndCanWaitAgain(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	w := position.NewWaiter()
	w.Dismiss()
	wantOutcomes(t, []*position.Waiter{&w}, "<nil>")
	again := w.Again()
	tr.Enlist(&again, 1, 0)
	wantOutcomes(t, []*position.Waiter{&again}, "waits")
	tr.Advance(1)
	wantOutcomes(t, []*position.Waiter{&again}, "<nil>")
}

// What a caller hopes for may never have been written, so it is not called lost; the
// log's end is asked for once the wait has lasted.
func TestHopeAsksForTheEndAndLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker()
		tr.Advance(2)
		tr.SawEnd(2)
		start, asked := time.Now(), time.Duration(-1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result := make(chan error)
		go func() {
			result <- tr.Hope(ctx, 6, 0, func() { asked = time.Since(start) })
		}()
		synctest.Wait()
		far, came := tr.Farthest()
		if far != -1 {
			t.Errorf("Farthest = %d, want -1: nobody said that the log was so long", far)
		}
		tr.Lost(2, came, errLost)
		err := <-result
		var e *ended
		if !errors.As(err, &e) || e.at != 2 || e.why.Count != 0 || e.why.Err == nil {
			t.Errorf("Hope = %v, want a context's end that says where the log ends", err)
		}
		if asked <= 0 || asked >= time.Minute {
			t.Errorf("the end was asked for after %v", asked)
		}
	})
}

func TestHopeForWhatIsKnownAsksForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker()
		tr.SawEnd(6)
		result := make(chan error)
		go func() { result <- tr.Hope(t.Context(), 6, 0, func() { t.Error("asked for the end, which is known") }) }()
		time.Sleep(time.Minute) // virtual: longer than any delay before it asks
		tr.Advance(6)
		if err := <-result; err != nil {
			t.Errorf("Hope = %v", err)
		}
	})
}

func TestOverWaitsForTheEndOfATerm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker()
		result := make(chan error, 1)
		go func() { result <- tr.Over(t.Context(), 0) }()
		synctest.Wait()
		if far, _ := tr.Farthest(); far != -1 {
			t.Errorf("Farthest = %d: a wait for a term's end makes the log look longer", far)
		}
		tr.Rollback(0, 0, errLost)
		if err := <-result; err != nil {
			t.Errorf("Over = %v, want nil", err)
		}
		if err := tr.Over(over(), 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Over = %v, want the context's error", err)
		}
		tr.Kill(errDead)
		if err := tr.Over(t.Context(), 1); !errors.Is(err, errDead) {
			t.Errorf("Over = %v, want %v", err, errDead)
		}
	})
}

func TestTrustIsForgottenOnlyByOtherTrust(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	if got := tr.Trusts(); got != -1 {
		t.Errorf("Trusts = %d before anything was trusted, want -1", got)
	}
	tr.Trust(4)
	tr.Rollback(0, 0, errLost)
	if got := tr.Trusts(); got != 4 {
		t.Errorf("Trusts = %d, want 4", got)
	}
}

func TestReasonCountsAnUnbrokenRow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := time.Now()
		r := position.Reason{}.Met(errLost)
		time.Sleep(time.Second) // virtual
		r = r.Met(errDead)
		if r.Count != 2 || !r.Since.Equal(first) || !errors.Is(r.Err, errDead) {
			t.Errorf("Reason = %+v, want the last error, met twice since %v", r, first)
		}
	})
}
