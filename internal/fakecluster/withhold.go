package fakecluster

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Withhold makes leaders answer fetches without the records that there are, as brokers
// other than Kafka's do while memory is short or a remote storage is slow.
type Withhold struct {
	Topic   string  // Topic is what they answer nothing of; it must be set. Other topics of a fetch are answered as empty.
	Brokers []int32 // Brokers are those that do so; empty means all.
	Count   int     // Count is the number of fetches; 0 means until undone.
}

// WithholdRecords answers fetches at once and without an error, with the ends of the
// log as they are, and with nothing between them. It bites only a fetch that would get
// something. Where not every user may read the topic it bites none: kfake has to look
// who asks.
func (c *Cluster) WithholdRecords(w Withhold) (Fault, error) {
	if w.Topic == "" {
		return nil, errors.New("fakecluster: withhold records: Topic is not set")
	}
	for _, b := range w.Brokers {
		if err := c.checkBroker(b); err != nil {
			return nil, err
		}
	}
	r := &rule{key: kmsg.Fetch}
	r.answer = func(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) {
		req := kr.(*kmsg.FetchRequest)
		if harnessFetch(req) || !among(w.Brokers, k.CurrentNode()) || !c.everybodyMay(w.Topic, kmsg.ACLOperationRead) ||
			!c.hasFor(k, req, w.Topic) || !r.take() {
			return nil, nil, false
		}
		return c.withheld(k, req, w.Topic), nil, true
	}
	return r, c.add(r, w.Count)
}

// hasFor reports whether a fetch would get records of a topic from the broker that is
// asked.
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

// leftFrom reports whether compaction has left a batch at an offset or behind it, below
// an end.
func (c *Cluster) leftFrom(tp partition, from, end int64) bool {
	v := c.viewOf(tp)
	return v == nil || v.upTo < end || len(v.from(from)) > 0
}

// withheld is an answer to a fetch without any batch.
func (c *Cluster) withheld(k *kfake.Cluster, req *kmsg.FetchRequest, topic string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		st := kmsg.NewFetchResponseTopic()
		st.Topic, st.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			sp := kmsg.NewFetchResponseTopicPartition()
			sp.Partition, sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = p.Partition, -1, -1, -1
			sp.RecordBatches = []byte{}
			if info := k.PartitionInfo(topic, p.Partition); info != nil && c.topicName(t.Topic, t.TopicID) == topic {
				sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = info.HighWatermark, info.LastStableOffset, info.LogStartOffset
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}
