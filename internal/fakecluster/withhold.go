package fakecluster

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Withhold makes leaders answer fetches without records although there are some. Brokers other than
// Apache Kafka's do that while memory is short or a remote storage is slow.
type Withhold struct {
	Topic   string  // Topic is the topic whose records are withheld. It must be set. Other topics in the same fetch are answered as empty.
	Brokers []int32 // Brokers are the brokers that withhold records; empty means all.
	Count   int     // Count is the number of fetches to answer so; 0 means until undone.
}

// WithholdRecords makes brokers answer fetches immediately, without an error, with the true ends of the
// log, but without records. It applies only to fetches that would get records.
func (c *Cluster) WithholdRecords(w Withhold) (Effect, error) {
	if w.Topic == "" {
		return nil, errors.New("fakecluster: withhold records: Topic is not set")
	}
	meant := func(k *kfake.Cluster, req *kmsg.FetchRequest) bool {
		return c.askerMayRead(req, w.Topic) && c.hasFor(k, req, w.Topic)
	}
	return c.answerFetches(w.Brokers, w.Count, meant, func(k *kfake.Cluster, req *kmsg.FetchRequest) kmsg.Response {
		return c.withheld(k, req, w.Topic)
	})
}

// hasFor reports whether a fetch would get records of a topic from the broker that it was sent to.
func (c *Cluster) hasFor(k *kfake.Cluster, req *kmsg.FetchRequest, topic string) bool {
	for _, t := range req.Topics {
		if c.topicName(t.Topic, t.TopicID) != topic {
			continue
		}
		for _, p := range t.Partitions {
			tp := partition{topic, p.Partition}
			info := k.PartitionInfo(topic, p.Partition)
			switch {
			case info == nil || info.Leader != k.CurrentNode() || p.CurrentLeaderEpoch >= 0 && p.CurrentLeaderEpoch != info.Epoch:
			case p.FetchOffset < info.LogStartOffset || p.FetchOffset >= info.LastStableOffset:
			case c.leftFrom(tp, p.FetchOffset, info.LastStableOffset):
				return true
			}
		}
	}
	return false
}

// leftFrom reports whether compaction has left a batch at offset from or above, and below end.
func (c *Cluster) leftFrom(tp partition, from, end int64) bool {
	v := c.viewOf(tp)
	return v == nil || v.upTo < end || len(v.from(from)) > 0
}

// withheld returns an answer to a fetch, with the true ends of the topic's log and without any batch.
func (c *Cluster) withheld(k *kfake.Cluster, req *kmsg.FetchRequest, topic string) kmsg.Response {
	return withoutRecords(req, func(t kmsg.FetchRequestTopic, sp *kmsg.FetchResponseTopicPartition) {
		if info := k.PartitionInfo(topic, sp.Partition); info != nil && c.topicName(t.Topic, t.TopicID) == topic {
			sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = info.HighWatermark, info.LastStableOffset, info.LogStartOffset
		}
	})
}
