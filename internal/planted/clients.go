// Package planted holds clients with bugs. A simulator is worth nothing unless
// it finds bugs: tests open these clients in worlds and ask that the judges find
// each by the check that is named for it. Package mutants plants bugs into the
// source of the store instead.
package planted

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/sim"
)

// hasty answers a put when Kafka has it and does not wait until it is visible:
// the put goes through a producer of its own.
type hasty struct {
	sim.Client
	topic    string
	producer *kgo.Client
}

// Hasty opens a client that answers a put before it is visible.
func Hasty(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	if err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(append(r.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return nil, err
	}
	return &hasty{Client: c, topic: r.Topic, producer: producer}, nil
}

func (h *hasty) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	rec := &kgo.Record{Topic: h.topic, Key: key, Value: value, Timestamp: time.Now()}
	if err := h.producer.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return -1, fmt.Errorf("%w: %w", kvstore.ErrOutcomeUnknown, err)
	}
	return rec.Offset, nil
}

func (h *hasty) Close() error {
	h.producer.Close()
	return h.Client.Close()
}

// noBarrier takes Sync lightly.
type noBarrier struct{ sim.Client }

// NoBarrier opens a client whose barriers do not wait.
func NoBarrier(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return noBarrier{c}, err
}

func (noBarrier) Sync(context.Context) error { return nil }

// forgetful acknowledges every tenth put without sending it.
type forgetful struct {
	sim.Client
	n int
}

// Forgetful opens a client that acknowledges puts that it never sent.
func Forgetful(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return &forgetful{Client: c}, err
}

func (f *forgetful) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if f.n++; f.n%10 == 0 {
		return -1, nil
	}
	return f.Client.PutRevision(ctx, key, value)
}

// torn writes the changes of a batch one after the other.
type torn struct{ sim.Client }

// Torn opens a client whose batches are not atomic.
func Torn(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return torn{c}, err
}

func (w torn) Execute(ctx context.Context, changes []sim.Change) (rev int64, err error) {
	for _, ch := range changes {
		if ch.Delete {
			rev, err = w.DeleteRevision(ctx, ch.Key)
		} else {
			rev, err = w.PutRevision(ctx, ch.Key, ch.Value)
		}
		if err != nil {
			return rev, err
		}
	}
	return rev, nil
}

// deaf does not hear that nobody waits any more.
type deaf struct{ sim.Client }

// Deaf opens a client whose Sync goes on when its context has ended.
func Deaf(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return deaf{c}, err
}

func (d deaf) Sync(ctx context.Context) error { return d.Client.Sync(context.WithoutCancel(ctx)) }

// pushy tries before each put what is too large for the topic.
type pushy struct {
	hasty
}

// Pushy opens a client that sends a record which is refused for its size before each
// put.
func Pushy(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	const most = 4 << 20
	r.Kafka = append(r.Kafka, kgo.ProducerBatchMaxBytes(most))
	c, err := Hasty(ctx, r)
	if err != nil {
		return nil, err
	}
	return &pushy{*c.(*hasty)}, nil
}

func (p *pushy) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	p.producer.ProduceSync(ctx, &kgo.Record{Topic: p.topic, Key: key, Value: make([]byte, 2<<20)})
	return p.Client.PutRevision(ctx, key, value)
}

// quitter takes its topic for gone at its twentieth put.
type quitter struct {
	sim.Client
	n int
}

// Quitter opens a client that gives up a topic that is there.
func Quitter(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return &quitter{Client: c}, err
}

func (q *quitter) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if q.n++; q.n == 20 {
		return -1, fmt.Errorf("%w: %w", kvstore.ErrNotWritten, kvstore.ErrTopicDeleted)
	}
	return q.Client.PutRevision(ctx, key, value)
}
