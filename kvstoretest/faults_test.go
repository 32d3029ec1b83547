package kvstoretest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// putFor puts with a deadline and returns the error.
func putFor(t testing.TB, d time.Duration, kv *kvstore.Client, key, value string) error {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return kv.Put(ctx, []byte(key), []byte(value))
}

// simulated runs a test in a bubble with a kit of three brokers, of which 0
// leads, and two clients.
func simulated(t *testing.T, fn func(t *testing.T, kit *Kit, a, b *kvstore.Client)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithBrokers(3))
		fn(t, kit, kit.Open("a"), kit.Open("b"))
	})
}

func wantHits(t *testing.T, f *Effect, want int) {
	t.Helper()
	if got := f.Hits(); got != want {
		t.Errorf("Hits of %q = %d, want %d", f, got, want)
	}
}

func TestLagDelaysWhatOneClientReads(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		lag := kit.Lag(9*time.Second, "b")
		start := time.Now()
		rev := put(t, a, "k", "v")
		if d := time.Since(start); d > time.Second {
			t.Errorf("Put of the other client took %v", d)
		}
		kit.WantMissing(b, "k")
		if err := b.WaitRevision(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < 9*time.Second || d > 10*time.Second {
			t.Errorf("the lagging client saw it after %v, want 9s", d)
		}
		wantHits(t, lag, 1)
	})
}

func TestPausedFetchesComeWhenUndone(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		pause := kit.PauseFetches("b")
		put(t, a, "k", "v")
		pause.Wait(1)
		time.Sleep(time.Hour)
		kit.WantMissing(b, "k")
		pause.Undo()
		pause.Undo()
		kit.CaughtUp(b)
		kit.WantValue(b, "k", "v")
	})
}

func TestLatencyDelaysWrites(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		slow := kit.Latency(time.Second, "a")
		start := time.Now()
		put(t, b, "k", "v")
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Put of the other client took %v", d)
		}
		start = time.Now()
		put(t, a, "k", "v")
		if d := time.Since(start); d < 2*time.Second {
			t.Errorf("Put took %v, want two seconds at least", d)
		}
		slow.Wait(2)
		slow.Undo()
		put(t, a, "k", "v") // what is under way keeps its delay
		start = time.Now()
		put(t, a, "k", "v")
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Put after the undo took %v", d)
		}
	})
}

func TestFailedProducesAreRetriedOrReported(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		retried := kit.FailProduces(2, kerr.NotEnoughReplicas)
		put(t, a, "k", "1")
		wantHits(t, retried, 2)
		retried.Wait(2)

		refused := kit.FailProduces(1, kerr.TopicAuthorizationFailed)
		err := putFor(t, time.Minute, a, "k", "2")
		if errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Put = %v, want TOPIC_AUTHORIZATION_FAILED, and certainly not written", err)
		}
		wantHits(t, refused, 1)
		put(t, a, "k", "3")
		kit.WantSnapshot(map[string]string{"k": "3"})
		if got := len(kit.Log()); got != 2 {
			t.Errorf("%d records in the log, want 2", got)
		}
	})
}

func TestFailureAfterAppendIsNoDuplicate(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		f := kit.FailProducesAfterAppend(1, kerr.RequestTimedOut)
		put(t, a, "k", "v")
		wantHits(t, f, 1)
		if got := len(kit.Log()); got != 1 {
			t.Errorf("%d records in the log, want 1:\n%v", got, kit.Log())
		}
	})
}

func TestLostAnswerIsNoDuplicate(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		f := kit.LoseAnswers(1, "a")
		put(t, a, "k", "v")
		wantHits(t, f, 1)
		if got := len(kit.Log()); got != 1 {
			t.Errorf("%d records in the log, want 1:\n%v", got, kit.Log())
		}
	})
}

func TestLostAnswersLeaveTheOutcomeUnknown(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		f := kit.LoseAnswers(0, "a")
		pause := kit.PauseFetches("a")
		if err := putFor(t, time.Second, a, "k", "v"); !errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("Put = %v, want ErrOutcomeUnknown", err)
		}
		f.Wait(1)
		kit.WantSnapshot(map[string]string{"k": "v"})
		f.Undo()
		pause.Undo()
		kit.CaughtUp(a)
		kit.WantValue(a, "k", "v")
	})
}

func TestLostRequestIsSentAgain(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		f := kit.LoseRequests(1, "a")
		put(t, a, "k", "v")
		wantHits(t, f, 1)
		if got := len(kit.Log()); got != 1 {
			t.Errorf("%d records in the log, want 1", got)
		}
	})
}

func TestDroppedConnectionsAreDialedAgain(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		put(t, a, "k", "1")
		f := kit.DropConnections("a")
		if f.Hits() < 2 {
			t.Errorf("%d connections dropped, want those that write and read", f.Hits())
		}
		f.Wait(f.Hits())
		put(t, a, "k", "2")
	})
}

func TestBlackHoleSwallowsAndRecovers(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		hole := kit.BlackHole("a")
		if err := putFor(t, time.Second, a, "k", "1"); err == nil {
			t.Error("Put through a black hole succeeded")
		}
		hole.Wait(1)
		put(t, b, "other", "1")
		start := time.Now()
		hole.Undo()
		put(t, a, "k", "2")
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("recovered after %v, want sooner than a request times out", d)
		}
		kit.CaughtUp(a, b)
		kit.WantValue(a, "other", "1")
	})
}

func TestStoppedBrokerComesBack(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		put(t, a, "k", "1")
		stop := kit.StopBroker(0)
		if err := putFor(t, time.Second, a, "k", "2"); err == nil {
			t.Error("Put with the leader stopped succeeded")
		}
		stop.Wait(stop.Hits() + 1) // another dial is refused
		kit.StartBroker(0)
		put(t, a, "k", "3")
		kit.StopBroker(0).Undo()
		put(t, a, "k", "4")
	})
}

func TestStoppedBrokerIsReplaced(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		put(t, a, "k", "1")
		kit.StopBroker(0)
		kit.MoveLeader(1)
		if got := kit.Leader(); got != 1 {
			t.Errorf("Leader() = %d, want 1", got)
		}
		put(t, a, "k", "2")
		kit.CaughtUp(b)
		kit.WantValue(b, "k", "2")
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		put(t, a, "k", "1")
		if f := kit.RestartBrokers(); f.Hits() == 0 {
			t.Error("RestartBrokers reset no connection")
		}
		put(t, b, "other", "2")
		kit.CaughtUp(a, b)
		kit.WantContents(a, map[string]string{"k": "1", "other": "2"})
	})
}

func TestCompactionReallyCompacts(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		for _, v := range []string{"1", "2", "3"} {
			put(t, a, "k", v)
		}
		put(t, a, "other", "x")
		f := kit.Compact()
		wantHits(t, f, 2)
		if got := kit.Snapshot().String(); got != `"k"="3" (2), "other"="x" (3)` {
			t.Errorf("Snapshot = %s", got)
		}
		cold := kit.Open("cold")
		kit.WantContents(cold, map[string]string{"k": "3", "other": "x"})
	})
}

func TestDeletedRecordsAreGoneForNewClients(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		for _, k := range []string{"x", "y", "z"} {
			put(t, a, k, "1")
		}
		wantHits(t, kit.DeleteRecords(2), 2)
		kit.WantContents(kit.Open("cold"), map[string]string{"z": "1"})
		wantHits(t, kit.DeleteRecords(-1), 1)
		kit.WantContents(kit.Open("colder"), nil)
	})
}

func TestRecreatedTopicEndsClients(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		put(t, a, "k", "v")
		wantHits(t, kit.RecreateTopic(), 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Sync(ctx); err == nil {
			err = a.Put(ctx, []byte("k"), []byte("v"))
			if !errors.Is(err, kvstore.ErrTopicRecreated) {
				t.Errorf("Put after the topic was recreated = %v, want ErrTopicRecreated", err)
			}
		} else if !errors.Is(err, kvstore.ErrTopicRecreated) {
			t.Errorf("Sync after the topic was recreated = %v, want ErrTopicRecreated", err)
		}
		kit.WantContents(kit.Open("new"), nil)
	})
}

func TestWaitFailsWhenAFaultCanNotBiteAnyMore(t *testing.T) {
	t.Parallel()
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		kit.Compact().Wait(1)
	})
	f.wantErrors(t, `Wait(1) for fault "compact" = it was done at once and will not take effect again: it has taken effect 0 times`)

	f = onFake(t, func(t testing.TB) {
		kit := New(t)
		pause := kit.PauseFetches()
		pause.Undo()
		pause.Wait(1)
	})
	f.wantErrors(t, `Wait(1) for fault "stall dir=to-client api=fetch" = simnet: fault undone before it took effect often enough`)
}

func TestWaitFailsWhenTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := onFake(t, func(t testing.TB) {
			kit := New(t, WithTimeout(3*time.Second))
			kit.Seed(map[string]string{"k": "v"})
			kit.LoseAnswers(1).Wait(1)
		})
		f.wantErrors(t, `Wait(1) for fault "lose-answer api=produce count=1" = not within 3s: it has taken effect 0 times`)
		if !strings.Contains(f.text(), `offset 0  "k" = "v"`) {
			t.Errorf("the message lacks the log:\n%s", f.text())
		}
	})
}

func TestFaultsEndWithTheTest(t *testing.T) {
	t.Parallel()
	// Closing would hang on any of these, and the bubble would say so.
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithBrokers(2))
		kit.Client()
		kit.StopBroker(1)
		kit.BlackHole()
		kit.PauseFetches()
		kit.Latency(time.Second)
		kit.LoseAnswers(0)
		kit.FailProduces(0, kerr.NotLeaderForPartition)
		kit.StopBroker(0)
	})
}

// TestFaultsWorkInRealTime does every fault once outside of a bubble.
func TestFaultsWorkInRealTime(t *testing.T) {
	t.Parallel()
	kit := New(t, WithBrokers(2))
	a, b := kit.Open("a"), kit.Open("b")
	put(t, a, "k", "0")
	for _, fault := range []func() *Effect{
		func() *Effect { return kit.Lag(time.Millisecond, "a", "b") },
		func() *Effect { return kit.Latency(time.Millisecond) },
		func() *Effect { return kit.FailProduces(1, kerr.NotEnoughReplicas) },
		func() *Effect { return kit.FailProducesAfterAppend(1, kerr.RequestTimedOut) },
		func() *Effect { return kit.LoseAnswers(1) },
		func() *Effect { return kit.LoseRequests(1) },
		func() *Effect { return kit.DropConnections() },
		func() *Effect { return kit.OutOfSync(1) },
		func() *Effect { return kit.ForgetProducers(AcceptForgotten) },
		func() *Effect { return kit.ForgetProducersAtElections(AcceptForgotten) },
		func() *Effect { return kit.ThrottleFetches(1, time.Millisecond) },
		func() *Effect { return kit.On(Traffic{APIs: []kmsg.Key{kmsg.Produce}}).Throttle(1, time.Millisecond) },
		func() *Effect {
			return kit.On(Traffic{APIs: []kmsg.Key{kmsg.Produce}}).Answer(1, Refusal{Err: kerr.NotLeaderForPartition, After: true})
		},
		func() *Effect { return kit.AnswerAtOnce(1) },
		func() *Effect { return kit.OlderEnds(1, 1) },
		func() *Effect { return kit.FailFetches(1, kerr.NotLeaderForPartition) },
		func() *Effect { return kit.StaleMetadata(1, Stale{Elections: 1}) },
		func() *Effect { return kit.MoveLeader(1) },
		func() *Effect { return kit.RestartBrokers() },
		func() *Effect { return kit.Compact() },
		func() *Effect { return kit.UncompactedLeader(0) },
		func() *Effect { f := kit.StopBroker(kit.Leader()); f.Wait(1); f.Undo(); return f },
		func() *Effect { f := kit.BlackHole("b"); put(t, a, "k", "1"); f.Wait(0); f.Undo(); return f },
		func() *Effect { return kit.LoseTail(1) },
	} {
		f := fault()
		if strings.Contains(f.String(), "lose-tail") {
			kit.CaughtUp(a, b) // have noticed it
		}
		put(t, a, "k", f.String())
		f.Undo()
		kit.CaughtUp(a, b)
		kit.WantValue(b, "k", f.String())
	}
}

// A transaction whose marker is lost is aborted, whenever compaction ran: what clients show, the log
// and the snapshot of the kit say the same.
func TestLostMarkerMeansAbortedToKitAndClients(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after bool // when compaction runs
		want          map[string]string
	}{
		"never compacted":  {false, false, map[string]string{"k": "1"}},
		"compacted before": {true, false, map[string]string{}}, // the transaction had superseded k=1
		"compacted after":  {false, true, map[string]string{"k": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kit := New(t)
				a := kit.Record(kit.Open("a"))
				kit.Append(Set("k", "1"))
				txn := kit.Begin()
				txn.Append(Set("k", "theirs"))
				txn.Commit() // at 2
				kit.CaughtUp(a)
				if tc.before {
					kit.Compact()
				}
				kit.LoseTail(int(kit.End() - 2))
				if tc.after {
					kit.Compact()
				}
				kit.CaughtUp(a)
				kit.WantContents(a, tc.want)
				kit.WantContents(kit.Open("fresh"), tc.want)
				kit.WantSnapshot(tc.want)
				kit.CheckHistory()
			})
		})
	}
}
