package sim_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// pushy tries before each put what is too large for the topic.
type pushy struct {
	sim.Client
	topic    string
	producer *kgo.Client
}

func openPushy(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	if err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(append(r.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4<<20))...)
	return &pushy{c, r.Topic, producer}, err
}

func (p *pushy) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	p.producer.ProduceSync(ctx, &kgo.Record{Topic: p.topic, Key: key, Value: make([]byte, 2<<20)})
	return p.Client.PutRevision(ctx, key, value)
}

func (p *pushy) Close() error {
	p.producer.Close()
	return p.Client.Close()
}

// Bugs that campaigns look for are planted into the store's source. This one takes
// a topic whose limit changes while nothing else is in any client's way.
func TestRequestsThatAreRefusedForTheirSizeAreCounted(t *testing.T) {
	p := smallPlan(sim.AlterTopic{Config: "max.message.bytes", Value: "4096", Span: sim.Span{From: time.Second, For: 3 * time.Second}})
	p.Workload.Batch, p.Workload.Delete = 0, 0
	o := virtual(t, p, sim.Env{Open: openPushy})
	const want = "changed-limit-costs-few-requests"
	if o.Status != lin.Violated || !slices.ContainsFunc(o.Reasons, func(r sim.Reason) bool { return r.Name == want }) {
		t.Errorf("the world is %s, want violated by %s: %v", o.Result, want, o.Reasons)
	}
}

// rereading is a plan in which each client reads the log from its start, one batch at a time, while a
// fault lasts.
func rereading() sim.Plan {
	p := smallPlan(sim.AlterTopic{Config: "min.insync.replicas", Value: "1", Span: sim.Span{From: 3 * time.Second, For: time.Second}})
	for from := 3100 * time.Millisecond; from < 4*time.Second; from += 200 * time.Millisecond {
		p.Faults = append(p.Faults, sim.LoseTail{Records: 2, Span: sim.Span{From: from}})
	}
	p.World.LatencyMean, p.World.FetchBytes, p.World.Tombstones = 200*time.Microsecond, 1, 15*time.Second
	p.Workload.Ops, p.Workload.Delete, p.Workload.Keys = 500, 0, 40
	return p
}

// A fetch of a client that rereads the log gets somewhere, although there is nothing new in it.
func TestRequestsOfRereadingAreNotOnesWithoutProgress(t *testing.T) {
	o := virtual(t, rereading(), sim.Env{})
	if o.Status != lin.Held {
		t.Errorf("the world is %s, want held: %v", o.Result, o.Reasons)
	}
}

// hasty asks for the end of the log again and again.
type hasty struct {
	sim.Client
	stop context.CancelFunc
	done chan struct{}
}

func openHasty(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	if err != nil {
		return nil, err
	}
	asks, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &hasty{c, stop, make(chan struct{})}
	go func() {
		defer close(h.done)
		defer asks.Close()
		for ctx.Err() == nil {
			_ = asks.Ping(ctx)
		}
	}()
	return h, nil
}

func (h *hasty) Close() error {
	h.stop()
	<-h.done
	return h.Client.Close()
}

func TestRequestsWithoutProgressAreCounted(t *testing.T) {
	o := virtual(t, rereading(), sim.Env{Open: openHasty})
	const want = "few-requests-without-progress"
	if o.Status != lin.Violated || !slices.ContainsFunc(o.Reasons, func(r sim.Reason) bool { return r.Name == want }) {
		t.Errorf("the world is %s, want violated by %s: %v", o.Result, want, o.Reasons)
	}
}
