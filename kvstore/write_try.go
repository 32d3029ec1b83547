package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// try is one produce request with one record batch. kgo encodes it on a goroutine of its
// own, once there is a connection, and that may be long after the caller has left. So it
// can be taken back (I18): from then on it is encoded without the batch.
type try struct {
	*kmsg.ProduceRequest

	batch *recordBatch
	codec kgo.Compressor
	named bool // it names the topic, which has no id

	mu      sync.Mutex
	encoded bool // with the batch in it
	revoked bool
}

var _ kmsg.TimeoutRequest = (*try)(nil)

// lastNamed is the last version of a produce request that names the topic.
const lastNamed = 12

// newTry makes the request. The broker is asked to answer within wait.
func newTry(b *recordBatch, topic string, id [16]byte, wait time.Duration, codec kgo.Compressor) *try {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = int32(max(1, wait.Milliseconds()))
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition = partitionNumber
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return &try{ProduceRequest: req, batch: b, codec: codec, named: id == [16]byte{}}
}

// MaxVersion is part of kmsg.Request.
func (t *try) MaxVersion() int16 {
	if t.named {
		return lastNamed
	}
	return t.ProduceRequest.MaxVersion()
}

// AppendTo is part of kmsg.Request.
func (t *try) AppendTo(dst []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.revoked {
		empty := *t.ProduceRequest
		empty.Topics = nil
		return empty.AppendTo(dst)
	}
	t.encoded = true
	t.Topics[0].Partitions[0].Records = t.batch.bytes(t.Version, t.codec)
	return t.ProduceRequest.AppendTo(dst)
}

// revoke takes the try back. It reports whether that was too late: the batch is on a
// connection, or about to be.
func (t *try) revoke() (encoded bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = true
	return t.encoded
}

// try sends a batch to the leader and waits for the answer, until ctx ends at the
// latest. Without an answer, nothing of it is sent any more when it returns.
func (w *writer) try(ctx context.Context, l leader, b *recordBatch) answer {
	wait := w.produceTimeout
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end))
	}
	t := newTry(b, w.part.topic, w.part.topicID(), wait, w.codec)
	before := w.wires.produced.Load()
	if invariant.On {
		who := b.who
		w.wires.trying.Store(&who)
		defer w.wires.trying.Store(nil) // once nothing of it can be sent any more
	}
	resp, err := w.part.request(ctx, w.anyone, l, t)
	if err != nil {
		sent := t.revoke()
		w.wires.cut()
		var moved *movedError
		if sent && ctx.Err() == nil && !errors.As(err, &moved) { // kgo has finished with it and knows
			sent = w.wires.produced.Load() > before
		}
		if cause := hungUp(err); sent && cause != nil {
			return answer{broker: l.node, sent: true, err: &hangUpError{l.node, b.size(), w.taken, cause}}
		}
		return answer{broker: l.node, sent: sent, err: fmt.Errorf("produce at broker %d: %w", l.node, err)}
	}
	return answer{broker: l.node, sent: true, part: t.ours(resp)}
}

// ours returns what an answer says about the partition that was asked for, nil when it is
// not an answer for that partition alone.
func (t *try) ours(resp kmsg.Response) *kmsg.ProduceResponseTopicPartition {
	r, ok := resp.(*kmsg.ProduceResponse)
	if !ok || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return nil
	}
	got, asked := &r.Topics[0], &t.Topics[0]
	if r.Version > lastNamed && got.TopicID != asked.TopicID || r.Version <= lastNamed && got.Topic != asked.Topic {
		return nil
	}
	if got.Partitions[0].Partition != partitionNumber {
		return nil
	}
	return &got.Partitions[0]
}

// identify asks for a producer id.
func (w *writer) identify(ctx context.Context, l leader) (sender, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	resp, err := w.part.request(ctx, w.anyone, l, req)
	if err != nil {
		return noSender, fmt.Errorf("ask broker %d for a producer id: %w", l.node, err)
	}
	r := resp.(*kmsg.InitProducerIDResponse)
	switch err := kerr.TypedErrorForCode(r.ErrorCode); err {
	case nil:
	case kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed:
		return noSender, &rightError{topic: w.part.topic, broker: l.node, answer: err}
	default:
		return noSender, fmt.Errorf("ask broker %d for a producer id: %w", l.node, err)
	}
	if r.ProducerID < 0 {
		return noSender, fmt.Errorf("ask broker %d for a producer id: got %d", l.node, r.ProducerID)
	}
	return sender{id: r.ProducerID, epoch: r.ProducerEpoch}, nil
}

// rightError says that the client may not write. A broker that is asked for a producer id
// by a user who may not write to any topic says that a right on the cluster is missing; the
// missing one is that on the topic.
type rightError struct {
	topic  string
	broker int32
	answer error
}

func (e *rightError) Error() string {
	return fmt.Sprintf("%v: the right to write to topic %q is missing, or, on brokers before Kafka 2.8, IDEMPOTENT_WRITE on the cluster (broker %d answered the request for a producer id: %v)",
		kerr.TopicAuthorizationFailed.Message, e.topic, e.broker, e.answer)
}

func (e *rightError) Unwrap() []error { return []error{kerr.TopicAuthorizationFailed, e.answer} }
