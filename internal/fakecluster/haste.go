package fakecluster

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Haste makes leaders immediately answer the fetches that would have to wait for records.
type Haste struct {
	Topic   string  // Topic is the topic that is asked for. It must be set.
	Brokers []int32 // Brokers are the brokers that do so; empty means all.
	// Back is by how many offsets the high watermark and the last stable offset in their answers lie
	// below the true ones. A fetch from there or above gets nothing.
	Back  int
	Count int // Count is the number of fetches to answer so; 0 means until undone.
}

// AnswerAtOnce makes leaders let no fetch of a topic wait. With Back set, they answer fetches from
// near the end of the log as one that was just elected and has not heard of the newest high watermark.
// Fetches from further below get everything, with the true ends: so the ends that a client is told
// go back and forth.
func (c *Cluster) AnswerAtOnce(h Haste) (Effect, error) {
	switch {
	case h.Topic == "":
		return nil, errors.New("fakecluster: answer at once: Topic is not set")
	case h.Back < 0:
		return nil, fmt.Errorf("fakecluster: answer at once: Back is %d and can't be negative", h.Back)
	}
	if h.Back > 0 {
		meant := func(k *kfake.Cluster, req *kmsg.FetchRequest) bool {
			p, info, ok := c.askedOf(k, req, h.Topic)
			if !ok {
				return false
			}
			end := info.LastStableOffset
			if req.IsolationLevel == 0 { // what is not decided is answered too, up to the high watermark
				end = info.HighWatermark
			}
			return p.FetchOffset >= h.older(info, end) && p.FetchOffset <= info.HighWatermark
		}
		return c.answerFetches(h.Brokers, h.Count, meant, func(k *kfake.Cluster, req *kmsg.FetchRequest) kmsg.Response {
			return c.olderEnds(k, req, h)
		})
	}
	if err := c.checkBroker(h.Brokers...); err != nil {
		return nil, err
	}
	r := &rule{key: kmsg.Fetch}
	r.answer = func(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) {
		req := kr.(*kmsg.FetchRequest)
		_, _, ok := c.askedOf(k, req, h.Topic)
		if ok && !harnessFetch(req) && among(h.Brokers, k.CurrentNode()) && req.MaxWaitMillis > 0 && r.take() {
			req.MaxWaitMillis = 0
		}
		return nil, nil, false
	}
	return r, c.add(r, h.Count)
}

// askedOf returns what a fetch asks the leader of a topic's first partition for, and the state of the
// partition. It reports false for a broker that does not lead, or not under the epoch in the request.
func (c *Cluster) askedOf(k *kfake.Cluster, req *kmsg.FetchRequest, topic string) (kmsg.FetchRequestTopicPartition, *kfake.PartitionInfo, bool) {
	if !c.askerMayRead(req, topic) { // kfake has an answer for that
		return kmsg.FetchRequestTopicPartition{}, nil, false
	}
	for _, t := range req.Topics {
		if c.topicName(t.Topic, t.TopicID) != topic {
			continue
		}
		for _, p := range t.Partitions {
			info := k.PartitionInfo(topic, p.Partition)
			if info != nil && info.Leader == k.CurrentNode() && (p.CurrentLeaderEpoch < 0 || p.CurrentLeaderEpoch == info.Epoch) {
				return p, info, true
			}
		}
	}
	return kmsg.FetchRequestTopicPartition{}, nil, false
}

// older returns the end to name in place of the true one.
func (h *Haste) older(info *kfake.PartitionInfo, end int64) int64 {
	return max(info.LogStartOffset, end-int64(h.Back))
}

// olderEnds returns an answer to a fetch, with older ends of the topic's log and without any batch.
func (c *Cluster) olderEnds(k *kfake.Cluster, req *kmsg.FetchRequest, h Haste) kmsg.Response {
	return withoutRecords(req, func(t kmsg.FetchRequestTopic, sp *kmsg.FetchResponseTopicPartition) {
		if info := k.PartitionInfo(h.Topic, sp.Partition); info != nil && c.topicName(t.Topic, t.TopicID) == h.Topic {
			sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = h.older(info, info.HighWatermark), h.older(info, info.LastStableOffset), info.LogStartOffset
		}
	})
}
