package kvstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// writes are the operations that write, each to the key "k".
var writes = map[string]func(ctx context.Context, c *kvstore.Client) error{
	"Put":     waits["Put"],
	"Delete":  waits["Delete"],
	"Execute": waits["Execute"],
}

// produceOf selects the produce requests of clients.
func produceOf(clients ...string) kvstoretest.Traffic {
	return kvstoretest.Traffic{Clients: clients, APIs: []kmsg.Key{kmsg.Produce}}
}

// holdProduces makes the broker sit on produce requests until undone.
func (w *world) holdProduces() *kvstoretest.Effect {
	w.t.Helper()
	return w.On(kvstoretest.Traffic{Dir: kvstoretest.ToBroker, APIs: []kmsg.Key{kmsg.Produce}}).Stall()
}

// hideLog keeps a client from reading the log until undone, so that the log can't tell the
// outcome of a write.
func (w *world) hideLog(client string) *kvstoretest.Effect {
	w.t.Helper()
	return w.On(onlyFetches(client)).Stall()
}

// random returns bytes that no compression makes smaller.
func random(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestWriteThatQueuesIsNotWrittenWhenItsContextEnds(t *testing.T) {
	for op, write := range writes {
		t.Run(op, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				hold := w.holdProduces()
				var wg sync.WaitGroup
				wg.Go(func() { w.put(c, "first", "1") })
				hold.Wait(1)
				err := w.promptly(time.Second, func(ctx context.Context) error { return write(ctx, c) })
				wantOutcome(t, op, err, kvstore.ErrNotWritten)
				if !errors.Is(err, errGaveUp) {
					t.Errorf("%s = %v, want the cause of its context's end", op, err)
				}
				hold.Undo()
				wg.Wait()
				w.put(c, "last", "1")
				if n := w.countKeys()["k"]; n != 0 {
					t.Errorf("the write is in the log %d times, want never", n)
				}
			})
		})
	}
}

func TestWriteIsNotWrittenWhenItsContextHasEndedBefore(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errGaveUp)
		for op, write := range writes {
			err := write(ctx, c)
			wantOutcome(t, op, err, kvstore.ErrNotWritten)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, errGaveUp) {
				t.Errorf("%s = %v, want the context's error and its cause", op, err)
			}
		}
		time.Sleep(time.Second)
		if end := w.End(); end != 0 {
			t.Errorf("the log ends at %d, want nothing in it", end)
		}
	})
}

// TestWriteOnItsWayIsUnknownAndInTheLogOnce: the broker gets the write after its
// caller has gone, or had it before, and it is there once.
func TestWriteOnItsWayIsUnknownAndInTheLogOnce(t *testing.T) {
	for what, begin := range map[string]func(w *world) (end func()){
		"broker slow": func(w *world) func() { return w.holdProduces().Undo },
		"answers lost": func(w *world) func() {
			lost, hidden := w.LoseAnswers(0, "c"), w.hideLog("c")
			return func() { lost.Undo(); hidden.Undo() }
		},
	} {
		for op, write := range writes {
			t.Run(what+"/"+op, func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					c := w.open("c")
					end := begin(w)
					err := w.promptly(time.Second, func(ctx context.Context) error { return write(ctx, c) })
					wantOutcome(t, op, err, kvstore.ErrOutcomeUnknown)
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errGaveUp) {
						t.Errorf("%s = %v, want the deadline and its cause", op, err)
					}
					if errors.Is(err, kvstore.ErrNotVisible) {
						t.Errorf("%s = %v: it was not acknowledged", op, err)
					}
					end()
					w.put(c, "last", "1")
					if n := w.countKeys()["k"]; n != 1 {
						t.Errorf("the write is in the log %d times, want once", n)
					}
				})
			})
		}
	}
}

// TestAcknowledgedWriteThatIsNotVisibleYetSaysSo: the third case of an unknown
// outcome, told apart by ErrNotVisible and the revision.
func TestAcknowledgedWriteThatIsNotVisibleYetSaysSo(t *testing.T) {
	for op, write := range writes {
		t.Run(op, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				fetches := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Fetch}}).Stall()
				err := w.promptly(time.Second, func(ctx context.Context) error { return write(ctx, c) })
				wantOutcome(t, op, err, kvstore.ErrOutcomeUnknown)
				var we *kvstore.WriteError
				if !errors.Is(err, kvstore.ErrNotVisible) || !errors.As(err, &we) || we.Revision != 0 {
					t.Fatalf("%s = %v, want ErrNotVisible at revision 0", op, err)
				}
				fetches.Undo()
				if err := c.WaitRevision(t.Context(), we.Revision); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRefusedWriteSaysWhyAndIsNotInTheLog(t *testing.T) {
	limited := slow(1, kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "2000"}))
	big := random(3000)
	denied := func(err *kerr.Error) func(*testing.T, *world) error {
		return func(t *testing.T, w *world) error {
			c := w.open("c")
			w.FailProduces(0, err)
			return c.Put(t.Context(), []byte("k"), nil)
		}
	}
	for what, tc := range map[string]struct {
		write func(*testing.T, *world) error
		want  error
		says  string
	}{
		"nil key": {func(t *testing.T, w *world) error {
			c := w.open("c")
			return c.Put(t.Context(), nil, []byte("v"))
		}, kvstore.ErrInvalidKey, "invalid key"},
		"value too large": {func(t *testing.T, w *world) error {
			c := w.open("c")
			return c.Put(t.Context(), []byte("k"), big)
		}, kvstore.ErrValueTooLarge, "limit is 2000"},
		"key too large": {func(t *testing.T, w *world) error {
			c := w.open("c")
			return c.Delete(t.Context(), big)
		}, kvstore.ErrValueTooLarge, "limit is 2000"},
		"batch too large": {func(t *testing.T, w *world) error {
			c := w.open("c")
			return c.Batch().Put([]byte("k"), big[:1500]).Put([]byte("l"), big[1500:]).Execute(t.Context())
		}, kvstore.ErrBatchTooLarge, "limit is 2000"},
		"read-only": {func(t *testing.T, w *world) error {
			c := w.open("c", kvstore.WithReadOnly())
			return c.Put(t.Context(), []byte("k"), nil)
		}, kvstore.ErrReadOnly, "read-only"},
		"no right to the topic":   {denied(kerr.TopicAuthorizationFailed), kerr.TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED"},
		"no right to the cluster": {denied(kerr.ClusterAuthorizationFailed), kerr.ClusterAuthorizationFailed, "CLUSTER_AUTHORIZATION_FAILED"},
		"invalid record":          {denied(kerr.InvalidRecord), kerr.InvalidRecord, "INVALID_RECORD"},
		"policy":                  {denied(kerr.PolicyViolation), kerr.PolicyViolation, "POLICY_VIOLATION"},
		"too large for broker":    {denied(kerr.MessageTooLarge), kvstore.ErrValueTooLarge, "MESSAGE_TOO_LARGE"},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, limited, func(t *testing.T, w *world) {
				err := tc.write(t, w)
				wantOutcome(t, what, err, kvstore.ErrRefused)
				if !errors.Is(err, tc.want) {
					t.Errorf("error = %v, want %v", err, tc.want)
				}
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error = %v, want it to say %q", err, tc.says)
				}
				if end := w.End(); end != 0 {
					t.Errorf("the log ends at %d, want nothing in it", end)
				}
			})
		})
	}
}

// secured is a cluster whose client "c" has the rights in ops on the topic.
func secured(configs map[string]string) []kvstoretest.Option {
	return slow(1, kvstoretest.WithUsers(map[string]string{"ann": "secret"}), kvstoretest.WithTopicConfig(configs))
}

// TestWriteWithoutTheRightIsRefused: by the broker itself, not by a fault.
func TestWriteWithoutTheRightIsRefused(t *testing.T) {
	inWorld(t, secured(nil), func(t *testing.T, w *world) {
		w.Allow("ann", kmsg.ACLOperationRead, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs)
		c := w.open("c", w.As("ann"))
		for op, write := range writes {
			err := write(w.within(time.Minute), c)
			wantOutcome(t, op, err, kvstore.ErrRefused)
			if !errors.Is(err, kerr.ClusterAuthorizationFailed) && !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("%s = %v, want the broker's authorisation error", op, err)
			}
		}
		// A right that is given later is used without another client.
		w.Allow("ann", kmsg.ACLOperationWrite)
		w.put(c, "k", "v")
		w.want(c, "k", "v")
		w.Revoke("ann", kmsg.ACLOperationWrite)
		err := c.Put(w.within(time.Minute), []byte("k"), []byte("w"))
		wantOutcome(t, "Put after the right was revoked", err, kvstore.ErrRefused)
		if !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Put = %v, want TOPIC_AUTHORIZATION_FAILED", err)
		}
		if end := w.End(); end != 1 {
			t.Errorf("the log ends at %d, want 1", end)
		}
	})
}

// TestRefusalAfterAnUnansweredTryIsUnknown: the first try was sent and not answered, and may
// still arrive; what the broker says to the second does not undo that.
func TestRefusalAfterAnUnansweredTryIsUnknown(t *testing.T) {
	for _, second := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord, kerr.PolicyViolation} {
		for op, write := range writes {
			t.Run(second.Message+"/"+op, func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					c := w.open("c")
					lost := w.LoseRequests(1, "c")
					result := make(chan error)
					go func() { result <- write(w.within(time.Minute), c) }()
					lost.Wait(1)
					w.FailProduces(1, second)
					err := <-result
					wantOutcome(t, op, err, kvstore.ErrOutcomeUnknown)
					if !errors.Is(err, second) {
						t.Errorf("%s = %v, want the cause %v", op, err, second)
					}
					if n := w.countKeys()["k"]; n != 0 {
						t.Errorf("the write is in the log %d times, want never", n)
					}
				})
			})
		}
	}
}

// TestWriteAfterFailedOnesGoesThrough: whatever the outcome of a write, the client goes on
// to write.
func TestWriteAfterFailedOnesGoesThrough(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for i, refused := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord} {
			w.FailProduces(1, refused)
			if err := c.Put(w.within(time.Minute), []byte("x"), nil); !errors.Is(err, kvstore.ErrRefused) {
				t.Errorf("Put = %v, want it refused", err)
			}
			key := fmt.Sprint("a", i)
			w.put(c, key, "1")
			w.want(c, key, "1")
			hidden := w.hideLog("c")
			lost := w.LoseAnswers(1, "c")
			result := make(chan error)
			go func() { result <- c.Put(w.within(time.Minute), []byte("y"), nil) }()
			lost.Wait(1)
			if err := <-result; !errors.Is(err, kvstore.ErrOutcomeUnknown) {
				t.Errorf("Put = %v, want it unknown", err)
			}
			hidden.Undo()
			key = fmt.Sprint("b", i)
			w.put(c, key, "1")
			w.want(c, key, "1")
		}
		for key, n := range w.countKeys() {
			want := 1
			if key == "y" {
				want = 3
			}
			if n != want {
				t.Errorf("%s is in the log %d times, want %d", key, n, want)
			}
		}
	})
}

// TestTooLargeWriteFailsNoOther: the client that can't read the topic's
// limit learns of it from the broker, for a record batch that holds other writes
// too.
func TestTooLargeWriteFailsNoOther(t *testing.T) {
	const limit = 2000
	for what, known := range map[string]bool{"limit known": true, "limit not readable": false} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, secured(map[string]string{"max.message.bytes": fmt.Sprint(limit)}), func(t *testing.T, w *world) {
				w.Allow("ann", kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
				if known {
					w.Allow("ann", kmsg.ACLOperationDescribeConfigs)
				}
				c := w.open("c", w.As("ann"))
				hold := w.holdProduces()
				var wg sync.WaitGroup
				wg.Go(func() { w.put(c, "first", "1") })
				hold.Wait(1)
				// These go in one record batch, if the client lets them.
				results := make([]error, 9)
				for n := range results {
					value := random(100)
					if n == 4 {
						value = random(limit + 1)
					}
					wg.Go(func() { results[n] = c.Put(w.within(time.Minute), fmt.Append(nil, "k", n), value) })
					time.Sleep(time.Millisecond)
				}
				hold.Undo()
				wg.Wait()
				for n, err := range results {
					if n != 4 {
						if err != nil {
							t.Errorf("Put of the small value %d = %v", n, err)
						}
						continue
					}
					wantOutcome(t, "Put of the large value", err, kvstore.ErrRefused)
					var size *kvstore.SizeError
					if !errors.Is(err, kvstore.ErrValueTooLarge) || !errors.As(err, &size) {
						t.Fatalf("Put of the large value = %v, want ErrValueTooLarge with a SizeError", err)
					}
					if known && (size.Limit != limit || size.Bytes <= limit || !strings.Contains(err.Error(), "2000")) {
						t.Errorf("error = %v, want it to name the limit %d", err, limit)
					}
					if !known && !errors.Is(err, kerr.MessageTooLarge) {
						t.Errorf("error = %v, want the broker's MESSAGE_TOO_LARGE", err)
					}
				}
				counts := w.countKeys()
				for n := range results {
					want := 1
					if n == 4 {
						want = 0
					}
					if got := counts[fmt.Sprint("k", n)]; got != want {
						t.Errorf("k%d is in the log %d times, want %d", n, got, want)
					}
				}
			})
		})
	}
}

// TestLargestValueFits: what the client lets through at the limit, the broker
// takes; one byte more is refused with the numbers.
func TestLargestValueFits(t *testing.T) {
	opts := slow(1, kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "10000"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
		value := random(10000)
		largest := largestThat(len(value), func(n int) error { return c.Put(t.Context(), []byte("k"), value[:n]) })
		if got := w.largestBatch(); got != 10000 {
			t.Errorf("the largest value that was let through takes %d bytes, want one of exactly 10000", got)
		}
		end := w.End()
		err := c.Put(t.Context(), []byte("k"), value[:largest+1])
		var size *kvstore.SizeError
		if !errors.Is(err, kvstore.ErrValueTooLarge) || !errors.As(err, &size) || size.Bytes != 10001 || size.Limit != 10000 {
			t.Errorf("one byte more = %v, want ErrValueTooLarge with 10001 bytes of 10000", err)
		}
		wantOutcome(t, "Put", err, kvstore.ErrRefused)
		if got := w.End(); got != end {
			t.Errorf("a refused value moved the log's end from %d to %d", end, got)
		}
		w.put(c, "k", string(value[:largest]))
		if got, err := c.Get(t.Context(), []byte("k")); err != nil || !bytes.Equal(got, value[:largest]) {
			t.Errorf("the largest value does not come back: %d bytes, %v", len(got), err)
		}
	})
}

// largestThat returns the largest n up to limit for which try works.
func largestThat(limit int, try func(n int) error) int {
	low, high := 0, limit
	for low < high {
		mid := (low + high + 1) / 2
		if try(mid) == nil {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}
