package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// breather is the pause between two faults: longer than a client waits before
// it tries again, or every try would meet the next fault.
const breather = 150 * time.Millisecond

// faults are what happens once and again while clients write: the nth time.
// Each returns when it is over, or when ctx ends.
var faults = map[string]func(ctx context.Context, w *world, n int) error{
	"lost answers": func(ctx context.Context, w *world, n int) error {
		return once(ctx, w.LoseAnswers(1+n%2), 1+n%2)
	},
	"lost requests": func(ctx context.Context, w *world, n int) error {
		return once(ctx, w.LoseRequests(1+n%2), 1+n%2)
	},
	"requests cut": func(ctx context.Context, w *world, _ int) error {
		return once(ctx, w.On(produceOf()).CutFrames(1, 0), 1)
	},
	"connections reset": func(_ context.Context, w *world, _ int) error {
		w.DropConnections()
		return nil
	},
	"leader moves": func(_ context.Context, w *world, n int) error {
		w.MoveLeader((n + 1) % 3)
		return nil
	},
	"leader moves and an answer is lost": func(ctx context.Context, w *world, n int) error {
		if err := once(ctx, w.LoseAnswers(1), 1); err != nil {
			return err
		}
		w.MoveLeader((n + 1) % 3)
		return nil
	},
	"leader is stopped": func(_ context.Context, w *world, n int) error {
		from := n % 3
		w.StopBroker(from)
		time.Sleep(20 * time.Millisecond)
		if w.Leader() == from {
			w.MoveLeader((from + 1) % 3)
		}
		time.Sleep(200 * time.Millisecond)
		w.StartBroker(from)
		return nil
	},
	"brokers restart": func(_ context.Context, w *world, _ int) error { w.RestartBrokers(); return nil },
	"brokers crash and an answer is lost": func(ctx context.Context, w *world, _ int) error {
		if err := once(ctx, w.LoseAnswers(1), 1); err != nil {
			return err
		}
		return w.cluster.Crash()
	},
	"NOT_ENOUGH_REPLICAS_AFTER_APPEND": failing(kerr.NotEnoughReplicasAfterAppend, true),
	"REQUEST_TIMED_OUT":                failing(kerr.RequestTimedOut, true),
	"NOT_ENOUGH_REPLICAS":              failing(kerr.NotEnoughReplicas, false),
	"NOT_LEADER_OR_FOLLOWER":           failing(kerr.NotLeaderForPartition, false),
	"UNKNOWN_TOPIC_OR_PARTITION":       failing(kerr.UnknownTopicOrPartition, false),
	"KAFKA_STORAGE_ERROR":              failing(kerr.KafkaStorageError, false),
}

func failing(err *kerr.Error, afterAppend bool) func(context.Context, *world, int) error {
	return func(ctx context.Context, w *world, n int) error {
		if afterAppend {
			return once(ctx, w.FailProducesAfterAppend(1+n%2, err), 1+n%2)
		}
		return once(ctx, w.FailProduces(1+n%2, err), 1+n%2)
	}
}

// once waits until a fault has taken effect n times.
func once(ctx context.Context, f *kvstoretest.Effect, n int) error {
	defer f.Undo()
	if err := f.TryWait(ctx, n); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// TestAcknowledgedWriteIsInTheLogOnce: four clients write while the world is
// against them. What was acknowledged is in the log once, at the revision that
// the client was told; what was not, is there at most once.
func TestAcknowledgedWriteIsInTheLogOnce(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(3), func(t *testing.T, w *world) {
				const clients, each = 4, 50
				acked := map[string]int64{}
				var mu sync.Mutex
				ctx, stop := context.WithCancel(t.Context())
				var disturbance, writers sync.WaitGroup
				for n := range clients {
					c := w.open(fmt.Sprint("c", n))
					writers.Go(func() {
						for i := range each {
							time.Sleep(20 * time.Millisecond)
							key := fmt.Sprintf("%d-%d", n, i)
							rev, err := c.PutRevision(w.within(time.Minute), []byte(key), []byte(key))
							if err != nil {
								if !errors.Is(err, kvstore.ErrOutcomeUnknown) {
									t.Errorf("%s: %v", key, err)
								}
								continue
							}
							mu.Lock()
							acked[key] = rev
							mu.Unlock()
						}
					})
				}
				met := 0
				disturbance.Go(func() {
					for ; ctx.Err() == nil; met++ {
						if err := fault(ctx, w, met); err != nil {
							t.Error(err)
						}
						time.Sleep(breather)
					}
				})
				writers.Wait()
				stop()
				disturbance.Wait()
				if met < 3 {
					t.Errorf("the writes met %d faults, the test means them to meet several", met)
				}
				if len(acked) < clients*each {
					t.Errorf("only %d of %d writes were acknowledged within a minute", len(acked), clients*each)
				}
				w.wantOnce(acked)
				reader := w.open("reader")
				for key := range acked {
					w.want(reader, key, key)
				}
			})
		})
	}
}

// wantOnce checks that the log has each acknowledged key once, at its revision,
// and every other key at most once.
func (w *world) wantOnce(acked map[string]int64) {
	w.t.Helper()
	at := map[string][]int64{}
	for _, r := range w.Log() {
		at[string(r.Key)] = append(at[string(r.Key)], r.Offset)
	}
	for key, rev := range acked {
		if got := at[key]; len(got) != 1 || got[0] != rev {
			w.t.Errorf("%s was acknowledged at revision %d; the log has it at %v", key, rev, got)
		}
	}
	for key, got := range at {
		if len(got) > 1 {
			w.t.Errorf("%s is in the log %d times: at %v", key, len(got), got)
		}
	}
}

// TestWriteThatWasNotAppendedIsNotAcknowledged: a leader that has answered and
// then loses its tail is another matter; here no broker ever has the record.
func TestWriteThatWasNotAppendedIsNotAcknowledged(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.FailProduces(0, kerr.NotEnoughReplicas)
		for op, write := range writes {
			if err := write(w.within(5*time.Second), c); err == nil {
				t.Errorf("%s was acknowledged; no broker has it", op)
			}
		}
		if end := w.End(); end != 0 {
			t.Errorf("the log ends at %d, want nothing in it", end)
		}
	})
}
