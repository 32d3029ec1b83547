package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// keepingTombstones is a cluster of n brokers whose topic keeps tombstones for d.
func keepingTombstones(n int, d time.Duration) []kvstoretest.Option {
	return withTopic(n, kvstoretest.WithTopicConfig(map[string]string{"delete.retention.ms": fmt.Sprint(d.Milliseconds())}))
}

// cutOff keeps a client from the brokers until the returned function is called.
func (w *world) cutOff(client string) (back func()) {
	hole := w.On(target(client)).BlackHole()
	w.DropConnections(client)
	return func() { hole.Undo() }
}

// missADelete deletes k while a client is away, and compacts the log until nothing of k
// is left, not even the tombstone. rest may write more.
func (w *world) missADelete(other *kgo.Client, away time.Duration, rest func()) {
	w.t.Helper()
	w.produce(other, &kgo.Record{Key: []byte("k")})
	w.Compact()
	time.Sleep(away)
	w.Compact()
	rest()
	w.Compact()
	for _, r := range w.Log() {
		if string(r.Key) == "k" {
			w.t.Fatalf("a record of k is left at offset %d: the test shows nothing", r.Offset)
		}
	}
}

func TestDeletedKeyStaysDeletedAfterALongAbsence(t *testing.T) {
	for name, rest := range map[string]func(w *world, other *kgo.Client){
		"others wrote": func(w *world, other *kgo.Client) { w.produce(other, record("x", "2")) },
		"nothing with a record is left behind the position": func(*world, *kgo.Client) {},
	} {
		for kind, storage := range storages() {
			t.Run(name+", "+kind, func(t *testing.T) {
				inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
					var hooks hookBook
					c, other := w.openOn("c", storage(), hooks.options()...), w.kafka("other")
					w.produce(other, record("a", "1"), record("k", "1"), record("x", "1"))
					if err := c.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					back := w.cutOff("c")
					w.missADelete(other, 15*time.Minute, func() { rest(w, other) })
					back()
					if err := c.Sync(w.within(5 * time.Minute)); err != nil {
						t.Fatal(err)
					}
					w.WantMissing(c, "k")
					w.want(c, "a", "1")
					if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 1 || s.Lag != 0 {
						t.Errorf("status = %+v, want live after one rebuild", s)
					}
					if got, want := c.Position(), w.End(); got != want {
						t.Errorf("Position() = %d, want the end %d", got, want)
					}
					want := []string{"set a=1", "set k=1", "set x=1", "set x=2", "delete k"}
					want = slices.DeleteFunc(want, func(s string) bool { return s == "set x=2" && name != "others wrote" })
					if got := hooks.all(); !slices.Equal(got, want) {
						t.Errorf("hooks = %q, want %q", got, want)
					}
					if n := w.logged("rebuilding from the log", "compacted away unread"); n != 1 {
						t.Errorf("the rebuild was logged %d times, want once: %q", n, w.logs.all())
					}
				})
			})
		}
	}
}

func TestShortAbsenceRebuildsNothing(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		var hooks hookBook
		c, other := w.open("c", hooks.options()...), w.kafka("other")
		w.produce(other, record("k", "1"))
		time.Sleep(2 * time.Hour) // without anything to read
		w.produce(other, record("x", "1"))
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantNoRebuild(c)
		for range 5 {
			back := w.cutOff("c")
			w.produce(other, &kgo.Record{Key: []byte("k")}, record("x", "2"))
			time.Sleep(8 * time.Minute)
			w.Compact()
			back()
			if err := c.Sync(w.within(5 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.WantMissing(c, "k")
			w.wantNoRebuild(c)
		}
	})
}

// Between the moment at which the client finds that it was away for too long and the end
// of the rebuild nothing is shown and nobody is told that he is up to date.
func TestNothingIsShownBetweenAnAbsenceAndTheRebuild(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.put(c, "k", "1")
		held := w.On(onlyFetches("c")).Stall()
		w.DropConnections("c")
		// A write under way, and a caller that waits for it, outlast the absence and the
		// rebuild: nothing is lost.
		written := make(chan error, 1)
		go func() { written <- c.Put(w.within(2*time.Hour), []byte("mine"), []byte("1")) }()
		time.Sleep(time.Second)
		mine := w.End() - 1
		waited := make(chan error, 1)
		go func() { waited <- c.WaitRevision(w.within(2*time.Hour), mine) }()
		w.missADelete(other, 15*time.Minute, func() { w.produce(other, record("x", "2")) })
		before := c.Position()
		slow := w.On(onlyFetches("c")).Latency(3 * time.Second)
		held.Undo()
		w.eventually("the client rebuilds", func() bool { return c.Status().State == kvstore.StateRebuilding })
		if s := c.Status(); !errors.Is(s.Err, kvstore.ErrTombstonesExpired) || errors.Is(s.Err, kvstore.ErrDataLoss) || s.Reading.Err == nil {
			t.Errorf("status = %+v, want ErrTombstonesExpired and no loss", s)
		}
		_, getErr := c.Get(w.within(time.Second), []byte("k"))
		for op, err := range map[string]error{"Get": getErr, "Sync": c.Sync(w.within(time.Second)), "WaitRevision": c.WaitRevision(w.within(time.Second), mine)} {
			var we *kvstore.WaitError
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kvstore.ErrTombstonesExpired) || !errors.As(err, &we) || we.Position != before {
				t.Errorf("%s while rebuilding = %v, want the deadline at position %d, because of ErrTombstonesExpired", op, err, before)
			}
		}
		if got := c.Position(); got != before {
			t.Errorf("Position() = %d while reads wait, want that of before, %d", got, before)
		}
		select {
		case err := <-written:
			t.Errorf("Put returned %v while reads wait", err)
		case err := <-waited:
			t.Errorf("WaitRevision returned %v while reads wait", err)
		default:
		}
		slow.Undo()
		if err := <-written; err != nil {
			t.Errorf("Put that was under way = %v, want nil", err)
		}
		if err := <-waited; err != nil {
			t.Errorf("WaitRevision that was under way = %v, want nil", err)
		}
		w.WantMissing(c, "k")
		w.want(c, "mine", "1")
		if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 1 || s.Reading.Err != nil {
			t.Errorf("status = %+v, want live after one rebuild, with nothing that holds it up", s)
		}
	})
}

// While the client is away for long the log loses its tail too: what waited for a record
// that was lost fails.
func TestLossDuringALongAbsenceIsALoss(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.put(c, "a", "1")
		w.put(c, "k", "1")
		back := w.cutOff("c")
		w.loseTail(1)
		w.missADelete(other, 15*time.Minute, func() { w.produce(other, record("x", "2")) })
		waited := make(chan error, 1)
		go func() { waited <- c.WaitRevision(w.within(time.Hour), 3) }()
		time.Sleep(time.Second)
		back()
		if err := <-waited; !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("WaitRevision over a loss = %v, want ErrDataLoss", err)
		}
		if err := c.Sync(w.within(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got, want := w.contents(c), "a=1 x=2 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
	})
}

// The log's start is deleted while it is reread after a long absence, and leaders name an older end of
// it for a while. The client does not go back behind what it had read.
func TestReadsWaitForWhatADeletionLeftAfterAnAbsence(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
			w.put(c, k, "1")
		}
		back := w.cutOff("c")
		w.produce(other, record("x", "2"))
		time.Sleep(15 * time.Minute)
		slow := w.On(onlyFetches("c")).Latency(3 * time.Second)
		back()
		w.eventually("the client rebuilds", func() bool { return c.Status().State == kvstore.StateRebuilding })
		time.Sleep(time.Second) // the log's begin was asked for, and the fetch is on its way
		w.DeleteRecords(3)
		a.set(endsBefore(5))
		slow.Undo()
		time.Sleep(20 * time.Second)
		before := len(hooks.all())
		if before != 6 {
			t.Errorf("while the leader shows less than is left, hooks were told %q", hooks.all()[6:])
		}
		a.set(nil)
		must(t, c.Sync(w.within(5*time.Minute)))
		if got, want := hooks.all()[6:], []string{"delete a", "delete b", "delete c", "set x=2"}; !slices.Equal(got, want) {
			t.Errorf("hooks were told %q, want %q", got, want)
		}
	})
}

// The log loses its tail, or its start, while it is reread after a long absence.
func TestLossDuringTheRebuildAfterAnAbsence(t *testing.T) {
	for name, tc := range map[string]struct {
		lose  func(w *world)
		want  string
		hooks []string // after those of the first records
	}{
		"tail": {
			func(w *world) { w.loseTail(2) },
			"a=1 b=1 x=3 ",
			[]string{"delete c", "delete d", "set x=3"},
		},
		"begin": {
			func(w *world) { w.DeleteRecords(3) },
			"d=1 x=3 ",
			[]string{"delete a", "delete b", "delete c", "set x=2", "set x=3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
				var hooks hookBook
				c, other := w.open("c", hooks.options()...), w.kafka("other")
				for _, k := range []string{"a", "b", "c", "d"} {
					w.put(c, k, "1")
				}
				back := w.cutOff("c")
				w.produce(other, record("x", "2"))
				time.Sleep(15 * time.Minute)
				waited := make(chan error, 1)
				go func() { waited <- c.WaitRevision(w.within(time.Hour), 4) }()
				slow := w.On(onlyFetches("c")).Latency(3 * time.Second)
				back()
				w.eventually("the client rebuilds", func() bool { return c.Status().State == kvstore.StateRebuilding })
				time.Sleep(time.Second) // the log's begin was asked for, and the fetch is on its way
				tc.lose(w)
				w.produce(other, record("x", "3"))
				slow.Undo()
				if err := <-waited; !errors.Is(err, kvstore.ErrDataLoss) {
					t.Errorf("WaitRevision over a loss = %v, want ErrDataLoss", err)
				}
				if err := c.Sync(w.within(5 * time.Minute)); err != nil {
					t.Fatal(err)
				}
				if got := w.contents(c); got != tc.want {
					t.Errorf("contents = %q, want %q", got, tc.want)
				}
				want := append([]string{"set a=1", "set b=1", "set c=1", "set d=1"}, tc.hooks...)
				if got := hooks.all(); !slices.Equal(got, want) {
					t.Errorf("hooks = %q, want %q", got, want)
				}
				if got := c.Position(); got != w.End() {
					t.Errorf("Position() = %d, want the end %d", got, w.End())
				}
			})
		})
	}
}

// What moves the position when a transaction ends that had been open for long.
func TestDeletedKeyStaysDeletedBehindAHangingTransaction(t *testing.T) {
	inWorld(t, keepingTombstones(1, 5*time.Minute), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.produce(other, record("k", "1"))
		txn := w.Begin()
		txn.Append(kvstoretest.Set("t", "1"))
		w.produce(other, &kgo.Record{Key: []byte("k")})
		time.Sleep(10 * time.Minute)
		back := w.cutOff("c")
		txn.Commit()
		w.Compact()
		w.Compact()
		back()
		if err := c.Sync(w.within(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.WantMissing(c, "k")
		w.want(c, "t", "1")
	})
}

// The client is connected all the time, but its storage blocks it.
func TestDeletedKeyStaysDeletedBehindASlowStorage(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		s := newFlaky()
		c, other := w.openOn("c", s), w.kafka("other")
		w.produce(other, record("k", "1"))
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.fail(errors.New("disk full"))
		w.produce(other, record("x", "1"))
		w.eventually("stalled", func() bool { return c.Status().State == kvstore.StateStalled })
		w.missADelete(other, 15*time.Minute, func() { w.produce(other, record("x", "2")) })
		s.fail(nil)
		if err := c.Sync(w.within(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.WantMissing(c, "k")
		w.want(c, "x", "2")
	})
}

// delete.retention.ms is lowered while the client is away.
func TestRetentionLoweredDuringAnAbsenceCounts(t *testing.T) {
	inWorld(t, keepingTombstones(1, 24*time.Hour), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.put(c, "k", "1")
		back := w.cutOff("c")
		w.alter("delete.retention.ms", "60000")
		w.missADelete(other, 5*time.Minute, func() { w.produce(other, record("x", "2")) })
		w.alter("delete.retention.ms", "86400000")
		w.alter("delete.retention.ms", "120000")
		back()
		if err := c.Sync(w.within(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.WantMissing(c, "k")
		if n := c.Status().Rebuilds; n != 1 {
			t.Errorf("%d rebuilds, want 1", n)
		}
	})
}

func TestTombstoneRetentionOptionWins(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		c, other := w.open("c", kvstore.WithTombstoneRetention(time.Hour)), w.kafka("other")
		w.put(c, "k", "1")
		for want, away := range []time.Duration{30 * time.Minute, 90 * time.Minute} {
			back := w.cutOff("c")
			w.produce(other, record("x", "1"))
			time.Sleep(away)
			back()
			if err := c.Sync(w.within(5 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := c.Status().Rebuilds; got != int64(want) {
				t.Errorf("%d rebuilds after %v, want %d", got, away, want)
			}
		}
	})
}

// slowFor is a storage that takes its time for each change, for a while.
type slowFor struct {
	*memory.Storage
	each  time.Duration
	until time.Time
}

func (s *slowFor) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	if s.until.IsZero() || time.Now().Before(s.until) {
		time.Sleep(s.each)
	}
	return s.Storage.ApplyRecords(ctx, records)
}

func (w *world) fill(n int) {
	w.t.Helper()
	other := w.kafka("filler", kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range n {
		w.produce(other, record(fmt.Sprint(i), strings.Repeat("x", 100)))
	}
}

func TestOpeningThatTakesTooLongBeginsAnewAndSaysSo(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Second), func(t *testing.T, w *world) {
		w.fill(50)
		small := kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(1000))
		_, err := kvstore.NewClient(w.within(time.Minute), topic, &slowFor{Storage: memory.New(), each: time.Second}, w.options("never", small)...)
		var we *kvstore.WaitError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kvstore.ErrTombstonesExpired) || !errors.As(err, &we) {
			t.Fatalf("NewClient = %v, want the deadline because of ErrTombstonesExpired", err)
		}
		if !strings.Contains(err.Error(), "takes longer than delete.retention.ms, which is 10s") || !strings.Contains(err.Error(), "raise it") {
			t.Errorf("error %q does not say that it can never finish in time, and what helps", err)
		}
		if n := w.logged("rebuilding from the log"); n < 5 || n > 12 {
			t.Errorf("the opening began anew %d times in a minute, want it after 5 s each time", n)
		}

		var hooks hookBook
		s := &slowFor{Storage: memory.New(), each: time.Second, until: time.Now().Add(7 * time.Second)}
		var last kvstore.Progress
		c := w.openOn("later", s, append(hooks.options(), small, kvstore.WithProgress(func(p kvstore.Progress) { last = p }))...)
		if last.Records != 50 || last.Position != w.End() || !last.Done {
			t.Errorf("last progress = %+v, want 50 records up to %d", last, w.End())
		}
		if n := c.Status().Rebuilds; n != 0 {
			t.Errorf("%d rebuilds, want none: it was the opening", n)
		}
		got := hooks.all()
		if len(got) != 50 || !strings.HasPrefix(got[0], "set 0=") || !strings.HasPrefix(got[49], "set 49=") {
			t.Errorf("%d hooks, from %.8q to %.8q; want each of 50 records once", len(got), got[0], got[len(got)-1])
		}
	})
}

// A log to which others write all the time is not one that the client lost sight of.
func TestBusyLogIsNoAbsence(t *testing.T) {
	opts := append(keepingTombstones(1, 2*time.Second), kvstoretest.WithLatency(time.Millisecond))
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(1)))
		stop := w.keepWriting()
		time.Sleep(30 * time.Second)
		stop()
		w.wantNoRebuild(c)
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.wantNoRebuild(c)
	})
}
