package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// A client whose fetches are delayed does not see by itself that the topic is another one.
func TestSyncDoesNotTrustARecreatedTopic(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for i := range 10 {
			w.put(c, "k", fmt.Sprint(i))
		}
		hold := w.On(onlyFetches("c")).Stall()
		defer hold.Undo()
		w.RecreateTopic()
		w.produce(w.kafka("other"), record("k", "new"))
		if err := c.Sync(w.within(40 * time.Second)); !errors.Is(err, kvstore.ErrTopicRecreated) {
			t.Errorf("Sync on a topic created anew = %v, want ErrTopicRecreated", err)
		}
		w.wantDead(c, kvstore.ErrTopicRecreated)
	})
}

func TestSyncWaitsUntilALostTailIsRebuilt(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for i := range 10 {
			w.put(c, "k", fmt.Sprint(i))
		}
		hold := w.On(onlyFetches("c")).Stall()
		w.loseTail(3)
		if err := c.Sync(w.within(5 * time.Second)); !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Sync while the loss can't be mended = %v, want the deadline because of ErrDataLoss", err)
		}
		hold.Undo()
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.want(c, "k", "2")
	})
}

// The answer to a request that names how long the broker may take must not be
// waited for that long on top.
func TestSyncRecoversSoonAfterALostAnswer(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.RequestTimeoutOverhead(2*time.Second)))
		w.put(c, "a", "1")
		hole := w.On(target("c")).BlackHole()
		if err := c.Sync(w.within(time.Second)); err == nil {
			t.Fatal("Sync through a black hole succeeded")
		}
		hole.Undo()
		d := took(func() {
			if err := c.Sync(w.within(time.Minute)); err != nil {
				t.Error(err)
			}
		})
		if d > 6*time.Second {
			t.Errorf("Sync took %v after the network was back, with a request timeout of 2s", d)
		}
	})
}

// The log lost its tail and others filled it up again, so that its end tells
// nothing.
func TestSyncWaitsUntilALostTailThatGrewAgainIsRebuilt(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.kafka("other")
		for i := range 10 {
			w.put(c, "k", fmt.Sprint(i))
		}
		hold := w.On(onlyFetches("c")).Stall()
		w.loseTail(3)
		for i := range 7 {
			w.produce(other, record("k", fmt.Sprint("new ", i)))
		}
		if err := c.Sync(w.within(5 * time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sync while the client reads the log before = %v, want the deadline", err)
		}
		hold.Undo()
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.want(c, "k", "new 6")
	})
}
