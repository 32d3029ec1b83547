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
