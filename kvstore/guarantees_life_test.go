package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A write that its caller gave up does not come hours later, when others have
// written newer values.
func TestWriteDoesNotOutliveItsTime(t *testing.T) {
	for what, tc := range map[string]struct {
		away    func(w *world) (back func())
		outcome error // of the one that is on its way all the time
	}{
		"brokers stopped": {func(w *world) func() {
			w.StopBroker(0)
			return func() {
				w.StartBroker(0)
			}
		}, kvstore.ErrOutcomeUnknown}, // the first try went to a connection that was closed
		"requests held in the network": {func(w *world) func() {
			return w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Produce}, Dir: kvstoretest.ToBroker}).Stall().Undo
		}, kvstore.ErrOutcomeUnknown},
		"requests lost": {func(w *world) func() {
			return w.LoseRequests(0, "c").Undo
		}, kvstore.ErrOutcomeUnknown},
		"too few replicas": {func(w *world) func() { return w.FailProduces(0, kerr.NotEnoughReplicas).Undo }, kvstore.ErrNotWritten},
		"not the leader":   {func(w *world) func() { return w.FailProduces(0, kerr.NotLeaderForPartition).Undo }, kvstore.ErrNotWritten},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				w.put(c, "warm", "up")
				back := tc.away(w)
				began := time.Now()
				results := make(chan error, 3)
				go func() { results <- c.Put(context.Background(), []byte("k"), []byte("stays")) }()
				time.Sleep(time.Second)
				for range 2 {
					err := c.Put(w.within(time.Second), []byte("k"), []byte("given up"))
					wantOutcome(t, "Put that queued", err, kvstore.ErrNotWritten)
				}
				go func() { results <- c.Put(context.Background(), []byte("k"), []byte("queues")) }()
				err := <-results
				wantOutcome(t, "Put that waited", err, tc.outcome)
				if took := time.Since(began); took != 2*time.Minute {
					t.Errorf("the write lived for %v, want two minutes", took)
				}
				if !errors.Is(err, kvstore.ErrDeliveryTimeout) {
					t.Errorf("Put = %v, want ErrDeliveryTimeout", err)
				}
				if err := <-results; !errors.Is(err, kvstore.ErrDeliveryTimeout) {
					t.Errorf("Put that queued = %v, want ErrDeliveryTimeout", err)
				}
				if n := w.logged("gave up writes"); n == 0 {
					t.Error("the end of the writes was not logged")
				}
				time.Sleep(time.Hour)
				back()
				time.Sleep(time.Hour)
				if n := w.countKeys()["k"]; n != 0 {
					t.Errorf("the writes came back: k is in the log %d times", n)
				}
				w.put(c, "k", "new")
				w.want(c, "k", "new")
			})
		})
	}
}

// A write that seems too large waits until the client knows whether the limit was raised. That is a
// part of its life.
func TestLifeOfAWriteBeginsWithItsCall(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.AlterTopic(map[string]string{"max.message.bytes": "1000"})
		c := w.open("c", kvstore.WithDeliveryTimeout(3*time.Second))
		w.put(c, "warm", "up")
		w.AlterTopic(map[string]string{"max.message.bytes": "65536"})
		w.StopBroker(0)
		result := make(chan error, 1)
		go func() { result <- c.Put(context.Background(), []byte("k"), make([]byte, 2000)) }()
		time.Sleep(3500 * time.Millisecond)
		w.StartBroker(0)
		err := <-result
		wantOutcome(t, "Put that waited for the limit for as long as it lives", err, kvstore.ErrNotWritten)
		time.Sleep(time.Minute)
		if end := w.End(); end != 1 {
			t.Errorf("the log ends at %d, want 1: a write outlived its time", end)
		}
	})
}

// The end is logged also when nobody waits any more.
func TestEndOfAWriteThatWasGivenUpIsLogged(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithDeliveryTimeout(10*time.Second))
		lost := w.LoseRequests(0, "c")
		defer lost.Undo()
		err := c.Put(w.within(time.Second), []byte("k"), nil)
		wantOutcome(t, "Put that was given up", err, kvstore.ErrOutcomeUnknown)
		time.Sleep(8900 * time.Millisecond)
		if n := w.logged("gave up writes"); n != 0 {
			t.Errorf("the write was given up before its end: %q", w.logs.all())
		}
		time.Sleep(200 * time.Millisecond)
		if n := w.logged("gave up writes", "outcome unknown", "10s"); n != 1 {
			t.Errorf("the end was logged %d times, want once: %q", n, w.logs.all())
		}
	})
}

// A write's life ends for itself, not for those that go with it or behind it, when
// it is certain that nothing was appended.
func TestEndOfOneWriteEndsNoOther(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithDeliveryTimeout(10*time.Second), pause(100*time.Millisecond))
		few := w.FailProduces(0, kerr.NotEnoughReplicas)
		results := make([]error, 6)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = c.Put(t.Context(), fmt.Append(nil, "k", i), nil) })
			time.Sleep(time.Second)
		}
		time.Sleep(7500 * time.Millisecond) // those of the first four seconds are over
		few.Undo()
		wg.Wait()
		counts := w.countKeys()
		for i, err := range results {
			key := fmt.Sprint("k", i)
			if i < 4 {
				wantOutcome(t, key, err, kvstore.ErrNotWritten)
				if !errors.Is(err, kvstore.ErrDeliveryTimeout) || !errors.Is(err, kerr.NotEnoughReplicas) || counts[key] != 0 {
					t.Errorf("%s = %v, %d times in the log; want it to end with its cause", key, err, counts[key])
				}
			} else if err != nil || counts[key] != 1 {
				t.Errorf("%s = %v, %d times in the log; want it written", key, err, counts[key])
			}
		}
	})
}

// pause is the option that waits so long after each failure.
func pause(d time.Duration) kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.RetryBackoffFn(func(int) time.Duration { return d }))
}

// A write that shares a record batch with one in doubt is in doubt with it.
func TestGroupInDoubtEndsTogether(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithDeliveryTimeout(10*time.Second))
		hold := w.holdProduces()
		results := make(chan error, 3)
		for i := range 3 {
			go func() { results <- c.Put(t.Context(), fmt.Append(nil, "k", i), nil) }()
			time.Sleep(time.Second)
		}
		hold.Wait(1)
		w.LoseRequests(0, "c")
		hold.Undo()
		began := time.Now()
		for range 3 {
			if err := <-results; err != nil {
				wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the writes ended after %v", took)
		}
	})
}

func TestDeliveryTimeoutOfTheStoreGoesBeforeThatOfKgo(t *testing.T) {
	for what, tc := range map[string]struct {
		opts []kvstore.ClientOption
		want time.Duration
	}{
		"default": {nil, 2 * time.Minute},
		"store":   {[]kvstore.ClientOption{kvstore.WithDeliveryTimeout(3 * time.Second)}, 3 * time.Second},
		"kgo":     {[]kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.RecordDeliveryTimeout(5 * time.Second))}, 5 * time.Second},
		"both": {[]kvstore.ClientOption{
			kvstore.WithDeliveryTimeout(3 * time.Second), kvstore.WithKafkaOptions(kgo.RecordDeliveryTimeout(5 * time.Second)),
		}, 3 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c", tc.opts...)
				w.FailProduces(0, kerr.NotEnoughReplicas)
				var err error
				if d := took(func() { err = c.Put(t.Context(), []byte("k"), nil) }); d != tc.want {
					t.Errorf("the write lived for %v, want %v", d, tc.want)
				}
				if !errors.Is(err, kvstore.ErrDeliveryTimeout) {
					t.Errorf("Put = %v", err)
				}
			})
		})
	}
}

func TestDeliveryTimeoutNeedsTime(t *testing.T) {
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		inWorld(t, withTopic(1), func(t *testing.T, w *world) {
			c, err := kvstore.NewClient(w.within(time.Minute), topic, newPlain(), w.options("c", kvstore.WithDeliveryTimeout(d))...)
			if err == nil {
				_ = c.Close()
				t.Errorf("WithDeliveryTimeout(%v) was taken", d)
			}
		})
	}
}

// The topic disappears permanently while a write is on its way.
func TestEndOfTheClientEndsTheWriteOnItsWay(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		few := w.FailProduces(0, kerr.NotEnoughReplicas)
		defer few.Undo()
		result := make(chan error, 1)
		go func() { result <- c.Put(t.Context(), []byte("k"), nil) }()
		time.Sleep(time.Second)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, kvstore.ErrClientClosed) || !errors.Is(err, kvstore.ErrNotWritten) {
			t.Errorf("Put = %v, want it not written, because the client is closed", err)
		}
	})
}
