package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// The leader accepts connections and answers nothing. No request has failed yet when the contexts of
// callers end: they are told which one has no answer.
func TestWaitsAtASilentLeaderNameTheRequest(t *testing.T) {
	for _, brokers := range []int{1, 2, 3} {
		for _, d := range []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 2 * time.Minute} {
			t.Run(fmt.Sprint(brokers, "/", d), func(t *testing.T) {
				inWorld(t, slow(brokers), func(t *testing.T, w *world) {
					w.Append(kvstoretest.Set("a", "1"))
					c := w.open("c")
					defer w.Silence(0).Undo()
					_, err := kvstore.NewClient(w.within(d), topic, memory.New(), w.options("new")...)
					for op, err := range map[string]error{
						"NewClient": err, "Sync": c.Sync(w.within(d)), "WaitRevision": c.WaitRevision(w.within(d), 1),
					} {
						we, ok := errors.AsType[*kvstore.WaitError](err)
						if !ok || we.Cause == nil || we.Count < 1 || d < 10*time.Second && !strings.Contains(err.Error(), "no answer of ") {
							t.Errorf("%s = %v, want it to say who has not answered what", op, err)
						}
					}
					if err := c.Put(w.within(d), []byte("b"), nil); err == nil || d < 10*time.Second && !strings.Contains(err.Error(), " broker ") {
						t.Errorf("Put = %v, want it to name the broker", err)
					}
				})
			})
		}
	}
}

// A kind of request has no answer.
func TestWaitsForOneKindOfRequestNameIt(t *testing.T) {
	for _, api := range []kmsg.Key{kmsg.Metadata, kmsg.DescribeConfigs, kmsg.CreateTopics, kmsg.ListOffsets, kmsg.Fetch} {
		t.Run(api.Name(), func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				stall := w.On(kvstoretest.Traffic{APIs: []kmsg.Key{api}}).Stall()
				began := time.Now()
				_, err := kvstore.NewClient(w.within(3*time.Second), topic, memory.New(), w.options("c")...)
				we, ok := errors.AsType[*kvstore.WaitError](err)
				if want := " to " + api.Name() + " for "; !ok || we.Cause == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("NewClient = %v after %v, want it to say %q", err, time.Since(began), want)
				}
				stall.Undo()
			})
		})
	}
}

// An answer that is late by less than anyone would notice is no cause, nor is a fetch that waits for
// records.
func TestFetchThatWaitsForRecordsIsNoCause(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		for i := range 40 {
			err := c.WaitRevision(w.within(time.Duration(1+i*50)*time.Millisecond), 7)
			if err == nil || strings.Contains(err.Error(), "no answer of ") {
				t.Errorf("WaitRevision for what is not written = %v, want nothing of a request in it", err)
			}
		}
	})
}
