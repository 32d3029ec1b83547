package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// plainClient returns a franz-go client of the kit.
func plainClient(t *testing.T, kit *Kit, name string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(append(kit.KafkaOptions(name),
		kgo.DefaultProduceTopic(kit.Topic()), kgo.RecordPartitioner(kgo.ManualPartitioner())), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestWritesWaitForReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithBrokers(2), WithTopicConfig(map[string]string{"min.insync.replicas": "2"}))
		kv := kit.Open("a")
		put(t, kv, "k", "1")
		out := kit.OutOfSync(1)
		if err := putFor(t, 5*time.Second, kv, "k", "2"); err == nil {
			t.Error("a write below the minimum of replicas succeeded")
		}
		out.Wait(2)
		kit.AlterTopic(map[string]string{"min.insync.replicas": "1"})
		put(t, kv, "k", "3")
		kit.AlterTopic(map[string]string{"min.insync.replicas": "2"})
		out.Undo()
		put(t, kv, "k", "4")
		kit.StopBroker(1)
		if err := putFor(t, 5*time.Second, kv, "k", "5"); err == nil {
			t.Error("a write with one of two brokers succeeded")
		}
	})
}

func TestForgottenProducers(t *testing.T) {
	kit := New(t)
	cl := plainClient(t, kit, "a", kgo.StopProducerOnDataLossDetected())
	write := func() error {
		return cl.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr()
	}
	for range 3 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	taken := kit.ForgetProducers(AcceptForgotten)
	if err := write(); err != nil {
		t.Fatal(err)
	}
	wantHits(t, taken, 1)
	refused := kit.ForgetProducers(RefuseForgotten)
	if err := write(); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("write of a forgotten producer = %v, want OUT_OF_ORDER_SEQUENCE_NUMBER", err)
	}
	wantHits(t, refused, 1)
	producers := map[int64]bool{}
	for _, r := range kit.Log() {
		producers[r.Producer] = true
	}
	if len(producers) != 1 {
		t.Errorf("the log shows %d producers, want 1", len(producers))
	}
}

func TestThrottledAndFailedFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		kit.Seed(map[string]string{"k": "v"})
		throttled := kit.ThrottleFetches(2, time.Second)
		begin := time.Now()
		cl := plainClient(t, kit, "a", kgo.ConsumeTopics(kit.Topic()))
		if fs := cl.PollFetches(t.Context()); fs.NumRecords() != 1 || time.Since(begin) < 2*time.Second {
			t.Errorf("%d records after %v", fs.NumRecords(), time.Since(begin))
		}
		wantHits(t, throttled, 2)
		failed := kit.FailFetches(1, kerr.UnknownTopicID)
		other := plainClient(t, kit, "b", kgo.ConsumeTopics(kit.Topic()))
		if fs := other.PollFetches(t.Context()); fs.NumRecords() == 0 && fs.Err() == nil {
			t.Error("nothing came")
		}
		failed.Wait(1)
	})
}

// What precedes a hostile batch is shown, its offset and the way out are in the error, and the client
// goes on when it is deleted, or superseded and compacted.
func TestHostileBatchStopsClientsUntilItIsGone(t *testing.T) {
	const limit = 1 << 20
	for _, by := range []string{"inflate, deleted", "inflate, compacted", "claim, deleted"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kit := New(t)
				kv := kit.Open("a", kvstore.WithKafkaOptions(kgo.MaxDecompressBatchBytes(limit)))
				put(t, kv, "k", "v")
				what, size, says := Inflates, 2*limit, "kgo.MaxDecompressBatchBytes"
				if strings.HasPrefix(by, "claim") {
					what, size, says = Claims, 5000, "claims 5000 records and holds 1"
				}
				at := kit.End()
				wantHits(t, kit.HostileBatch(what, size), 1)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err := kv.Sync(ctx)
				if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), fmt.Sprintf("offset %d", at)) {
					t.Errorf("Sync = %v, want offset %d and %q", err, at, says)
				}
				if p := kv.Position(); p != at {
					t.Errorf("position %d, want %d", p, at)
				}
				kit.WantValue(kv, "k", "v")
				kit.Append(Set("hostile", "gone"), Set("k", "w"))
				if strings.HasSuffix(by, "compacted") {
					kit.Compact()
				} else {
					kit.DeleteRecords(kit.End() - 2)
				}
				kit.CaughtUp(kv)
				kit.WantValue(kv, "k", "w")
			})
		})
	}
}

func TestLeadersAnswerTheKitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		kv := kit.Open("a")
		put(t, kv, "k", "v")
		for _, begin := range []func() *Effect{
			func() *Effect { return kit.AnswerAtOnce(0) },
			func() *Effect { return kit.OlderEnds(0, 2) },
		} {
			f := begin()
			kit.DropConnections("a")
			kit.Append(Set("k", f.String()))
			f.Wait(3)
			f.Undo()
			kit.CaughtUp(kv)
			kit.WantValue(kv, "k", f.String())
		}
	})
}

func TestAnswersAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		kv := kit.Open("a")
		put(t, kv, "k", "0")
		f := kit.On(Traffic{Clients: []string{"a"}, APIs: []kmsg.Key{kmsg.Produce}}).Throttle(2, 3*time.Second)
		begin := time.Now()
		for _, v := range []string{"1", "2", "3"} {
			put(t, kv, "k", v)
		}
		if d := time.Since(begin); d < 6*time.Second || d > 7*time.Second || f.Hits() != 2 {
			t.Errorf("three writes took %v, with %d hits, want 6 s and 2", d, f.Hits())
		}
		if p := kv.Status().Writing; p.Err == nil || !strings.Contains(p.Err.Error(), "throttled") {
			t.Errorf("Status.Writing = %+v, want the quota", p)
		}
	})
}

func TestStaleMetadataIsToldAndOver(t *testing.T) {
	kit := New(t, WithBrokers(2))
	for _, s := range []Stale{{Unknown: true}, {Other: true}, {Partitions: 2}, {Brokers: []int{0, 1}, Elections: 1}} {
		f := kit.StaleMetadata(1, s)
		req := kmsg.NewPtrMetadataRequest()
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(kit.Topic())
		req.Topics = append(req.Topics, rt)
		if _, err := plainClient(t, kit, f.String()).Request(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		wantHits(t, f, 1)
	}
}

func TestUsersOfTheKit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithUsers(map[string]string{"app": "secret"}))
		kit.Allow("app")
		kv := kit.Open("a", kit.As("app"))
		put(t, kv, "k", "v")
		kit.Revoke("app", kmsg.ACLOperationWrite)
		if err := putFor(t, 5*time.Second, kv, "k", "w"); !errors.Is(err, kvstore.ErrRefused) {
			t.Errorf("a write without the right = %v, want ErrRefused", err)
		}
		old := kit.As("app")
		kit.SetPassword("app", "other")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := kit.TryOpen(ctx, "b", old); err == nil {
			t.Error("a client opened with the old password")
		}
		kit.Open("c", kit.As("app"))
	})
}

func TestCompactionUnderAnOpenTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		put(t, kit.Open("a"), "k", "v1")
		tx := kit.Begin()
		tx.Append(Set("k", "v2"))
		kit.Compact()
		tx.Abort()
		kit.WantValue(kit.Open("fresh"), "k", "v1")
	})
}

// TestFencedOwnerStaysFenced is for transactions on the kit: what a client that
// was fenced does afterwards fails.
func TestFencedOwnerStaysFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithBrokers(2), WithTransactionDelays(time.Second, 20*time.Second))
		owner := func(name string, opts ...kgo.Opt) *kgo.Client {
			return plainClient(t, kit, name, append(opts, kgo.TransactionalID("tx"))...)
		}
		write := func(cl *kgo.Client, v string) error {
			return cl.ProduceSync(t.Context(), kgo.KeyStringRecord("k", v)).FirstErr()
		}
		old := owner("old")
		if err := errors.Join(old.BeginTransaction(), write(old, "v1")); err != nil {
			t.Fatal(err)
		}
		kit.MoveCoordinator("tx", 1)
		loading := kit.LoadCoordinators(2)
		next := owner("new", kgo.TransactionTimeout(time.Second))
		if _, _, err := next.ProducerID(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantHits(t, loading, 2)
		if err := old.EndTransaction(t.Context(), kgo.TryAbort); !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("the fenced owner's abort = %v, want PRODUCER_FENCED", err)
		}
		// The new owner goes away with its transaction, which is aborted when
		// the coordinator looks.
		if err := errors.Join(next.BeginTransaction(), write(next, "v2")); err != nil {
			t.Fatal(err)
		}
		next.Close()
		begin := time.Now()
		kv := kit.Open("a")
		if waited := time.Since(begin); waited > 22*time.Second {
			t.Errorf("a store waited %v for the transaction of a client that is gone", waited)
		}
		kit.WantMissing(kv, "k")
	})
}
