package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// transaction writes records in a transaction and leaves it open; the returned
// function ends it.
func (w *world) transaction(id string, records ...*kgo.Record) (end func(commit bool)) {
	w.t.Helper()
	cl := w.kafka("txn-"+id, kgo.TransactionalID(id))
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	w.produce(cl, records...)
	return func(commit bool) {
		w.t.Helper()
		if err := cl.EndTransaction(w.t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func record(key, value string) *kgo.Record { return kgo.KeyStringRecord(key, value) }

func TestOpenReturnsAtEndWhenTailIsTransactionMarker(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"))
		w.transaction("t", record("b", "2"))(true)
		c := w.open("c")
		w.want(c, "a", "1")
		w.want(c, "b", "2")
		if got, want := c.Position(), w.End(); got != want {
			t.Errorf("Position() = %d, want the end of the log %d, behind the marker", got, want)
		}
	})
}

func TestOpenReturnsAtEndWhenTailIsAborted(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"))
		w.transaction("t", record("a", "2"), record("b", "2"))(false)
		c := w.open("c")
		if got, want := w.contents(c), "a=1 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		if got, want := c.Position(), w.End(); got != want {
			t.Errorf("Position() = %d, want %d", got, want)
		}
	})
}

func TestOpenReturnsAtEndWhenLogWasEmptied(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		other := w.kafka("other")
		w.produce(other, record("a", "1"), record("b", "1"))
		w.DeleteRecords(2)
		c := w.open("c")
		if got := w.contents(c); got != "" {
			t.Errorf("contents = %q, want none", got)
		}
		if got := c.Position(); got != 2 {
			t.Errorf("Position() = %d, want 2", got)
		}
		w.put(c, "c", "1")
		w.want(c, "c", "1")
	})
}

func TestOpenReturnsAtEndOfCompactedLog(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		other := w.kafka("other")
		for i := range 50 {
			w.produce(other, record(fmt.Sprintf("k%d", i%3), fmt.Sprint(i)))
		}
		w.Compact()
		if n := len(w.Log()); n >= 50 {
			t.Fatalf("the log has %d records: compaction did nothing", n)
		}
		c := w.open("c")
		if got, want := w.contents(c), "k0=48 k1=49 k2=47 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		if got, want := c.Position(), w.End(); got != want {
			t.Errorf("Position() = %d, want %d", got, want)
		}
	})
}

func TestOpenOnEmptyTopicTakesNoTime(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		var c *kvstore.Client
		if d := took(func() { c = w.open("c") }); d > 10*time.Millisecond {
			t.Errorf("creating and opening a topic took %v of simulated time", d)
		}
		if d := took(func() { w.put(c, "a", "1") }); d > 10*time.Millisecond {
			t.Errorf("the first write on a fresh topic took %v of simulated time", d)
		}
	})
}

func TestOpenNamesOpenTransactionWhenContextEnds(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"))
		end := w.transaction("t", record("b", "2"))
		defer end(false)
		var err error
		d := took(func() {
			_, err = kvstore.NewClient(w.within(3*time.Second), topic, memory.New(), w.options("c")...)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("NewClient error = %v, want the deadline", err)
		}
		var we *kvstore.WaitError
		if !errors.As(err, &we) || we.Position != 1 || we.Target != 2 || we.Cause == nil {
			t.Fatalf("NewClient error = %#v, want position 1, target 2 and a cause", we)
		}
		if !strings.Contains(err.Error(), "open transaction") {
			t.Errorf("error %q does not name the open transaction", err)
		}
		if d > 3*time.Second+100*time.Millisecond {
			t.Errorf("NewClient returned %v after it began, its context ended after 3s", d)
		}
	})
}

func TestOpenReturnsWhenTailIsTruncatedMeanwhile(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		other := w.kafka("other")
		w.produce(other, record("a", "1"), record("b", "1"))
		end := w.transaction("t", record("c", "1"))
		defer end(false)
		// The open transaction holds the opening at 2 of 3; then the tail
		// goes, as by retention: all records are deleted.
		opened := w.opening("c")
		time.Sleep(2 * time.Second)
		w.DeleteRecords(3)
		c := opened()
		if got := w.contents(c); got != "" {
			t.Errorf("contents = %q, want none", got)
		}
		if got := c.Position(); got != 3 {
			t.Errorf("Position() = %d, want 3", got)
		}
	})
}

func TestOnlyCommittedDataIsVisible(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		commit := w.transaction("commit", record("a", "uncommitted"), record("b", "uncommitted"))
		time.Sleep(3 * time.Second)
		if got, want := w.contents(c), "a=1 "; got != want {
			t.Errorf("during the transaction: contents = %q, want %q", got, want)
		}
		commit(true)
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := w.contents(c), "a=uncommitted b=uncommitted "; got != want {
			t.Errorf("after the commit: contents = %q, want %q", got, want)
		}
		abort := w.transaction("abort", record("a", "aborted"))
		abort(false)
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want(c, "a", "uncommitted")
	})
}

func TestWriteBehindOpenTransactionIsNotVisibleYet(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		end := w.transaction("t", record("x", "1"))
		err := c.Put(w.within(time.Second), []byte("a"), []byte("1"))
		if !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kvstore.ErrNotVisible) {
			t.Fatalf("Put behind an open transaction = %v, want ErrNotVisible", err)
		}
		if !strings.Contains(err.Error(), "open transaction") {
			t.Errorf("error %q does not name the open transaction", err)
		}
		var we *kvstore.WriteError
		if !errors.As(err, &we) || we.Revision != 1 {
			t.Errorf("revision of the acknowledged write = %v, want 1", we)
		}
		end(true)
		if err := c.WaitRevision(t.Context(), we.Revision); err != nil {
			t.Fatal(err)
		}
		w.want(c, "a", "1")
	})
}

func TestReadsNeverGoBack(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		writer, reader := w.open("writer"), w.open("reader")
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 200 {
				w.put(writer, "k", fmt.Sprint(i))
				if i%50 == 0 {
					w.MoveLeader(i / 50 % 3)
				}
			}
		})
		last := int64(-1)
		for last < 199 {
			e, err := reader.GetEntry(t.Context(), []byte("k"))
			if err == nil {
				if e.Revision < last {
					t.Fatalf("read revision %d after %d", e.Revision, last)
				}
				last = e.Revision
			}
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
	})
}

func TestRangeShowsOnePrefixWhileWritesGoOn(t *testing.T) {
	for name, storage := range map[string]func() kvstore.Storage{
		"memory": func() kvstore.Storage { return memory.New() },
		"plain":  func() kvstore.Storage { return newPlain() },
	} {
		t.Run(name, func(t *testing.T) {
			opts := withTopic(1, kvstoretest.WithLatency(100*time.Microsecond)) // else the writer would never let time pass
			inWorld(t, opts, func(t *testing.T, w *world) {
				writer, reader := w.open("writer"), w.openOn("reader", storage())
				stop := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() {
					// a and z always change together, a first.
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						w.put(writer, "a", fmt.Sprint(i))
						w.put(writer, "z", fmt.Sprint(i))
					}
				})
				for range 200 {
					var a, z int
					for kv, err := range reader.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						if err != nil {
							t.Fatal(err)
						}
						var n int
						if _, err := fmt.Sscan(string(kv.Value), &n); err != nil {
							t.Fatal(err)
						}
						if string(kv.Key) == "a" {
							a = n
							time.Sleep(time.Millisecond) // let writes pass
						} else {
							z = n
						}
					}
					if z > a || a > z+1 {
						t.Fatalf("range shows a=%d z=%d, a state that the log never had", a, z)
					}
				}
				close(stop)
				wg.Wait()
			})
		})
	}
}

func TestRevisionIsTheOffset(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for want := range int64(3) {
			if rev := w.put(c, "k", "v"); rev != want {
				t.Errorf("PutRevision = %d, want %d", rev, want)
			}
		}
		e, err := c.GetEntry(t.Context(), []byte("k"))
		if err != nil || e.Revision != 2 || !e.Time.Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("GetEntry = %+v, %v; want revision 2 and the time of the write, %v", e, err, time.Now())
		}
		rev, err := c.Batch().Put([]byte("x"), nil).Delete([]byte("k")).ExecuteRevision(t.Context())
		if err != nil || rev != 4 {
			t.Errorf("ExecuteRevision = %d, %v; want 4, the offset of its last record", rev, err)
		}
		if rev, err := c.DeleteRevision(t.Context(), []byte("x")); err != nil || rev != 5 {
			t.Errorf("DeleteRevision = %d, %v; want 5", rev, err)
		}
		if got := c.Position(); got != 6 {
			t.Errorf("Position() = %d, want 6", got)
		}
	})
}

func TestSyncShowsWhatWasAcknowledgedToAnyone(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		writer, reader := w.open("writer"), w.open("reader")
		lag := w.On(target("reader")).Latency(300 * time.Millisecond)
		defer lag.Undo()
		for i := range 10 {
			w.put(writer, "k", fmt.Sprint(i))
			if err := reader.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.want(reader, "k", fmt.Sprint(i))
		}
	})
}

func TestWaitRevisionCarriesReadYourWrites(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		writer, reader := w.open("writer"), w.open("reader")
		lag := w.On(target("reader")).Latency(300 * time.Millisecond)
		defer lag.Undo()
		rev := w.put(writer, "k", "v")
		if err := reader.WaitRevision(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		w.want(reader, "k", "v")
		err := reader.WaitRevision(w.within(time.Second), rev+5)
		var we *kvstore.WaitError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &we) || we.Position != 1 || we.Target != rev+6 {
			t.Errorf("WaitRevision of a revision to come = %v, want the deadline at position 1, target %d", err, rev+6)
		}
	})
}

func TestReadOnlyNeverWritesNorCreates(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		_, err := kvstore.NewClient(w.within(2*time.Second), topic, memory.New(), w.options("r", kvstore.WithReadOnly())...)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "UNKNOWN_TOPIC_OR_PARTITION") {
			t.Fatalf("opening read-only without a topic = %v, want the deadline and the cause", err)
		}
		if w.topicExists() {
			t.Fatal("a read-only client created the topic")
		}
		opened := w.opening("r", kvstore.WithReadOnly())
		time.Sleep(time.Second)
		writer := w.open("w")
		reader := opened()
		rev := w.put(writer, "k", "v")
		if err := reader.WaitRevision(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		if err := reader.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want(reader, "k", "v")
		for op, err := range map[string]error{
			"Put":     reader.Put(t.Context(), []byte("k"), nil),
			"Delete":  reader.Delete(t.Context(), []byte("k")),
			"Execute": reader.Batch().Put([]byte("k"), nil).Execute(t.Context()),
		} {
			if !errors.Is(err, kvstore.ErrReadOnly) || !errors.Is(err, kvstore.ErrRefused) {
				t.Errorf("%s on a read-only client = %v, want ErrReadOnly", op, err)
			}
		}
		if got := w.End(); got != 1 {
			t.Errorf("the log ends at %d, want 1", got)
		}
	})
}

func TestBootstrapProgressAndLagAreObservable(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		other := w.kafka("other", kgo.ProducerBatchCompression(kgo.NoCompression()))
		for i := range 40 {
			w.produce(other, record(fmt.Sprint(i), strings.Repeat("x", 1000)))
		}
		var seen []kvstore.Progress
		c := w.open("c", kvstore.WithProgress(func(p kvstore.Progress) { seen = append(seen, p) }),
			kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(5000)))
		if len(seen) < 5 {
			t.Fatalf("progress was reported %d times, want several", len(seen))
		}
		for i, p := range seen {
			if p.Target != 40 || i > 0 && p.Position < seen[i-1].Position || p.Done != (i == len(seen)-1) {
				t.Errorf("progress %d of %d = %+v after %+v", i, len(seen), p, seen[max(0, i-1)])
			}
		}
		if last := seen[len(seen)-1]; last.Position != 40 || last.Records != 40 {
			t.Errorf("last progress = %+v, want position 40 and 40 records", last)
		}
		stall := w.On(target("c")).Stall()
		w.produce(other, record("a", "1"))
		stall.Undo()
		w.eventually("no lag", func() bool { s := c.Status(); return s.Position == 41 && s.End == 41 && s.Lag == 0 })
	})
}
