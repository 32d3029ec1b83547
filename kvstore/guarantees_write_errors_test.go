package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// What the error of an acknowledged write that does not become visible says: a
// revision, and ErrNotVisible, only while the offset is the write's.
func TestErrorOfAnAcknowledgedWriteNamesItsRevisionOnlyWhileItIsTheWrites(t *testing.T) {
	for what, tc := range map[string]struct {
		happens func(w *world, c *kvstore.Client, cancel func())
		cause   error
		named   bool
	}{
		"its caller gives up": {func(_ *world, _ *kvstore.Client, cancel func()) { cancel() }, context.Canceled, true},
		"the client closes":   {func(_ *world, c *kvstore.Client, _ func()) { _ = c.Close() }, kvstore.ErrClientClosed, true},
		"the log loses it": {func(w *world, _ *kvstore.Client, _ func()) {
			w.loseTail(2)
		}, kvstore.ErrDataLoss, false},
		"the log loses it and more": {func(w *world, _ *kvstore.Client, _ func()) {
			w.loseTail(1)
		}, kvstore.ErrDataLoss, false},
		"the log loses it and others write there": {func(w *world, _ *kvstore.Client, _ func()) {
			w.loseTail(2)
			other := w.open("other")
			w.put(other, "x", "1")
			w.put(other, "y", "1")
		}, kvstore.ErrDataLoss, false},
		"the topic is created anew": {func(w *world, _ *kvstore.Client, _ func()) {
			w.RecreateTopic()
		}, kvstore.ErrTopicRecreated, false},
		"the topic is deleted": {func(w *world, _ *kvstore.Client, _ func()) {
			w.deleteTopic()
		}, kvstore.ErrTopicDeleted, false},
	} {
		for op, write := range writes {
			t.Run(what+"/"+op, func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					c := w.open("c")
					w.put(c, "a", "1")
					w.put(c, "b", "1")
					hidden := w.hideLog("c")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					result := make(chan error, 1)
					go func() { result <- write(ctx, c) }()
					w.eventually("the write is in the log", func() bool { return w.End() == 3 })
					time.Sleep(100 * time.Millisecond)
					tc.happens(w, c, cancel)
					hidden.Undo()
					err := <-result
					wantOutcome(t, op, err, kvstore.ErrOutcomeUnknown)
					if !errors.Is(err, tc.cause) {
						t.Errorf("%s = %v, want the cause %v", op, err, tc.cause)
					}
					want := int64(-1)
					if tc.named {
						want = 2
					}
					var we *kvstore.WriteError
					if !errors.As(err, &we) {
						t.Fatalf("%s = %v, want a WriteError", op, err)
					}
					if we.Revision != want || errors.Is(err, kvstore.ErrNotVisible) != tc.named {
						t.Errorf("%s = %v, revision %d, ErrNotVisible %v; want %d, %v", op, err, we.Revision, errors.Is(err, kvstore.ErrNotVisible), want, tc.named)
					}
				})
			})
		}
	}
}

// A write was acknowledged and lost before its client read so far. What the old leader
// acknowledged says nothing of the new one's log: writes that are in that one are done, also
// those that get there before the client has found out about the loss.
func TestWritesAfterALostOneAreDone(t *testing.T) {
	for _, lost := range []int64{1, 2, 3} {
		for _, givenUp := range []bool{false, true} {
			for _, atOnce := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d lost, given up %v, at once %v", lost, givenUp, atOnce), func(t *testing.T) {
					inWorld(t, slow(3), func(t *testing.T, w *world) {
						c := w.open("c")
						w.put(c, "a", "1")
						w.put(c, "b", "1")
						hidden := w.hideLog("c")
						life := time.Minute
						if givenUp {
							life = time.Second
						}
						result := make(chan error, 1)
						go func() { result <- c.Put(w.within(life), []byte("k"), []byte("lost")) }()
						w.eventually("the write is in the log", func() bool { return w.End() == 3 })
						time.Sleep(2 * time.Second)
						w.loseTail(3 - lost)
						if atOnce { // the next write is in the log before the client can read
							time.Sleep(10 * time.Millisecond) // it knows that its connections are gone
							time.AfterFunc(100*time.Millisecond, hidden.Undo)
						} else {
							hidden.Undo()
						}
						switch {
						case atOnce:
						case lost == 1:
							time.Sleep(5 * time.Second) // the client has found the new leader
						default:
							w.eventually("the client has rebuilt", func() bool { return c.Status().Rebuilds == 1 && c.Status().State == kvstore.StateLive })
						}
						for i := range int64(4) {
							key := fmt.Sprint("after", i)
							if rev := w.put(c, key, "1"); rev != 3-lost+i {
								t.Errorf("%s has revision %d, want %d", key, rev, 3-lost+i)
							}
							w.want(c, key, "1")
						}
						wantOutcome(t, "Put that was lost", <-result, kvstore.ErrOutcomeUnknown)
					})
				})
			}
		}
	}
}

// Many write while the log loses its tail again and again: a write that says nil is in the log
// at its revision, and one that is there says so unless it was lost or its client can't know.
func TestWritesThroughLossesAreWhereTheySay(t *testing.T) {
	inWorld(t, slow(3), func(t *testing.T, w *world) {
		c := w.open("c")
		type done struct {
			key string
			rev int64
		}
		results := make(chan done, 1000)
		writers, lost := 8, make(chan struct{})
		var running sync.WaitGroup
		for i := range writers {
			running.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-lost:
						return
					default:
					}
					key := fmt.Sprintf("%d/%d", i, n)
					if rev, err := c.PutRevision(w.within(10*time.Second), []byte(key), []byte("v")); err == nil {
						results <- done{key, rev}
					} else if !errors.Is(err, kvstore.ErrOutcomeUnknown) {
						t.Errorf("Put(%s) = %v", key, err)
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for range 5 {
			time.Sleep(300 * time.Millisecond)
			for len(results) > 0 { // lost or not
				<-results
			}
			w.loseTail(max(0, w.End()-5))
		}
		time.Sleep(time.Second)
		close(lost)
		running.Wait()
		at := map[int64]string{}
		for _, r := range w.Log() {
			at[r.Offset] = string(r.Key)
		}
		n := len(results)
		if n < 4*writers {
			t.Errorf("%d writes were done after the last loss, want more", n)
		}
		for range n {
			if d := <-results; at[d.rev] != d.key {
				t.Errorf("%s was said to be at %d, where %q is", d.key, d.rev, at[d.rev])
			}
		}
	})
}
