package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

func storages() map[string]func() kvstore.Storage {
	return map[string]func() kvstore.Storage{
		"memory": func() kvstore.Storage { return memory.New() },
		"plain":  func() kvstore.Storage { return newPlain() },
	}
}

func TestTruncationRebuildsAndHooksReportWhatVanished(t *testing.T) {
	for name, storage := range storages() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				var hooks hookBook
				c := w.openOn("c", storage(), hooks.options()...)
				w.put(c, "a", "1")
				w.put(c, "b", "1")
				w.put(c, "a", "2")
				w.put(c, "c", "1")
				w.loseTail(2)
				w.produce(w.kafka("other"), record("d", "1"))
				if err := c.Sync(w.within(time.Minute)); err != nil {
					t.Fatal(err)
				}
				w.eventually("the lost tail is noticed", func() bool { return c.Status().Rebuilds == 1 && c.Status().State == kvstore.StateLive })
				if got, want := w.contents(c), "a=1 b=1 d=1 "; got != want {
					t.Errorf("contents after the loss = %q, want %q", got, want)
				}
				want := []string{"set a=1", "set b=1", "set a=2", "set c=1", "delete c", "set a=1", "set d=1"}
				if got := hooks.all(); !slices.Equal(got, want) {
					t.Errorf("hooks = %q, want %q", got, want)
				}
				if got, want := c.Position(), w.End(); got != want {
					t.Errorf("Position() = %d, want %d", got, want)
				}
			})
		})
	}
}

func TestReadsWaitWhileRebuilding(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.put(c, "b", "1")
		w.loseTail(1)
		// The client gets to learn of the loss, but not to read the log.
		hold := w.On(onlyFetches("c")).Stall()
		w.eventually("rebuilding", func() bool { return c.Status().State == kvstore.StateRebuilding })
		if err := c.Status().Err; !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Status().Err = %v, want ErrDataLoss", err)
		}
		var err error
		d := took(func() { _, err = c.Get(w.within(2*time.Second), []byte("a")) })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kvstore.ErrDataLoss) || d != 2*time.Second {
			t.Errorf("Get while rebuilding = %v after %v, want the deadline after 2s, because of ErrDataLoss", err, d)
		}
		for _, err := range c.Range(w.within(time.Second), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Range while rebuilding = %v, want the deadline", err)
			}
		}
		got := make(chan string)
		go func() { got <- w.contents(c) }()
		hold.Undo()
		if got, want := <-got, "a=1 "; got != want {
			t.Errorf("contents after the rebuild = %q, want %q", got, want)
		}
	})
}

func TestRecordsDeletedUnderALaggingReaderRebuild(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		var hooks hookBook
		c, other := w.open("c", hooks.options()...), w.kafka("other")
		w.put(c, "a", "1")
		hold := w.On(target("c")).Stall()
		time.Sleep(2 * time.Second) // the fetch that was waiting has ended
		for i := range 5 {
			w.produce(other, record(fmt.Sprint(i), "x"))
		}
		w.DeleteRecords(4)
		hold.Undo()
		w.eventually("the rebuild", func() bool { return c.Position() == 6 && c.Status().State == kvstore.StateLive })
		if got, want := w.contents(c), "3=x 4=x "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		want := []string{"set a=1", "delete a", "set 3=x", "set 4=x"}
		if got := hooks.all(); !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
	})
}

func TestAcknowledgedWriteLostWithTheTailIsUnknown(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		hold := w.On(onlyFetches("c")).Stall()
		res := make(chan error)
		go func() { res <- c.Put(w.within(time.Minute), []byte("b"), []byte("1")) }()
		w.eventually("the write is in the log", func() bool { return w.End() == 2 })
		time.Sleep(100 * time.Millisecond)
		w.loseTail(1)
		hold.Undo()
		err := <-res
		if !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Put whose record was lost with the tail = %v, want unknown because of ErrDataLoss", err)
		}
	})
}

// The leader has other records where the write was acknowledged, and does not show them yet to who
// asks for that place.
func TestAcknowledgedWriteIsNotConfirmedByALeaderThatShowsLess(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.put(c, "a", "1")
		hold := w.On(onlyFetches("c")).Stall()
		for _, key := range []string{"b", "c"} {
			go func() { _ = c.Put(w.within(time.Minute), []byte(key), []byte("1")) }()
			synctest.Wait()
		}
		w.eventually("they are in the log", func() bool { return w.End() == 3 })
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(time.Minute), []byte("d"), []byte("1")) }()
		w.eventually("the write is in the log", func() bool { return w.End() == 4 })
		time.Sleep(100 * time.Millisecond)
		w.loseTail(1)
		for i := range 10 {
			w.produce(other, record("k", fmt.Sprint(i)))
		}
		older := w.OlderEnds(1000, int(w.End()-3))
		hold.Undo()
		time.Sleep(3 * time.Second)
		older.Undo()
		if err := <-result; !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Put whose record was lost = %v, want unknown because of ErrDataLoss", err)
		}
	})
}

// The client has read, in the log before the loss, other records at the offset
// that its write gets in the log after it.
func TestWriteAcknowledgedInAnotherLogIsNotTakenForVisible(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		w.put(c, "first", "1")
		for i := range 10 {
			w.produce(other, record("k", fmt.Sprint(i)))
		}
		w.eventually("the client has read them", func() bool { return c.Position() == 11 })
		// Nothing tells the client of the loss, but the write gets through.
		blind := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch}}).Stall()
		w.loseTail(3)
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(time.Minute), []byte("k"), []byte("mine")) }()
		w.eventually("the write is in the log", func() bool { return w.End() == 4 })
		time.Sleep(time.Second)
		select {
		case err := <-result:
			if err == nil {
				w.want(c, "k", "mine")
			}
			result <- err
		default:
		}
		blind.Undo()
		if err := <-result; err == nil {
			w.want(c, "k", "mine")
		} else if !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Put = %v, want unknown because of ErrDataLoss", err)
		}
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.want(c, "k", "mine")
	})
}

func TestTopicDeletedEndsTheClient(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.deleteTopic()
		w.eventually("the client knows", func() bool { return c.Status().State == kvstore.StateFailed })
		w.wantDead(c, kvstore.ErrTopicDeleted)
	})
}

// Whoever has a client that failed hears of it once, and brokers hear no more of it.
func TestClientThatFailedIsQuiet(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "a", "1")
		w.deleteTopic()
		w.eventually("the client knows", func() bool { return c.Status().State == kvstore.StateFailed })
		time.Sleep(10 * time.Second) // what was on its way
		kinds := []kmsg.Key{kmsg.Metadata, kmsg.Fetch, kmsg.ListOffsets, kmsg.DescribeConfigs}
		a.requests(kinds...)
		time.Sleep(5 * time.Minute)
		if n := a.requests(kinds...); n > 10 {
			t.Errorf("%d requests in five minutes of a client that failed", n)
		}
		if n := w.logged("the client can't go on"); n != 1 {
			t.Errorf("the log says %d times that the client can't go on", n)
		}
	})
}

func TestTopicRecreatedEndsTheClient(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.RecreateTopic()
		w.eventually("the client knows", func() bool { return c.Status().State == kvstore.StateFailed })
		w.wantDead(c, kvstore.ErrTopicRecreated)
		if got := w.End(); got != 0 {
			t.Errorf("the new topic ends at %d: something was written to it", got)
		}
	})
}

// Brokers before Kafka 2.8 have no topic ids, and fetches name the topic.
func TestTopicRecreatedWithoutIDsRebuilds(t *testing.T) {
	opts := withTopic(1)
	inWorld(t, opts, func(t *testing.T, w *world) {
		old := kvstore.WithKafkaOptions(kgo.MaxVersions(versionsWithoutTopicIDs()))
		var hooks hookBook
		c := w.open("c", append(hooks.options(), old)...)
		w.put(c, "a", "1")
		w.put(c, "b", "1")
		w.RecreateTopic()
		w.eventually("the rebuild", func() bool { return c.Status().Rebuilds > 0 && c.Status().State == kvstore.StateLive })
		w.put(c, "c", "1")
		if got, want := w.contents(c), "c=1 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		want := []string{"set a=1", "set b=1", "delete a", "delete b", "set c=1"}
		if got := hooks.all(); !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
	})
}

func (w *world) wantDead(c *kvstore.Client, sentinel error) {
	w.t.Helper()
	ctx := w.within(time.Second)
	_, getErr := c.Get(ctx, []byte("a"))
	var rangeErr error
	for _, err := range c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		rangeErr = err
	}
	for op, err := range map[string]error{
		"Get": getErr, "Range": rangeErr,
		"Put":          c.Put(ctx, []byte("k"), nil),
		"Delete":       c.Delete(ctx, []byte("k")),
		"Execute":      c.Batch().Put([]byte("k"), nil).Execute(ctx),
		"Sync":         c.Sync(ctx),
		"WaitRevision": c.WaitRevision(ctx, 100),
		"Status":       c.Status().Err,
	} {
		if !errors.Is(err, sentinel) {
			w.t.Errorf("%s = %v, want %v", op, err, sentinel)
		}
	}
	if err := c.Put(ctx, []byte("k"), nil); !errors.Is(err, kvstore.ErrNotWritten) {
		w.t.Errorf("Put on a client that has ended = %v, want ErrNotWritten", err)
	}
}

func TestRevokedAuthorisationIsSeenAndRecovers(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		all := []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs}
		w.Allow("u", all...)
		login := w.As("u")
		c := w.open("c", login)
		w.put(c, "a", "1")
		w.Revoke("u", all...)
		w.eventually("stalled", func() bool {
			s := c.Status()
			return s.State == kvstore.StateStalled && errors.Is(s.Err, kerr.TopicAuthorizationFailed)
		})
		w.want(c, "a", "1") // stale, and Status says so
		err := c.Put(w.within(5*time.Second), []byte("b"), nil)
		if !errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("Put without the right to write = %v, want a definite TOPIC_AUTHORIZATION_FAILED", err)
		}
		if err := c.Sync(w.within(time.Second)); !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Sync without the right to read = %v, want TOPIC_AUTHORIZATION_FAILED as its cause", err)
		}
		w.Allow("u", all...)
		w.put(c, "b", "1")
		w.eventually("live", func() bool { return c.Status().State == kvstore.StateLive })
	})
}

func TestCorruptBatchIsNotSkipped(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.AppendCorrupt()
		w.eventually("stalled", func() bool {
			s := c.Status()
			return s.State == kvstore.StateStalled && strings.Contains(s.Err.Error(), "corrupt record batch")
		})
		if got := c.Position(); got != 1 {
			t.Errorf("Position() = %d, want 1: the corrupt batch must not be passed", got)
		}
		err := c.Put(w.within(time.Second), []byte("b"), nil)
		if !errors.Is(err, kvstore.ErrNotVisible) || !strings.Contains(err.Error(), "corrupt record batch") {
			t.Errorf("Put behind a corrupt batch = %v, want ErrNotVisible with the cause", err)
		}
		w.want(c, "a", "1")
	})
}

func TestRepeatingErrorIsLoggedOnceASecond(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond })))
		w.put(c, "a", "1")
		w.StopBroker(0)
		before := len(w.logs.all())
		time.Sleep(10 * time.Second)
		logged := w.logs.all()[before:]
		if len(logged) < 5 || len(logged) > 12 {
			t.Errorf("%d messages in 10s of a broker that is away, want about one a second: %q", len(logged), logged)
		}
		if last := logged[len(logged)-1]; strings.Contains(last, "omitted=0") {
			t.Errorf("the message %q does not count those left out", last)
		}
		w.StartBroker(0)
		w.put(c, "a", "2")
	})
}

// So is a panic of a hook, and one of the handler that is told of each.
func TestPanicsOfHooksAreLoggedOnceASecond(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		told := 0
		c := w.open("c", kvstore.WithOnSetHook(func(_, _ []byte) { panic("no") }), kvstore.WithHookErrorHandler(func(error) {
			told++
			panic("nor this")
		}))
		for range 1000 {
			w.Append(kvstoretest.Set("a", "1"))
			time.Sleep(10 * time.Millisecond)
		}
		w.CaughtUp(c)
		if n := c.Status().HookPanics; n != 1000 || told != 1000 {
			t.Errorf("%d panics were counted, and the handler was told of %d; want 1000", n, told)
		}
		for _, message := range []string{"a hook panicked", "the handler of hook errors panicked"} {
			if n := w.logged(message); n < 9 || n > 12 {
				t.Errorf("%q was logged %d times in 10 s, want about once a second", message, n)
			}
			if n := w.logged(message, "omitted=0"); n != 1 {
				t.Errorf("%d messages %q count none that was left out, want only the first", n, message)
			}
		}
	})
}

func TestCloseIsIdempotentConcurrentAndWaits(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		hold := w.On(target("c")).Stall()
		defer hold.Undo()
		puts := make(chan error, 3)
		for range 3 {
			go func() { puts <- c.Put(t.Context(), []byte("k"), []byte("v")) }()
			time.Sleep(time.Millisecond) // the first is on its way, the others queue
		}
		waits := make(chan error, 2)
		go func() { waits <- c.Sync(t.Context()) }()
		go func() { waits <- c.WaitRevision(t.Context(), 100) }()
		time.Sleep(time.Second)
		var wg sync.WaitGroup
		d := took(func() {
			for range 5 {
				wg.Go(func() {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
					if _, err := c.Get(t.Context(), []byte("a")); !errors.Is(err, kvstore.ErrClientClosed) {
						t.Errorf("Get after Close = %v", err)
					}
				})
			}
			wg.Wait()
		})
		if d > 100*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		unknown := 0
		for range 3 {
			err := <-puts
			if !errors.Is(err, kvstore.ErrClientClosed) {
				t.Errorf("Put under way = %v, want ErrClientClosed", err)
			}
			if errors.Is(err, kvstore.ErrOutcomeUnknown) {
				unknown++
			} else if !errors.Is(err, kvstore.ErrNotWritten) {
				t.Errorf("Put under way = %v, want an outcome", err)
			}
		}
		if unknown != 1 {
			t.Errorf("%d of 3 writes are unknown, want the 1 that was on its way", unknown)
		}
		for range 2 {
			if err := <-waits; !errors.Is(err, kvstore.ErrClientClosed) {
				t.Errorf("a wait under way = %v, want ErrClientClosed", err)
			}
		}
		if got := c.Status().State; got != kvstore.StateClosed {
			t.Errorf("state = %v, want closed", got)
		}
	})
}

func TestCloseFromAHook(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		var c *kvstore.Client
		ready := make(chan struct{})
		returned := make(chan error, 1)
		c = w.open("c", kvstore.WithOnSetHook(func(k, _ []byte) {
			<-ready
			if string(k) == "close" {
				returned <- c.Close()
			}
		}))
		close(ready)
		err := c.Put(w.within(time.Minute), []byte("close"), nil)
		if err := <-returned; err != nil {
			t.Error(err)
		}
		if err != nil && !errors.Is(err, kvstore.ErrClientClosed) {
			t.Errorf("the write that closed its client = %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownDrainsFirst(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		slow := w.On(target("c")).Latency(200 * time.Millisecond)
		defer slow.Undo()
		puts := make(chan error, 10)
		for i := range 10 {
			go func() { puts <- c.Put(t.Context(), fmt.Appendf(nil, "%d", i), nil) }()
		}
		time.Sleep(time.Millisecond)
		if err := c.Shutdown(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if err := <-puts; err != nil {
				t.Errorf("a write that was under way = %v, want it done", err)
			}
		}
		if got := w.End(); got != 10 {
			t.Errorf("the log ends at %d, want 10", got)
		}
		if err := c.Put(t.Context(), []byte("k"), nil); !errors.Is(err, kvstore.ErrClientClosed) || !errors.Is(err, kvstore.ErrNotWritten) {
			t.Errorf("Put after Shutdown = %v, want ErrClientClosed", err)
		}
	})
}

func TestShutdownIsBoundedByItsContext(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		hold := w.On(target("c")).Stall()
		defer hold.Undo()
		put := make(chan error, 1)
		go func() { put <- c.Put(t.Context(), []byte("k"), nil) }()
		time.Sleep(time.Second)
		var err error
		d := took(func() { err = c.Shutdown(w.within(2 * time.Second)) })
		if !errors.Is(err, context.DeadlineExceeded) || d > 2*time.Second+100*time.Millisecond {
			t.Errorf("Shutdown = %v after %v, want the deadline after 2s", err, d)
		}
		if err := <-put; !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kvstore.ErrClientClosed) {
			t.Errorf("the write under way = %v, want unknown and ErrClientClosed", err)
		}
	})
}

func TestNothingIsLeftWhenOpeningFails(t *testing.T) {
	// The bubble fails the test when a goroutine is left.
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.GrowPartitions(2)
		if _, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c")...); !errors.Is(err, kvstore.ErrTopicConfig) {
			t.Errorf("NewClient = %v, want ErrTopicConfig", err)
		}
		w.StopBroker(0)
		var err error
		d := took(func() {
			_, err = kvstore.NewClient(w.within(3*time.Second), topic, memory.New(), w.options("c")...)
		})
		if !errors.Is(err, context.DeadlineExceeded) || d > 3*time.Second+100*time.Millisecond {
			t.Errorf("NewClient without a broker = %v after %v, want the deadline after 3s", err, d)
		}
		if !strings.Contains(err.Error(), "refused") {
			t.Errorf("error %q does not name the cause", err)
		}
	})
}

// The client has fetched its first write and can't apply it. The log loses that
// write, and the second one gets its offset: then the first one is applied, and
// must not be taken for the second.
func TestWriteIsNotTakenForAnotherOneOfItsOwn(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		w.put(c, "k", "0")
		s.fail(errors.New("disk full"))
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- c.Put(w.within(time.Minute), []byte("k"), []byte("1")) }()
		w.eventually("the client has it", func() bool { return c.Status().State == kvstore.StateStalled })
		w.loseTail(1)
		go func() { second <- c.Put(w.within(time.Minute), []byte("k"), []byte("2")) }()
		w.eventually("the second is in the log", func() bool { return w.End() == 2 })
		time.Sleep(100 * time.Millisecond) // acknowledged
		s.fail(nil)
		<-first
		if err := <-second; err == nil {
			w.want(c, "k", "2")
		} else if !errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("the second Put = %v, want nil or unknown", err)
		}
	})
}

// The client is storing a record when the log loses it, and writes: its write gets the offset of that
// record, and is done when the client has found out and has reread the log.
func TestWriteAfterTheLossOfWhatIsBeingStoredIsDone(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		w.put(c, "k", "0")
		s.fail(errors.New("disk full"))
		w.produce(w.kafka("other"), record("x", "1"))
		w.eventually("the client has it", func() bool { return c.Status().State == kvstore.StateStalled })
		w.loseTail(1)
		result := make(chan error, 1)
		go func() {
			rev, err := c.PutRevision(w.within(time.Minute), []byte("k"), []byte("2"))
			if err == nil && rev != 1 {
				err = fmt.Errorf("revision %d, want 1", rev)
			}
			result <- err
		}()
		w.eventually("the write is in the log", func() bool { return w.End() == 2 })
		time.Sleep(100 * time.Millisecond) // acknowledged
		s.fail(nil)
		must(t, <-result)
		w.want(c, "k", "2")
	})
}

// As before, but it is the first write that is lost, and the second one gets its offset from the
// same producer: the client has not heard of the loss, and the leader has forgotten whose sequence
// numbers were the last.
func TestLostWriteIsNotTakenForTheNextOneOfItsClient(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		busy := make(chan struct{})
		c := w.open("c", kvstore.WithOnSetHook(func(k, _ []byte) {
			if string(k) == "slow" {
				<-busy
			}
		}))
		w.put(c, "k", "0")
		w.produce(w.kafka("other"), record("slow", "1"))
		synctest.Wait() // the client does not look at the log
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- c.Put(w.within(time.Minute), []byte("a"), []byte("1")) }()
		w.eventually("the first is in the log", func() bool { return w.End() == 3 })
		time.Sleep(100 * time.Millisecond) // acknowledged
		w.loseTail(2)
		w.ForgetProducers(kvstoretest.AcceptForgotten)
		go func() {
			second <- c.Batch().Put([]byte("b"), []byte("2")).Put([]byte("c"), []byte("3")).Execute(w.within(time.Minute))
		}()
		w.eventually("the second is in the log", func() bool { return w.End() == 4 })
		close(busy)
		must(t, <-second)
		wantOutcome(t, "the Put that was lost", <-first, kvstore.ErrOutcomeUnknown)
		w.want(c, "b", "2")
	})
}

// The client has not read its first write when the log loses it, and does not know that the same
// broker leads under another epoch: what is left of the log is all that it has read. The second
// write, at the same offset, is done when the client comes to it.
func TestWriteInPlaceOfAnUnreadOneIsDone(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		w.put(c, "k", "0")
		s.fail(errors.New("disk full"))
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- c.Put(w.within(time.Minute), []byte("a"), []byte("1")) }()
		w.eventually("the first is in the log", func() bool { return w.End() == 2 })
		time.Sleep(100 * time.Millisecond) // acknowledged, and being stored
		w.loseTail(1)
		w.ForgetProducers(kvstoretest.AcceptForgotten)
		go func() { second <- c.Put(w.within(time.Minute), []byte("b"), []byte("2")) }()
		w.eventually("the second is in the log", func() bool { return w.End() == 2 })
		time.Sleep(time.Second)
		s.fail(nil)
		must(t, <-second)
		<-first // it was shown, or lost
		must(t, c.Sync(w.within(time.Minute)))
		if got := w.contents(c); got != "b=2 k=0 " {
			t.Errorf("contents = %q", got)
		}
	})
}

// The context of a write ends while its client finds out why it was acknowledged below what had been
// read. That is what the error says: the write may well be in the log.
func TestWriteThatIsNotFoundOutAboutIsNotSaidToBeLost(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "k", "0")
		w.put(c, "k", "1")
		w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.OffsetForLeaderEpoch, kmsg.Fetch}}).Stall()
		w.loseTail(1)
		err := c.Put(w.within(5*time.Second), []byte("k"), []byte("2"))
		wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
		wantError(t, "Put", err, context.DeadlineExceeded)
	})
}

// A client is storing what the log has lost, and its writes are acknowledged at those offsets: one, and
// then three as one record batch. The log's start is deleted into the middle of that batch, which the
// log has nevertheless.
func TestWritesOfABatchInWhichTheLogBeginsAreDone(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		w.put(c, "k", "0")
		s.fail(errors.New("disk full"))
		for range 4 {
			w.produce(w.kafka("other"), record("x", "1"))
		}
		w.eventually("the client has it", func() bool { return c.Status().State == kvstore.StateStalled })
		w.loseTail(1)
		stalled := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Produce}}).Stall()
		results := map[string]chan error{}
		put := func(key string) {
			results[key] = make(chan error, 1)
			go func() { results[key] <- c.Put(w.within(time.Minute), []byte(key), []byte("2")) }()
			synctest.Wait()
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			put(key)
		}
		stalled.Undo()
		w.eventually("all are in the log", func() bool { return w.End() == 5 })
		if b := w.batches(); len(b) != 3 || len(b[2].Records) != 3 {
			t.Fatalf("batches = %v, want the last to have three records", b)
		}
		time.Sleep(100 * time.Millisecond) // acknowledged
		w.DeleteRecords(3)
		s.fail(nil)
		for _, key := range []string{"b", "c", "d"} {
			must(t, <-results[key])
		}
		err := <-results["a"]
		wantOutcome(t, "the Put whose record was deleted", err, kvstore.ErrOutcomeUnknown)
		if !strings.Contains(err.Error(), "offset 1, where the write was acknowledged") {
			t.Errorf("it says %q, want its own offset", err)
		}
	})
}

// The log loses a write that its client has not read, and compaction removes what others wrote in
// its place. The client finds nothing at its offset, as if compaction had removed the write.
func TestLostWriteIsNotTakenForACompactedOne(t *testing.T) {
	for name, tc := range map[string]struct {
		lost bool
		want error
	}{
		"lost, and what replaced it was compacted": {true, kvstore.ErrOutcomeUnknown},
		"compacted": {false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				busy := make(chan struct{})
				c, other := w.open("c", kvstore.WithOnSetHook(func(k, _ []byte) {
					if string(k) == "slow" {
						<-busy
					}
				})), w.kafka("other")
				w.produce(other, record("slow", "1"))
				synctest.Wait() // the client does not look at the log
				result := make(chan error, 1)
				go func() { result <- c.Put(w.within(time.Minute), []byte("a"), []byte("1")) }()
				w.eventually("the write is in the log", func() bool { return w.End() == 2 })
				time.Sleep(100 * time.Millisecond) // acknowledged
				if tc.lost {
					w.loseTail(1)
					w.produce(other, record("a", "2"))
				}
				w.produce(other, record("a", "3"))
				w.produce(other, record("b", "3"))
				w.Compact()
				close(busy)
				if err := <-result; !errors.Is(err, tc.want) {
					t.Errorf("Put = %v, want %v", err, tc.want)
				}
				w.want(c, "a", "3")
			})
		})
	}
}
