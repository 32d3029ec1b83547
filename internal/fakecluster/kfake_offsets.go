package fakecluster

import (
	"cmp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file handles offsets of consumer groups that are committed in a transaction. kfake is
// not told of transactions (see kfake_coordinator.go). So the offsets are kept here until the
// transaction is committed, and then committed to kfake as the group's own.

// offsetsTopic is the topic in which Kafka keeps the offsets of groups. It stands for them
// among the partitions of a transaction. No marker is written to it.
const offsetsTopic = "__consumer_offsets"

func (c *Cluster) handleAddOffsets(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.AddOffsetsToTxnRequest)
	resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	p := producerEpoch{req.ProducerID, req.ProducerEpoch}
	if e := c.addPartitions2(k, req.TransactionalID, p, []partition{{topic: offsetsTopic}}, false); e != nil {
		resp.ErrorCode = e.Code
	}
	return resp, nil, true
}

func (c *Cluster) handleTxnOffsetCommit(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.TxnOffsetCommitRequest)
	e := c.keepOffsets(k, req)
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewTxnOffsetCommitResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		name := c.topicName(rt.Topic, rt.TopicID)
		for _, rp := range rt.Partitions {
			sp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			sp.Partition = rp.Partition
			switch {
			case e != nil:
				sp.ErrorCode = e.Code
			case k.PartitionInfo(name, rp.Partition) == nil:
				sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil, true
}

// keepOffsets keeps offsets that will be committed with a transaction.
func (c *Cluster) keepOffsets(k *kfake.Cluster, req *kmsg.TxnOffsetCommitRequest) *kerr.Error {
	if k.CoordinatorFor(req.Group) != k.CurrentNode() {
		return kerr.NotCoordinator
	}
	p, offsets := producerEpoch{req.ProducerID, req.ProducerEpoch}, partition{topic: offsetsTopic}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t := c.lookup(req.TransactionalID)
	if t == nil {
		return kerr.InvalidProducerIDMapping
	}
	run := t.run
	var e *kerr.Error
	if req.Version >= 5 { // the group's coordinator adds itself (KIP-890)
		e = t.add(time.Now(), p, []partition{offsets}, true)
	} else {
		e = t.has(p, offsets)
	}
	if e == nil {
		t.offsets = append(t.offsets, c.commitOf(req))
	}
	if t.run != run {
		c.began(t)
	}
	return e
}

// commitOf returns a request that commits the offsets in req without a transaction. The
// caller holds stateMu.
func (c *Cluster) commitOf(req *kmsg.TxnOffsetCommitRequest) *kmsg.OffsetCommitRequest {
	out := kmsg.NewPtrOffsetCommitRequest()
	out.Version = 8
	out.Group, out.Generation, out.MemberID, out.InstanceID = req.Group, req.Generation, req.MemberID, req.InstanceID
	for _, rt := range req.Topics {
		ot := kmsg.NewOffsetCommitRequestTopic()
		ot.Topic = rt.Topic
		ot.Topic = cmp.Or(ot.Topic, c.topics[rt.TopicID])
		for _, rp := range rt.Partitions {
			op := kmsg.NewOffsetCommitRequestTopicPartition()
			op.Partition, op.Offset, op.LeaderEpoch, op.Metadata = rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata
			ot.Partitions = append(ot.Partitions, op)
		}
		out.Topics = append(out.Topics, ot)
	}
	return out
}

// commitOffsets commits what was kept for a transaction.
func (c *Cluster) commitOffsets(t *txnID, commit bool) {
	c.stateMu.Lock()
	offsets := t.offsets
	t.offsets = nil
	c.stateMu.Unlock()
	for _, req := range offsets {
		if !commit {
			return
		}
		var node int32
		err := c.do(func(k *kfake.Cluster) error { node = k.CoordinatorFor(req.Group); return nil })
		if err == nil {
			// As in Kafka, this fails if the group has moved on without
			// the member.
			_, _ = c.request(node, req)
		}
	}
}
