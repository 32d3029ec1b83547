package position

import (
	"context"
	"errors"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

func newTestTracker() *Tracker {
	t := NewTracker(Errors{Ended: func(context.Context, int64, int64, Reason) error { return errors.New("ended") }})
	t.Advance(5)
	return t
}

func TestTrackerThatIsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	waiting := func(tr *Tracker, target int64) *Waiter {
		w := NewWaiter()
		tr.Enlist(&w, target, 0)
		return &w
	}
	for name, c := range map[string]struct {
		wrong func(*Tracker)
		want  string
	}{
		"nothing is wrong":     {func(tr *Tracker) { waiting(tr, 9) }, ""},
		"done before readable": {func(tr *Tracker) { tr.done = 7 }, "I2"},
		"waits for what is there": {
			func(tr *Tracker) { waiting(tr, 9).target = 3 }, "whoever waits has something to wait for",
		},
		"queue out of place": {func(tr *Tracker) { waiting(tr, 9).index = 4 }, "whoever waits has something to wait for"},
		"waits for the dead": {func(tr *Tracker) {
			waiting(tr, 9)
			tr.dead = errors.New("dead")
		}, "nobody waits for a position that is dead"},
	} {
		tr := newTestTracker()
		c.wrong(tr)
		if got := invariant.Broken(tr.check); got != c.want {
			t.Errorf("%s: check finds %q, want %q", name, got, c.want)
		}
	}
}

func TestPositionThatGoesBackIsFoundOut(t *testing.T) {
	t.Parallel()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which nothing is remembered")
	}
	for name, c := range map[string]struct {
		wrong func(*Tracker)
		want  string
	}{
		"a new term": {func(tr *Tracker) { tr.term, tr.applied, tr.done = 1, 2, 2 }, ""},
		"readable":   {func(tr *Tracker) { tr.applied, tr.done = 4, 4 }, "I3"},
		"done":       {func(tr *Tracker) { tr.done = 4 }, "I3"},
	} {
		tr := newTestTracker()
		c.wrong(tr)
		if got := invariant.Broken(tr.check); got != c.want {
			t.Errorf("%s: check finds %q, want %q", name, got, c.want)
		}
	}
	// The checks are called where things change.
	tr := newTestTracker()
	tr.done, tr.applied = 3, 3
	if got := invariant.Broken(func() { tr.Advance(4) }); got != "I3" {
		t.Errorf("Advance after the position went back finds %q, want I3", got)
	}
}

func TestSecondOutcomeOfAWaiterIsFoundOut(t *testing.T) {
	t.Parallel()
	w := NewWaiter()
	if got := invariant.Broken(w.checkOnce); got != "" {
		t.Errorf("a waiter without an outcome: %q", got)
	}
	w.ready <- nil
	if got := invariant.Broken(w.checkOnce); got != "a waiter gets one outcome" {
		t.Errorf("a waiter with an outcome gets another one: %q", got)
	}
}

func TestRecordsThatAreNotRememberedInOrderAreFoundOut(t *testing.T) {
	t.Parallel()
	r := NewRecent(2)
	for offset := range int64(5) {
		if got := invariant.Broken(func() { r.check(Source{Offset: offset}) }); got != "" {
			t.Errorf("the record at %d: %q", offset, got)
		}
		r.Add([]Source{{Offset: offset}})
		for _, next := range []int64{offset, offset - 1} {
			if got := invariant.Broken(func() { r.check(Source{Offset: next}) }); got != "I20" {
				t.Errorf("the record at %d behind that at %d: %q, want I20", next, offset, got)
			}
		}
	}
}
