package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// unsents keep a client's first write from being sent, or every broker from appending it.
var unsents = map[string]func(w *world) (end func()){
	"no producer id": func(w *world) func() {
		return w.On(requests(kmsg.InitProducerID)).Stall().Undo
	},
	"the answer with the producer id is lost": func(w *world) func() {
		return w.On(requests(kmsg.InitProducerID)).LoseAnswers(0).Undo
	},
	"nobody answers": func(w *world) func() {
		return w.On(target("c")).BlackHole().Undo
	},
	"no leader is named": func(w *world) func() {
		stall := w.On(requests(kmsg.Metadata)).Stall()
		w.DropConnections("c")
		return stall.Undo
	},
	"the broker is stopped": func(w *world) func() {
		w.StopBroker(0)
		return func() {
			w.StartBroker(0)
		}
	},
	"too few replicas are in sync": func(w *world) func() {
		return w.OutOfSync(0).Undo
	},
}

func requests(key kmsg.Key) kvstoretest.Traffic {
	return kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{key}}
}

func unsentWorld() []kvstoretest.Option {
	return slow(1, kvstoretest.WithTopicConfig(map[string]string{"min.insync.replicas": "1"}))
}

// A write of which nothing was sent, or nothing appended, is not written when its context
// ends, also the one in front of the queue, and nothing of it is sent later.
func TestWriteThatWasNeverSentIsNotWrittenWhenItsContextEnds(t *testing.T) {
	for what, begin := range unsents {
		for op, write := range writes {
			t.Run(what+"/"+op, func(t *testing.T) {
				inWorld(t, unsentWorld(), func(t *testing.T, w *world) {
					c := w.open("c")
					end := begin(w)
					err := w.promptly(2*time.Second, func(ctx context.Context) error { return write(ctx, c) })
					wantOutcome(t, op, err, kvstore.ErrNotWritten)
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errGaveUp) {
						t.Errorf("%s = %v, want the deadline and its cause", op, err)
					}
					end()
					w.put(c, "last", "1")
					time.Sleep(3 * time.Minute)
					if n := w.countKeys()["k"]; n != 0 {
						t.Errorf("the write is in the log %d times, want never", n)
					}
				})
			})
		}
	}
}

// Those who share a batch with a write that is withdrawn are written.
func TestWithdrawnWriteTakesNoOtherAlong(t *testing.T) {
	inWorld(t, unsentWorld(), func(t *testing.T, w *world) {
		c := w.open("c")
		end := unsents["too few replicas are in sync"](w)
		var wg sync.WaitGroup
		gone := func(key string, after time.Duration) {
			wg.Go(func() {
				err := w.promptly(after, func(ctx context.Context) error { return c.Put(ctx, []byte(key), nil) })
				wantOutcome(t, "Put", err, kvstore.ErrNotWritten)
			})
		}
		gone("front", 500*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		for i := range 10 { // these get to the front together
			wg.Go(func() { w.put(c, fmt.Sprint("stays", i), "1") })
			gone(fmt.Sprint("goes", i), 2*time.Second)
		}
		time.Sleep(3 * time.Second)
		end()
		wg.Wait()
		keys := w.countKeys()
		if keys["front"] != 0 {
			t.Errorf("front is in the log %d times, want never", keys["front"])
		}
		for i := range 10 {
			if stays, goes := keys[fmt.Sprint("stays", i)], keys[fmt.Sprint("goes", i)]; stays != 1 || goes != 0 {
				t.Errorf("writes %d are in the log %d and %d times, want once and never", i, stays, goes)
			}
		}
	})
}
