package fakecluster

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// When kfake starts from files, it aborts open transactions, without a marker, although a
// coordinator might still commit them. In Kafka, transactions survive restarts of brokers. So
// an image ends before the first batch of an open transaction. The rest is appended again to
// the new kfake, batch by batch, in the leader epochs that the batches had.

// tail is the part of a log that is appended again.
type tail []Batch

// splitOpen splits a log before its first open transaction. It also works out again what the
// leader knows about transactions, without those that were lost with the tail. The caller
// holds stateMu.
func (c *Cluster) splitOpen(tp partition, p *part, log []Batch) (head []Batch, rest tail) {
	p.txns = make(map[int64]leaderTxn)
	var txns recordlog.Transactions
	for i := range log {
		b := &log[i]
		if !b.Transactional || b.ProducerID == markerProducer {
			continue
		}
		x, in := txns.Next(b)
		p.txns[b.ProducerID] = leaderTxn{b.ProducerEpoch, in && !x.Ended(), x.First}
	}
	live := c.openProducers(tp)
	first := int64(math.MaxInt64)
	for _, x := range txns.Open() {
		if live[x.Producer] {
			first = min(first, x.First)
		} else { // its marker was lost, and kfake aborts it
			p.txns[x.Producer] = leaderTxn{x.Epoch, false, x.First}
			p.view.abort(x)
			if p.former != nil {
				p.former.view.abort(x)
			}
		}
	}
	if first == math.MaxInt64 {
		return log, nil
	}
	// A transaction that is parted here would be aborted, and its marker found to be in vain.
	first = recordlog.Before(first, txns.Decided())
	i := slices.IndexFunc(log, func(b Batch) bool { return b.FirstOffset >= first })
	return log[:i], tail(log[i:])
}

// bringBack returns a batch for each transaction that is open although all that it wrote, or the
// first of it, was deleted from the start of the log: kfake knows a transaction by its batches. They
// are to be appended before the log, and deleted again. was is what the leader knew before
// the crash. The caller holds stateMu.
func (c *Cluster) bringBack(tp partition, p *part, was map[int64]leaderTxn, log []Batch, start int64) (tail, error) {
	if len(log) > 0 {
		start = min(start, log[0].FirstOffset)
	}
	live := c.openProducers(tp)
	var out tail
	for _, id := range slices.Sorted(maps.Keys(was)) {
		t, now := was[id], p.txns[id]
		if !t.open || !live[id] || t.first >= start || now.open && now.first <= t.first {
			continue
		}
		next := int32(1) // sequence of the batch that comes next
		if pr := p.producers[id]; pr != nil && len(pr.last) > 0 {
			next = pr.last[len(pr.last)-1].next
		}
		if i := slices.IndexFunc(log, func(b Batch) bool { return b.ProducerID == id && !b.Control }); i >= 0 {
			next = log[i].FirstSequence
		}
		raw := encodeBatch([]Record{{Key: []byte("deleted")}}, batchHeader{producer: id, epoch: t.epoch, sequence: max(0, next-1), transactional: true})
		batches, err := parseBatches(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, batches...)
		p.txns[id] = t
	}
	for i := range out {
		at := start - int64(len(out)-i)
		out[i].FirstOffset, out[i].LastOffset = at, at
	}
	return out, nil
}

// openProducers returns the producers that, according to their coordinators, have an open
// transaction in a partition. The caller holds stateMu.
func (c *Cluster) openProducers(tp partition) map[int64]bool {
	out := make(map[int64]bool)
	for _, t := range c.txns.ids {
		if (t.state == txnOngoing || t.preparing()) && slices.Contains(t.parts, tp) {
			out[t.producer] = true
		}
	}
	return out
}

// replayTimeout marks the produce requests that no handler looks at.
const replayTimeout = harnessTimeout + 1

// replay appends a tail to a partition of a new kfake. Meanwhile kfake answers no other
// requests. The caller holds op.
func (c *Cluster) replay(tp partition, rest tail) error {
	var leader int32
	for i := range rest {
		b := &rest[i]
		var err error
		if leader, err = c.raiseEpoch(tp, b.LeaderEpoch); err != nil {
			return err
		}
		if commit, ok := b.Marker(); ok {
			if err = c.writeMarker(leader, tp, b.ProducerID, b.ProducerEpoch, commit); err != nil {
				return fmt.Errorf("marker at %d: %w", b.FirstOffset, err)
			}
			continue
		}
		raw := slices.Clone(b.Raw)
		binary.BigEndian.PutUint64(raw, 0) // the broker sets the offset
		off, err := c.produceAs(tp, leader, raw, nil, replayTimeout)
		if err == nil && off != b.FirstOffset {
			err = fmt.Errorf("is now at %d", off)
		}
		if err != nil {
			return fmt.Errorf("batch at %d: %w", b.FirstOffset, err)
		}
	}
	return c.abortOrphans(tp, leader, rest)
}

// raiseEpoch repeats the election of a partition's leader until its epoch is at least the given
// one. It returns the leader.
func (c *Cluster) raiseEpoch(tp partition, epoch int32) (leader int32, err error) {
	err = c.do(func(k *kfake.Cluster) error {
		for {
			info := k.PartitionInfo(tp.topic, tp.n)
			if info == nil {
				return ErrNoPartition
			}
			leader = info.Leader
			if info.Epoch >= epoch {
				return nil
			}
			if err := k.MoveTopicPartition(tp.topic, tp.n, leader); err != nil {
				return err
			}
		}
	})
	return leader, err
}

// abortOrphans aborts the transactions that are open in a tail although no coordinator has
// them open, because their markers were lost.
func (c *Cluster) abortOrphans(tp partition, leader int32, rest tail) error {
	c.stateMu.Lock()
	live := c.openProducers(tp)
	c.stateMu.Unlock()
	var txns recordlog.Transactions
	for i := range rest {
		txns.Next(&rest[i])
	}
	open := txns.Open()
	slices.SortFunc(open, func(a, b recordlog.Transaction) int { return cmp.Compare(a.Producer, b.Producer) })
	for _, x := range open {
		if live[x.Producer] {
			continue
		}
		if err := c.writeMarker(leader, tp, x.Producer, x.Epoch, false); err != nil {
			return fmt.Errorf("abort what is left of producer %d: %w", x.Producer, err)
		}
	}
	return nil
}

// replayed reports whether a request is part of a replay.
func replayed(req kmsg.Request) bool {
	pr, ok := req.(*kmsg.ProduceRequest)
	return ok && pr.TimeoutMillis == replayTimeout
}

// produceAs sends one batch to a leader.
func (c *Cluster) produceAs(tp partition, leader int32, raw []byte, txn *string, timeout int32) (int64, error) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 11 // the last version that does not add partitions to transactions implicitly
	req.Acks = -1
	req.TransactionID = txn
	req.TimeoutMillis = timeout
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = tp.topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition = tp.n
	rp.Records = raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.request(leader, req)
	if err != nil {
		return 0, err
	}
	pr := resp.(*kmsg.ProduceResponse)
	if len(pr.Topics) != 1 || len(pr.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("produce answer has no partition")
	}
	p := pr.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}
