package kafkaworld

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simcluster"
)

// errUnable is what can't be done to real brokers. Plans that have been fitted
// to their abilities don't ask for it.
var errUnable = errors.New("can't be done to real brokers")

// FailProduces implements simcluster.Cluster. It always fails.
func (w *World) FailProduces(fakecluster.ProduceFault) (fakecluster.Fault, error) {
	return nil, fmt.Errorf("fail produce requests: %w", errUnable)
}

// SlowBroker implements simcluster.Cluster. It always fails.
func (w *World) SlowBroker(fakecluster.Slow) (fakecluster.Fault, error) {
	return nil, fmt.Errorf("slow a broker: %w", errUnable)
}

// LoseTail implements simcluster.Cluster. It always fails.
func (w *World) LoseTail(int64) ([]fakecluster.Batch, error) {
	return nil, fmt.Errorf("lose the tail of the log: %w", errUnable)
}

// Append implements simcluster.Cluster. It always fails: what it is for, records
// without a key, Kafka refuses.
func (w *World) Append(...fakecluster.Record) error {
	return fmt.Errorf("append a record without a key: %w", errUnable)
}

// Compact implements simcluster.Cluster.
func (w *World) Compact() error {
	ctx, cancel := w.bounded()
	defer cancel()
	return again(ctx, func() error { return w.b.k.Clean(ctx, w.topic, cleanPatience) })
}

// DeleteRecords implements simcluster.Cluster.
func (w *World) DeleteRecords(before int64) error {
	ctx, cancel := w.bounded()
	defer cancel()
	return again(ctx, func() error {
		_, err := w.b.k.DeleteRecords(ctx, w.topic, before)
		return err
	})
}

// RecreateTopic implements simcluster.Cluster.
func (w *World) RecreateTopic(gone func()) error {
	ctx, cancel := w.bounded()
	defer cancel()
	// What a try did whose answer was lost, the next one finds done.
	err := again(ctx, func() error {
		err := w.b.k.DeleteTopic(ctx, w.topic)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	gone()
	return again(ctx, func() error {
		err := w.b.k.CreateTopic(ctx, w.topic, w.settings)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			_, _, err = w.b.k.Leader(ctx, w.topic)
		}
		return err
	})
}

// AddPartitions implements simcluster.Cluster.
func (w *World) AddPartitions(total int) error {
	ctx, cancel := w.bounded()
	defer cancel()
	return again(ctx, func() error {
		resp, err := w.b.k.Admin().UpdatePartitions(ctx, total, w.topic)
		if err == nil {
			err = resp.Error()
		}
		if errors.Is(err, kerr.InvalidPartitions) { // it has as many
			return nil
		}
		return err
	})
}

// Begin implements simcluster.Cluster. The brokers abort what stays open for five
// minutes.
func (w *World) Begin(id string) (simcluster.Transactor, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(w.b.addrs...),
		kgo.DefaultProduceTopic(w.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(w.topic+"-"+id),
		kgo.TransactionTimeout(5*time.Minute),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.DisableClientMetrics(),
	)
	if err != nil {
		return nil, err
	}
	t := &txn{w: w, cl: cl, first: -1}
	w.mu.Lock()
	w.txns[t] = true
	w.mu.Unlock()
	if err := cl.BeginTransaction(); err != nil {
		t.forget()
		return nil, err
	}
	return t, nil
}

// txn is a transaction of somebody else.
type txn struct {
	w     *World
	cl    *kgo.Client
	first int64 // offset of its first record, -1 before it has one
}

func (t *txn) forget() {
	t.w.mu.Lock()
	delete(t.w.txns, t)
	t.w.mu.Unlock()
	t.cl.Close()
}

// Append implements simcluster.Transactor.
func (t *txn) Append(rs ...fakecluster.Record) error {
	ctx, cancel := t.w.bounded()
	defer cancel()
	out := make([]*kgo.Record, len(rs))
	for i := range rs {
		out[i] = &kgo.Record{Key: rs[i].Key, Value: rs[i].Value}
	}
	if err := t.cl.ProduceSync(ctx, out...).FirstErr(); err != nil {
		return fmt.Errorf("append to a transaction: %w", err)
	}
	if t.first < 0 {
		t.first = out[0].Offset
	}
	return nil
}

// Commit implements simcluster.Transactor.
func (t *txn) Commit() error { return t.end(kgo.TryCommit) }

// Abort implements simcluster.Transactor.
func (t *txn) Abort() error { return t.end(kgo.TryAbort) }

// end ends the transaction and returns when its marker is in the log: the
// brokers answer before.
func (t *txn) end(how kgo.TransactionEndTry) error {
	defer t.forget()
	ctx, cancel := t.w.bounded()
	defer cancel()
	id, _, err := t.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("end a transaction: %w", err)
	}
	if err := again(ctx, func() error { return t.cl.EndTransaction(ctx, how) }); err != nil {
		return fmt.Errorf("end a transaction: %w", err)
	}
	return again(ctx, func() error { return t.marked(ctx, id) })
}

// marked reports the lack of a marker of a producer behind the first record.
func (t *txn) marked(ctx context.Context, id int64) error {
	batches, err := t.w.b.k.ReadLogFrom(ctx, t.w.topic, t.first)
	if err != nil {
		return err
	}
	for i := range batches {
		if batches[i].Control && batches[i].ProducerID == id {
			return nil
		}
	}
	return errors.New("the marker is not in the log yet")
}
