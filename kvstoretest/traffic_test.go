package kvstoretest

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

func TestFaultsActOnTheTrafficThatIsSelected(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		writes := kit.On(Traffic{Clients: []string{"a"}, APIs: []kmsg.Key{kmsg.Produce}})
		stall := writes.Stall()
		elsewhere := kit.On(Traffic{Brokers: []int{2}, APIs: []kmsg.Key{kmsg.Produce}}).Stall()
		put(t, b, "k", "1")
		if err := putFor(t, 5*time.Second, a, "k", "2"); !errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("Put that is held = %v, want ErrOutcomeUnknown", err)
		}
		wantHits(t, stall, 1)
		wantHits(t, elsewhere, 0)
		stall.Undo()
		put(t, a, "l", "1") // behind the one that was held
		kit.WantValue(a, "k", "2")

		answers := kit.On(Traffic{Clients: []string{"a"}, Dir: ToClient, APIs: []kmsg.Key{kmsg.Produce}}).Latency(3 * time.Second)
		start := time.Now()
		put(t, a, "k", "3")
		wantHits(t, answers, 1)
		answers.Undo()
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("Put whose answer alone is late took %v, want no more than its 3s", d)
		}

		cut := writes.CutFrames(1, 0)
		put(t, a, "k", "4")
		wantHits(t, cut, 1)
		kit.WantSnapshot(map[string]string{"k": "4", "l": "1"})
		if got := len(kit.Log()); got != 5 {
			t.Errorf("%d records in the log, want 5:\n%v", got, kit.Log())
		}
	})
}

func TestSlowBrokerTakesItsTimeForWrites(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		slow := kit.SlowBroker(1, 3*time.Second)
		start := time.Now()
		put(t, a, "k", "1")
		if d := time.Since(start); d < 3*time.Second {
			t.Errorf("Put at a slow broker took %v, want 3s", d)
		}
		wantHits(t, slow, 1)
		start = time.Now()
		put(t, a, "k", "2")
		if d := time.Since(start); d > time.Second {
			t.Errorf("the next Put took %v", d)
		}
	})
}

func TestSilentBrokerIsLeft(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		put(t, a, "k", "1")
		silence := kit.Silence(0)
		if err := putFor(t, 3*time.Second, a, "k", "2"); err == nil {
			t.Error("a write to a broker that says nothing succeeded")
		}
		if silence.Hits() == 0 {
			t.Error("the broker lost nothing")
		}
		kit.MoveLeader(1)
		put(t, a, "k", "3")
		kit.WantValue(a, "k", "3")
	})
}

func TestWithheldRecordsComeWhenUndone(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, b *kvstore.Client) {
		put(t, a, "k", "1")
		kit.CaughtUp(b)
		withheld := kit.WithholdRecords(0)
		// A fetch that waits already would get what it waits for.
		stalled := kit.On(Traffic{}).Stall()
		kit.DropConnections()
		kit.Append(Set("k", "2"))
		stalled.Undo()
		withheld.Wait(3)
		kit.WantValue(b, "k", "1")
		withheld.Undo()
		kit.CaughtUp(a, b)
		kit.WantValue(b, "k", "2")
	})
}

func TestPartitionsGrow(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		kit.GrowPartitions(3)
		req := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = new(kit.Topic())
		req.Topics = append(req.Topics, topic)
		resp, err := req.RequestWith(t.Context(), plainClient(t, kit, "plain"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(resp.Topics[0].Partitions); got != 3 {
			t.Errorf("the topic has %d partitions, want 3", got)
		}
		put(t, a, "k", "v")
		kit.WantSnapshot(map[string]string{"k": "v"})
	})
}

func TestProgramCreatesTheTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithoutTopic())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := kit.TryOpen(ctx, "reader", kvstore.WithReadOnly()); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("a client that does not create the topic = %v, want that there is none", err)
		}
		put(t, kit.Open("a"), "k", "v")
		kit.WantSnapshot(map[string]string{"k": "v"})
	})
}

// The client of a kit believes soon that its topic was replaced; one with the times of
// production waits for 30 s.
func TestProductionTimesArePatient(t *testing.T) {
	for _, tc := range []struct {
		opts     []Option
		min, max time.Duration
	}{
		{nil, time.Second, 10 * time.Second},
		{[]Option{WithProductionTimes()}, 30 * time.Second, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			kit := New(t, tc.opts...)
			kv := kit.Open("a")
			put(t, kv, "k", "v")
			kit.RecreateTopic()
			start := time.Now()
			for kv.Status().State != kvstore.StateFailed && time.Since(start) < time.Hour {
				time.Sleep(100 * time.Millisecond)
			}
			if d := time.Since(start); d < tc.min || d > tc.max {
				t.Errorf("with %d options it took %v, want %v to %v", len(tc.opts), d, tc.min, tc.max)
			}
		})
	}
}

func TestDialerCanBeWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		var dials atomic.Int64
		dial := kit.Dialer("a")
		kv := kit.Open("a", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return dial(ctx, network, addr)
		})))
		put(t, kv, "k", "v")
		if dials.Load() == 0 {
			t.Error("the client did not dial by the function that it was given")
		}
		hold := kit.PauseFetches("a") // by the name that dials
		kit.Append(Set("k", "w"))
		hold.Wait(1)
	})
}
