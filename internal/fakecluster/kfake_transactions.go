package fakecluster

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file has what the leader of a partition knows about transactions: for each producer, the
// epoch of its last batch or marker, and whether it has a transaction open. When a batch opens a
// transaction in the partition, the leader asks the coordinator. For a client of
// transaction.version 2 (KIP-890), the coordinator then adds the partition to the transaction;
// for an older client, the partition must have been added already. The leader accepts later
// batches without asking. So a producer that was fenced can still append to a transaction that
// it has open, until the marker is written.

// leaderTxn is what a leader knows of a producer.
type leaderTxn struct {
	epoch int16
	open  bool
	first int64 // the first offset of the open transaction
}

// atEpoch and atAttributes are positions in the bytes of a batch.
const (
	atEpoch      = 51
	atAttributes = 21
)

// batchProducer returns who wrote a batch.
func batchProducer(raw []byte) (p producerEpoch, transactional, ok bool) {
	if len(raw) < batchHeaderBytes {
		return p, false, false
	}
	p.id = int64(binary.BigEndian.Uint64(raw[atProducerID:]))
	p.epoch = int16(binary.BigEndian.Uint16(raw[atEpoch:]))
	return p, binary.BigEndian.Uint16(raw[atAttributes:])&0x10 != 0, true
}

func (c *Cluster) checkTransactions(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.ProduceRequest)
	errs := make(map[[2]int]*kerr.Error)
	for i := range req.Topics {
		rt := &req.Topics[i]
		name := c.topicName(rt.Topic, rt.TopicID)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			p, transactional, ok := batchProducer(rp.Records)
			if !ok || !transactional {
				continue
			}
			info := k.PartitionInfo(name, rp.Partition)
			part := c.part(partition{name, rp.Partition})
			if info == nil || part == nil || info.Leader != k.CurrentNode() {
				continue // kfake has an answer for that
			}
			if e := c.checkTransaction(k, req, partition{name, rp.Partition}, part, p, info.HighWatermark); e != nil {
				errs[[2]int{i, j}] = e
			}
		}
	}
	if len(errs) == 0 {
		return nil, nil, false
	}
	return refuseSome(req, func(i, j int) *kerr.Error { return errs[[2]int{i, j}] })
}

func (c *Cluster) checkTransaction(k *kfake.Cluster, req *kmsg.ProduceRequest, tp partition, part *part, p producerEpoch, end int64) *kerr.Error {
	c.stateMu.Lock()
	known := part.txns[p.id]
	c.stateMu.Unlock()
	switch {
	case p.epoch < known.epoch:
		return kerr.InvalidProducerEpoch
	case known.open && p.epoch == known.epoch:
		return nil
	case req.TransactionID == nil:
		return kerr.InvalidTxnState
	}
	if e := c.verify(k, req, tp, p); e != nil {
		return e
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if part.txns == nil {
		part.txns = make(map[int64]leaderTxn)
	}
	part.txns[p.id] = leaderTxn{p.epoch, true, end}
	return nil
}

// verify asks the coordinator about a batch that opens a transaction. It returns the error that
// the leader has to give to its client, if any.
func (c *Cluster) verify(k *kfake.Cluster, req *kmsg.ProduceRequest, tp partition, p producerEpoch) *kerr.Error {
	id := *req.TransactionID
	var e *kerr.Error
	if req.TimeoutMillis != harnessTimeout {
		e = c.reachable(k, id)
	}
	switch {
	case e != nil:
	case req.Version >= 12:
		e = c.addPartitions2(k, id, p, []partition{tp}, true)
	default:
		c.stateMu.Lock()
		e = kerr.InvalidProducerIDMapping
		if t := c.lookup(id); t != nil {
			e = t.has(p, tp)
		}
		c.stateMu.Unlock()
	}
	switch e {
	case kerr.ProducerFenced:
		return kerr.InvalidProducerEpoch
	case kerr.InvalidTxnState:
		if req.Version >= 11 {
			return kerr.TransactionAbortable
		}
	case kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable:
		return kerr.NotEnoughReplicas
	}
	return e
}

// reachable returns why a leader gets no answer from a coordinator.
func (c *Cluster) reachable(k *kfake.Cluster, id string) *kerr.Error {
	node := c.coordinatorIn(k, id)
	c.stateMu.Lock()
	down := c.down[node]
	c.stateMu.Unlock()
	if down {
		return kerr.CoordinatorNotAvailable
	}
	return c.loads(node)
}

// noteMarkers notes the markers that kfake is about to write.
func (c *Cluster) noteMarkers(_ *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for _, m := range kr.(*kmsg.WriteTxnMarkersRequest).Markers {
		for _, t := range m.Topics {
			for _, n := range t.Partitions {
				if p := c.parts[partition{t.Topic, n}]; p != nil && m.ProducerID != markerProducer {
					if p.txns == nil {
						p.txns = make(map[int64]leaderTxn)
					}
					p.txns[m.ProducerID] = leaderTxn{epoch: m.ProducerEpoch}
				}
			}
		}
	}
	return nil, nil, false
}

// handleDescribeProducers answers for producers with transactions, which kfake does not know.
func (c *Cluster) handleDescribeProducers(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.DescribeProducersRequest)
	if len(c.opts.Users) > 0 {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewDescribeProducersResponseTopic()
		st.Topic = rt.Topic
		for _, n := range rt.Partitions {
			sp := kmsg.NewDescribeProducersResponseTopicPartition()
			sp.Partition = n
			info := k.PartitionInfo(rt.Topic, n)
			p := c.part(partition{rt.Topic, n})
			switch {
			case info == nil || p == nil:
				sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case info.Leader != k.CurrentNode():
				sp.ErrorCode = kerr.NotLeaderForPartition.Code
			default:
				sp.ActiveProducers = c.activeProducers(p)
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil, true
}

func (c *Cluster) activeProducers(p *part) []kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	var out []kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	for _, id := range slices.Sorted(maps.Keys(p.txns)) {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch = id, int32(p.txns[id].epoch)
		if p.txns[id].open {
			ap.CurrentTxnStartOffset = p.txns[id].first
		}
		out = append(out, ap)
	}
	return out
}
