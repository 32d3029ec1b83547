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

// errUnable is the error of what can't be done to real brokers. Plans that were adapted to
// the brokers' abilities don't ask for it.
var errUnable = errors.New("can't be done to real brokers")

// SlowBroker implements simcluster.Cluster. It always fails.
func (c *cluster) SlowBroker(fakecluster.Slow) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("slow a broker: %w", errUnable)
}

// LoseTail implements simcluster.Cluster. It always fails.
func (c *cluster) LoseTail(int64) ([]fakecluster.Batch, error) {
	return nil, fmt.Errorf("lose the tail of the log: %w", errUnable)
}

// Append implements simcluster.Cluster. It always fails: it is used for records without a
// key, which Kafka refuses.
func (c *cluster) Append(...fakecluster.Record) error {
	return fmt.Errorf("append a record without a key: %w", errUnable)
}

// Compact implements simcluster.Cluster.
func (c *cluster) Compact() error {
	ctx, cancel := c.bounded()
	defer cancel()
	return again(ctx, func() error { return c.b.k.Clean(ctx, c.topic, cleanPatience) })
}

// DeleteRecords implements simcluster.Cluster.
func (c *cluster) DeleteRecords(before int64) error {
	ctx, cancel := c.bounded()
	defer cancel()
	return again(ctx, func() error {
		_, err := c.b.k.DeleteRecords(ctx, c.topic, before)
		return err
	})
}

// RecreateTopic implements simcluster.Cluster.
func (c *cluster) RecreateTopic(gone func()) error {
	ctx, cancel := c.bounded()
	defer cancel()
	// If the answer to one try is lost, the next one may find its work done.
	err := again(ctx, func() error {
		err := c.b.k.DeleteTopic(ctx, c.topic)
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
		err := c.b.k.CreateTopic(ctx, c.topic, c.settings)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			_, _, err = c.b.k.Leader(ctx, c.topic)
		}
		return err
	})
}

// AddPartitions implements simcluster.Cluster.
func (c *cluster) AddPartitions(total int) error {
	ctx, cancel := c.bounded()
	defer cancel()
	return again(ctx, func() error {
		resp, err := c.b.k.Admin().UpdatePartitions(ctx, total, c.topic)
		if err == nil {
			err = resp.Error()
		}
		if errors.Is(err, kerr.InvalidPartitions) { // it has that many already
			return nil
		}
		return err
	})
}

// Begin implements simcluster.Cluster. The brokers abort transactions that stay open for five
// minutes.
func (c *cluster) Begin(id string) (simcluster.Transactor, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(c.b.addrs...),
		kgo.DefaultProduceTopic(c.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(c.topic+"-"+id),
		kgo.TransactionTimeout(5*time.Minute),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.DisableClientMetrics(),
	)
	if err != nil {
		return nil, err
	}
	t := &txn{c: c, cl: cl, first: -1}
	c.mu.Lock()
	c.txns[t] = true
	c.mu.Unlock()
	if err := cl.BeginTransaction(); err != nil {
		t.forget()
		return nil, err
	}
	return t, nil
}

// txn is a transaction of a producer that is not a client of the store.
type txn struct {
	c     *cluster
	cl    *kgo.Client
	first int64 // offset of its first record, -1 before it has one
}

func (t *txn) forget() {
	t.c.mu.Lock()
	delete(t.c.txns, t)
	t.c.mu.Unlock()
	t.cl.Close()
}

// Append implements simcluster.Transactor.
func (t *txn) Append(rs ...fakecluster.Record) error {
	ctx, cancel := t.c.bounded()
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

// end ends the transaction and returns when its marker is in the log. The brokers answer
// before that.
func (t *txn) end(how kgo.TransactionEndTry) error {
	defer t.forget()
	ctx, cancel := t.c.bounded()
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

// marked returns an error unless a marker of the producer follows the transaction's first record.
func (t *txn) marked(ctx context.Context, id int64) error {
	batches, err := t.c.b.k.ReadLogFrom(ctx, t.c.topic, t.first)
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
