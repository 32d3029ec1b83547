package fakecluster

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Txn is a transaction of a producer that is not a client of the store. While it is open,
// consumers that read committed records stop at its first record. A Txn is not safe for
// concurrent use.
type Txn struct {
	c        *Cluster
	id       string
	producer int64
	epoch    int16
	sequence map[partition]int32
	ended    bool
}

// Begin starts a transaction. If it is not ended, its coordinator aborts it after 15 minutes. If
// the transactional id is in use already, the former user is fenced.
func (c *Cluster) Begin(id string) (*Txn, error) { return c.BeginFor(id, 15*time.Minute) }

// BeginFor is like [Cluster.Begin], with another timeout, in whole milliseconds. The coordinator
// aborts the transaction up to [Coordinator.Scan] after the timeout.
func (c *Cluster) BeginFor(id string, timeout time.Duration) (*Txn, error) {
	r, err := c.initTxn(id, timeout)
	if err != nil {
		return nil, fmt.Errorf("fakecluster: begin transaction %q: %w", id, err)
	}
	return &Txn{c: c, id: id, producer: r.ProducerID, epoch: r.ProducerEpoch, sequence: make(map[partition]int32)}, nil
}

// initTxn asks for a producer, again and again until the transaction of the former user of the
// id has ended.
func (c *Cluster) initTxn(id string, timeout time.Duration) (*kmsg.InitProducerIDResponse, error) {
	if err := c.stockProducers(); err != nil {
		return nil, err
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version = 2
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(timeout.Milliseconds())
	for {
		resp, err := c.coordinate(id, req)
		if err != nil {
			return nil, err
		}
		r := resp.(*kmsg.InitProducerIDResponse)
		err = kerr.ErrorForCode(r.ErrorCode)
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return r, err
		}
		if err := c.completed(id); err != nil {
			return nil, err
		}
	}
}

// stockProducers makes sure that there is a producer id to give out.
func (c *Cluster) stockProducers() error {
	c.stateMu.Lock()
	empty := len(c.txns.spare) == 0
	c.stateMu.Unlock()
	if !empty {
		return nil
	}
	return c.fillProducers()
}

// coordinate sends a request to the coordinator of a transactional id.
func (c *Cluster) coordinate(id string, req kmsg.Request) (kmsg.Response, error) {
	c.settle()
	for until := time.Now().Add(wireTimeout); ; {
		node, err := c.CoordinatorOf(id)
		if err != nil {
			return nil, err
		}
		resp, err := c.request(node, req)
		if err != nil || !coordinatorAway(resp) || time.Now().After(until) {
			return resp, err
		}
		select {
		case <-time.After(100 * simnet.Round):
		case <-c.done:
			return nil, ErrClosed
		}
	}
}

// coordinatorAway reports whether an answer says that the coordinator has moved or is loading.
func coordinatorAway(resp kmsg.Response) bool {
	var code int16
	switch r := resp.(type) {
	case *kmsg.InitProducerIDResponse:
		code = r.ErrorCode
	case *kmsg.EndTxnResponse:
		code = r.ErrorCode
	case *kmsg.AddPartitionsToTxnResponse:
		if len(r.Topics) > 0 && len(r.Topics[0].Partitions) > 0 {
			code = r.Topics[0].Partitions[0].ErrorCode
		}
	}
	return code == kerr.NotCoordinator.Code || code == kerr.CoordinatorLoadInProgress.Code
}

// completed waits until the markers of an ended transaction are in the log. It does not wait for
// leaders that are down.
func (c *Cluster) completed(id string) error {
	c.stateMu.Lock()
	done := c.txns.done[id]
	var parts []partition
	if t := c.txns.ids[id]; t != nil {
		parts = slices.Clone(t.parts)
	}
	c.stateMu.Unlock()
	if done == nil {
		return nil
	}
	for _, tp := range parts {
		if info, err := c.Partition(tp.topic, tp.n); err == nil && c.Stopped(info.Leader) {
			return nil
		}
	}
	select {
	case <-done:
		return nil
	case <-time.After(wireTimeout):
		return fmt.Errorf("no marker within %v", wireTimeout)
	case <-c.done:
		return ErrClosed
	}
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

// Commit commits the transaction and returns when the markers are in the log, except for those of
// stopped leaders. It is an error to end a transaction twice.
func (t *Txn) Commit() error { return t.end(true) }

// Abort aborts the transaction. It waits and fails as [Txn.Commit] does.
func (t *Txn) Abort() error { return t.end(false) }

func (t *Txn) end(commit bool) error {
	if t.ended {
		return fmt.Errorf("fakecluster: transaction %q has ended", t.id)
	}
	t.ended = true
	if len(t.sequence) == 0 {
		return nil // nothing to end: no broker has heard of the transaction
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.Version = 3
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, t.producer, t.epoch, commit
	resp, err := t.c.coordinate(t.id, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.EndTxnResponse).ErrorCode)
	}
	if err == nil {
		err = t.c.completed(t.id)
	}
	if err != nil {
		return fmt.Errorf("fakecluster: end transaction %q: %w", t.id, err)
	}
	return nil
}
