package kvstore_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// waiting is the result of a wait for a revision.
type waiting struct {
	revision int64
	is       error  // that the error matches, nil for no error
	says     string // that the error says
	position int64  // of the WaitError, where the context ended
	target   int64
}

func (w *world) wantWait(c *kvstore.Client, d time.Duration, want waiting) {
	w.t.Helper()
	var err error
	tookIt := took(func() { err = c.WaitRevision(w.within(d), want.revision) })
	if !errors.Is(err, want.is) || err != nil && !strings.Contains(err.Error(), want.says) {
		w.t.Errorf("WaitRevision(%d) = %v, want %v that says %q", want.revision, err, want.is, want.says)
	}
	if !errors.Is(want.is, context.DeadlineExceeded) {
		if tookIt > 5*time.Second {
			w.t.Errorf("WaitRevision(%d) took %v", want.revision, tookIt)
		}
		return
	}
	var we *kvstore.WaitError
	if !errors.As(err, &we) || we.Position != want.position || we.Target != want.target {
		w.t.Errorf("WaitRevision(%d) = %#v, want position %d, target %d", want.revision, we, want.position, want.target)
	}
	if errors.Is(err, kvstore.ErrDataLoss) {
		w.t.Errorf("WaitRevision(%d) = %v, but nobody knows of a loss", want.revision, err)
	}
}

func TestWaitRevisionSaysWhatIsKnownOfTheRevision(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.put(c, "b", "1") // the log ends at 2
		const ends = "the log ends at offset 2"
		for _, want := range []waiting{
			{revision: 0},
			{revision: 1},
			{revision: -2, is: kvstore.ErrInvalidRevision, says: "revision -2"},
			{revision: math.MinInt64, is: kvstore.ErrInvalidRevision},
			{revision: 2, is: context.DeadlineExceeded, says: ends, position: 2, target: 3},
			{revision: 7, is: context.DeadlineExceeded, says: ends, position: 2, target: 8},
			{revision: math.MaxInt64 - 1, is: context.DeadlineExceeded, says: ends, position: 2, target: math.MaxInt64},
			{revision: math.MaxInt64, is: context.DeadlineExceeded, says: ends, position: 2, target: math.MaxInt64},
		} {
			w.wantWait(c, time.Minute, want)
		}
		// One that is still to come is waited for.
		done := make(chan error, 1)
		go func() { done <- c.WaitRevision(w.within(time.Hour), 2) }()
		time.Sleep(time.Minute)
		w.produce(w.kafka("other"), record("c", "1"))
		if err := <-done; err != nil {
			t.Errorf("WaitRevision of a record that came = %v", err)
		}
		w.want(c, "c", "1")
	})
}

// The revision of a write at an offset that is not known.
func TestWaitForAnUnknownRevisionIsASync(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		writer, reader := w.open("writer"), w.open("reader")
		lag := w.On(target("reader")).Latency(300 * time.Millisecond)
		defer lag.Undo()
		w.put(writer, "k", "v")
		if err := reader.WaitRevision(w.within(time.Minute), -1); err != nil {
			t.Fatal(err)
		}
		w.want(reader, "k", "v")
		hold := w.On(target("reader")).Stall()
		defer hold.Undo()
		if err := reader.WaitRevision(w.within(time.Second), -1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitRevision(-1) without brokers = %v, want the deadline", err)
		}
	})
}

func TestWaitRevisionAfterALoss(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for _, k := range []string{"a", "b", "c", "d"} {
			w.put(c, k, "1")
		}
		pending := make(chan error, 1)
		go func() { pending <- c.WaitRevision(w.within(time.Hour), 9) }()
		time.Sleep(time.Second)
		w.loseTail(2)
		if err := <-pending; !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("WaitRevision over a loss = %v, want ErrDataLoss", err)
		}
		w.eventually("the rebuild", func() bool { return c.Status().Rebuilds == 1 && c.Status().State == kvstore.StateLive })
		late := w.open("late")
		for _, want := range []waiting{
			{revision: 1},
			{revision: 2, is: kvstore.ErrDataLoss, says: "the log ends at offset 2"},
			{revision: 3, is: kvstore.ErrDataLoss, says: "the log ends at offset 2"},
			{revision: 20, is: context.DeadlineExceeded, says: "the log ends at offset 2", position: 2, target: 21},
		} {
			w.wantWait(c, time.Minute, want)
		}
		// One that opened afterwards has not heard of them.
		w.wantWait(late, time.Minute, waiting{revision: 3, is: context.DeadlineExceeded, says: "was not written yet, or it was lost", position: 2, target: 4})
		// Once the offset is given again, it names the new record.
		w.put(late, "e", "2")
		w.wantWait(c, time.Minute, waiting{revision: 2})
		if e, err := c.GetEntry(t.Context(), []byte("e")); err != nil || e.Revision != 2 {
			t.Errorf("GetEntry = %+v, %v; want the record that is at revision 2 now", e, err)
		}
	})
}

// The client can't read, but it can hear that the log is that long; then the log loses it.
func TestWaitRevisionOfWhatWasNeverReadAndIsLost(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.produce(other, record("a", "1"))
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		held := w.On(onlyFetches("c")).Stall()
		w.DropConnections("c")
		w.produce(other, record("a", "2"), record("a", "3"))
		pending := make(chan error, 1)
		go func() { pending <- c.WaitRevision(w.within(time.Hour), 2) }()
		time.Sleep(time.Second)
		w.loseTail(1)
		held.Undo()
		d := took(func() {
			if err := <-pending; !errors.Is(err, kvstore.ErrDataLoss) {
				t.Errorf("WaitRevision = %v, want ErrDataLoss", err)
			}
		})
		if d > 10*time.Second {
			t.Errorf("it took %v to say so", d)
		}
		if got := c.Status().Rebuilds; got != 0 {
			t.Errorf("%d rebuilds, want none: the client had not read what was lost", got)
		}
	})
}

// What an error says of a wait that a rebuild delayed.
func TestWaitErrorTellsOfTheRebuild(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for _, k := range []string{"a", "b", "c", "d"} {
			w.put(c, k, "1")
		}
		w.loseTail(2)
		hold := w.On(onlyFetches("c")).Stall()
		w.eventually("rebuilding", func() bool { s := c.Status(); return s.State == kvstore.StateRebuilding && s.Position == 0 })
		_, getErr := c.Get(w.within(time.Second), []byte("a"))
		for op, tc := range map[string]struct {
			err    error
			target int64
		}{
			"Get":          {getErr, 2},
			"WaitRevision": {c.WaitRevision(w.within(time.Second), 1), 2},
		} {
			var we *kvstore.WaitError
			if !errors.As(tc.err, &we) || we.Position != 0 || we.Target != tc.target || !errors.Is(tc.err, kvstore.ErrDataLoss) {
				t.Errorf("%s while rebuilding = %v, want position 0, target %d, because of ErrDataLoss", op, tc.err, tc.target)
			}
		}
		hold.Undo()
		if err := c.WaitRevision(w.within(time.Minute), 1); err != nil {
			t.Errorf("WaitRevision after the rebuild = %v", err)
		}
	})
}
