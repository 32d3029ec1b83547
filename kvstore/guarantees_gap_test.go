package kvstore_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// smallFetches makes a client read a few record batches with each fetch.
func smallFetches() kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(300))
}

// pad appends records of other keys, some fetches of them, which compaction leaves.
func (w *world) pad() {
	for range 20 {
		w.Append(kvstoretest.Set("pad"+strconv.FormatInt(w.End(), 10), "x"))
	}
}

// hold keeps a client, which has read everything, from reading on. The fetch that waits at the
// broker is answered with another key.
func (w *world) hold(c *kvstore.Client, name string) *kvstoretest.Effect {
	w.t.Helper()
	if err := c.Sync(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	held := w.On(onlyFetches(name)).Stall()
	w.pad()
	return held
}

// openBehind opens a client that has read the first value of "k" and is kept from reading on, and
// one that writes.
func (w *world) openBehind() (c, writer *kvstore.Client, held *kvstoretest.Effect) {
	w.t.Helper()
	c, writer = w.open("c", smallFetches()), w.open("writer")
	w.put(writer, "k", "1")
	return c, writer, w.hold(c, "c")
}

// supersede writes the key again, far behind, and has compaction remove what it was before.
func (w *world) supersede(value string) {
	w.pad()
	w.Append(kvstoretest.Set("k", value))
	w.pad()
	w.Compact()
}

// wantEntry expects reads to show the record of "k" at a revision, or a later one.
func (w *world) wantEntry(c *kvstore.Client, revision int64, what string) {
	w.t.Helper()
	if e, err := c.GetEntry(w.t.Context(), []byte("k")); err != nil || e.Revision < revision {
		w.t.Errorf("after %s, GetEntry at position %d = %q at revision %d, %v; want the record at %d or a later one", what, c.Position(), e.Value, e.Revision, err, revision)
	}
}

// A client that lags behind a compaction passes the place of a removed record long before
// it reads the record that superseded it.
func TestWaitsEndOnlyOnceWhatSupersededARemovedRecordIsShown(t *testing.T) {
	t.Run("WaitRevision", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			c, writer, held := w.openBehind()
			revision := w.put(writer, "k", "2")
			w.supersede("3")
			done := make(chan error, 1)
			go func() { done <- c.WaitRevision(w.within(time.Hour), revision) }()
			time.Sleep(time.Second)
			held.Undo()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			w.wantEntry(c, revision, "WaitRevision")
		})
	})
	t.Run("WaitRevision of a client that has passed it", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			c, writer, held := w.openBehind()
			revision := w.put(writer, "k", "2")
			w.supersede("3")
			held.Undo()
			w.eventually("the place is passed", func() bool { return c.Position() > revision })
			if err := c.WaitRevision(w.within(time.Hour), revision); err != nil {
				t.Fatal(err)
			}
			w.wantEntry(c, revision, "WaitRevision")
		})
	})
	t.Run("WaitRevision, while what superseded it is superseded", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			c, writer, held := w.openBehind()
			revision := w.put(writer, "k", "2")
			w.supersede("3")
			held.Undo()
			w.eventually("the place is passed", func() bool { return c.Position() > revision })
			w.supersede("4")
			if err := c.WaitRevision(w.within(time.Hour), revision); err != nil {
				t.Fatal(err)
			}
			w.wantEntry(c, revision, "WaitRevision")
		})
	})
	t.Run("Put", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			c := w.open("c", smallFetches())
			w.put(c, "k", "1")
			held := w.hold(c, "c")
			written := make(chan int64, 2)
			for i, key := range []string{"k", "z"} { // the last batch of a producer stays
				end := w.End()
				go func() { written <- w.put(c, key, strconv.Itoa(i+2)) }()
				w.eventually("the write is in the log", func() bool { return w.End() > end })
			}
			w.supersede("4")
			held.Undo()
			w.wantEntry(c, <-written, "Put")
			<-written
		})
	})
	t.Run("Sync, when the end was asked for before", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			c, writer, held := w.openBehind()
			revision := w.put(writer, "k", "2")
			done := make(chan error, 1)
			go func() { done <- c.Sync(w.within(time.Hour)) }()
			time.Sleep(time.Second)
			w.supersede("3")
			held.Undo()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			w.wantEntry(c, revision, "Sync")
		})
	})
	t.Run("NewClient, when the end was asked for before", func(t *testing.T) {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			writer := w.open("writer")
			revision := w.put(writer, "k", "2")
			w.Dialer("c") // names it
			held := w.On(onlyFetches("c")).Stall()
			opened := w.opening("c", smallFetches())
			time.Sleep(time.Second)
			w.supersede("3")
			held.Undo()
			w.wantEntry(opened(), revision, "NewClient")
		})
	})
}

// A wait for a record before the gap ends immediately, and the error of one behind it says what
// it waits for, although the position has passed its target.
func TestGapsDelayNoOtherWaits(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c, writer, held := w.openBehind()
		before := w.put(writer, "a", "1")
		gone := w.put(writer, "k", "2")
		w.supersede("3")
		end := w.End()
		held.Undo()
		w.eventually("the place is passed", func() bool { return c.Position() > gone })
		held = w.On(onlyFetches("c")).Stall()
		w.DropConnections("c")
		if err := c.WaitRevision(w.within(time.Second), before); err != nil {
			t.Errorf("WaitRevision(%d) of a record before the gap = %v at position %d", before, err, c.Position())
		}
		err := c.WaitRevision(w.within(time.Second), gone)
		var we *kvstore.WaitError
		if !errors.As(err, &we) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "compaction removed records from offset "+strconv.FormatInt(gone, 10)) {
			t.Errorf("WaitRevision(%d) of a removed record = %v at position %d, want a WaitError that names the gap", gone, err, c.Position())
		}
		held.Undo()
		if err := c.WaitRevision(w.within(time.Minute), gone); err != nil || c.Position() < end {
			t.Errorf("WaitRevision(%d) = %v at position %d, want nil at %d", gone, err, c.Position(), end)
		}
	})
}

// A client that rereads the log must not go back to before what it has shown, although
// compaction removed that meanwhile.
func TestRereadingClientDoesNotGoBackBeforeARemovedRecord(t *testing.T) {
	inWorld(t, append(keepingTombstones(1, 10*time.Minute), kvstoretest.WithLatency(time.Millisecond)), func(t *testing.T, w *world) {
		c, writer := w.open("c", smallFetches()), w.open("writer")
		w.pad()
		revision := w.put(writer, "k", "2")
		held := w.hold(c, "c")
		w.wantEntry(c, revision, "Sync")
		time.Sleep(11 * time.Minute)
		held.Undo()
		w.eventually("the log is reread", func() bool { return c.Status().State == kvstore.StateRebuilding })
		held = w.On(onlyFetches("c")).Stall()
		w.supersede("3")
		held.Undo()
		w.eventually("the log was reread", func() bool { return c.Status().State == kvstore.StateLive })
		w.wantEntry(c, revision, "rereading the log")
	})
}

// What superseded a removed record is lost before the client reads it: the client has read
// less than what is left of the log, and yet shows what is not in it.
func TestLossOfWhatSupersededARemovedRecordIsNoticed(t *testing.T) {
	for name, grows := range map[string]bool{"shorter": false, "grown again": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c, writer, held := w.openBehind()
				gone := w.put(writer, "k", "2")
				w.pad()
				successor := w.End()
				w.Append(kvstoretest.Set("k", "3"))
				w.pad()
				w.Compact()
				held.Undo()
				w.eventually("the place is passed", func() bool { return c.Position() > gone })
				held = w.On(onlyFetches("c")).Stall()
				pending := make(chan error, 1)
				go func() { pending <- c.WaitRevision(w.within(time.Hour), gone) }()
				time.Sleep(time.Second)
				if at := c.Position(); at >= successor {
					t.Fatalf("the client has read up to %d, and with it the record at %d", at, successor)
				}
				w.loseTail(successor)
				if grows {
					w.pad()
					w.pad()
				}
				held.Undo()
				if err := <-pending; !errors.Is(err, kvstore.ErrDataLoss) {
					t.Errorf("WaitRevision(%d) = %v, want ErrDataLoss", gone, err)
				}
				w.eventually("the log was reread", func() bool { return c.Status().State == kvstore.StateLive && c.Position() == w.End() })
				if got, want := w.contents(c), w.contents(w.open("fresh")); got != want {
					t.Errorf("the client holds %s\nand one that opened later %s", got, want)
				}
			})
		})
	}
}

func TestWaitRevisionInAHookKnowsOfRemovedRecords(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		var c *kvstore.Client
		gone, refused := int64(-1), 0
		c = w.open("c", smallFetches(), kvstore.WithOnSetHook(func(key, _ []byte) {
			if gone < 0 {
				return
			}
			if e, err := c.GetEntry(t.Context(), key); err != nil || c.WaitRevision(t.Context(), e.Revision) != nil {
				t.Errorf("in the hook of %q: GetEntry = revision %d, %v, and WaitRevision fails for what reads show", key, e.Revision, err)
			}
			waited := c.WaitRevision(t.Context(), gone)
			e, err := c.GetEntry(t.Context(), []byte("k"))
			switch {
			case waited == nil && (err != nil || e.Revision < gone):
				t.Errorf("in the hook of %q: WaitRevision(%d) = nil, but GetEntry = revision %d, %v", key, gone, e.Revision, err)
			case waited != nil && !errors.Is(waited, kvstore.ErrHookReentry):
				t.Errorf("in the hook of %q: WaitRevision(%d) = %v, want ErrHookReentry", key, gone, waited)
			case waited != nil:
				refused++
			}
		}))
		writer := w.open("writer")
		w.put(writer, "k", "1")
		held := w.hold(c, "c")
		gone = w.put(writer, "k", "2")
		w.supersede("3")
		held.Undo()
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := c.WaitRevision(t.Context(), gone); err != nil || refused == 0 {
			t.Errorf("in the end WaitRevision(%d) = %v, refused in %d hooks, want nil, and some", gone, err, refused)
		}
	})
}
