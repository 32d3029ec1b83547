package fakecluster

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Txn is a transaction of a foreign producer. It is not safe for concurrent
// use. While it is open, consumers that read committed records stop at its
// first record.
type Txn struct {
	c        *Cluster
	id       string
	producer int64
	epoch    int16
	sequence map[partition]int32
	ended    bool
}

// Begin begins a transaction. The broker aborts it by itself after 15 minutes.
// A transactional id that is in use fences its former user.
func (c *Cluster) Begin(id string) (*Txn, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version = 2
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = 900_000
	resp, err := c.coordinate(id, req)
	if err != nil {
		return nil, fmt.Errorf("fakecluster: begin transaction %q: %w", id, err)
	}
	r := resp.(*kmsg.InitProducerIDResponse)
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return nil, fmt.Errorf("fakecluster: begin transaction %q: %w", id, err)
	}
	return &Txn{c: c, id: id, producer: r.ProducerID, epoch: r.ProducerEpoch, sequence: make(map[partition]int32)}, nil
}

// coordinate sends a request to the coordinator of a transactional id.
func (c *Cluster) coordinate(id string, req kmsg.Request) (kmsg.Response, error) {
	var node int32
	err := c.do(func(k *kfake.Cluster) error {
		node = k.CoordinatorFor(id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.settle()
	return c.request(node, req)
}

// Append appends records as one batch of the transaction and returns the
// offset of the first.
func (t *Txn) Append(topic string, n int32, rs ...Record) (int64, error) {
	tp := partition{topic, n}
	if t.ended {
		return 0, fmt.Errorf("fakecluster: append to %v: transaction %q has ended", tp, t.id)
	}
	if _, ok := t.sequence[tp]; !ok {
		if err := t.add(tp); err != nil {
			return 0, fmt.Errorf("fakecluster: add %v to transaction %q: %w", tp, t.id, err)
		}
	}
	raw := encodeBatch(rs, batchHeader{t.producer, t.epoch, t.sequence[tp], true})
	off, err := t.c.appendBatch(tp, raw, &t.id)
	if err == nil {
		t.sequence[tp] += int32(len(rs))
	}
	return off, err
}

func (t *Txn) add(tp partition) error {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version = 3
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.id, t.producer, t.epoch
	rt := kmsg.NewAddPartitionsToTxnRequestTopic()
	rt.Topic = tp.topic
	rt.Partitions = []int32{tp.n}
	req.Topics = append(req.Topics, rt)
	resp, err := t.c.coordinate(t.id, req)
	if err != nil {
		return err
	}
	for _, rt := range resp.(*kmsg.AddPartitionsToTxnResponse).Topics {
		for _, p := range rt.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	t.sequence[tp] = 0
	return nil
}

// Commit commits the transaction. Ending an ended transaction is an error.
func (t *Txn) Commit() error { return t.end(true) }

// Abort aborts the transaction.
func (t *Txn) Abort() error { return t.end(false) }

func (t *Txn) end(commit bool) error {
	if t.ended {
		return fmt.Errorf("fakecluster: transaction %q has ended", t.id)
	}
	t.ended = true
	if len(t.sequence) == 0 {
		return nil // nothing to end: the broker never heard of it
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.Version = 3
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, t.producer, t.epoch, commit
	resp, err := t.c.coordinate(t.id, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.EndTxnResponse).ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("fakecluster: end transaction %q: %w", t.id, err)
	}
	return nil
}
