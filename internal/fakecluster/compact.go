package fakecluster

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// markerProducer is the producer id of the markers that Compact appends. No
// other producer gets it: kfake's ids are random.
const markerProducer = 1<<62 | 0x6b7673696d

// Compact compacts every compacted topic, now and whole: of each key only the
// last record stays, and no tombstone that is older than delete.retention.ms.
//
// kfake, like Kafka, never compacts the active segment; its active segment is
// the last batch. So that the last record of a store counts too, Compact first
// appends an abort marker of a transaction that wrote nothing, which takes one
// offset and which no consumer sees as a record. The next Compact removes it.
// Fetches from offsets that were compacted away go on at the next record that
// is left, as in Kafka.
func (c *Cluster) Compact() error { return c.compact(true) }

// CompactClosed is [Cluster.Compact] without the marker: the last batch stays
// as it is, and what it supersedes stays too.
func (c *Cluster) CompactClosed() error { return c.compact(false) }

func (c *Cluster) compact(marker bool) error {
	c.op.lock()
	defer c.op.unlock()
	if marker {
		for _, tp := range c.known() {
			if err := c.appendMarker(tp); err != nil {
				return fmt.Errorf("fakecluster: compact %v: append marker: %w", tp, err)
			}
		}
		c.settle()
	}
	err := c.erase(func(k *kfake.Cluster) error {
		parts := c.known()
		before := make(map[partition]int64)
		for _, tp := range parts {
			if info := k.PartitionInfo(tp.topic, tp.n); info != nil {
				before[tp] = info.LogStartOffset
			}
		}
		k.Compact()
		for _, tp := range parts {
			info := k.PartitionInfo(tp.topic, tp.n)
			if info == nil {
				continue
			}
			if info.LogStartOffset < before[tp] {
				// Records were deleted up to the middle of a batch, and
				// kfake begins the log with that batch again.
				if err := k.DeleteRecords(tp.topic, tp.n, before[tp]); err != nil {
					return err
				}
				info = k.PartitionInfo(tp.topic, tp.n)
			}
			c.compacted(tp, before[tp], info.LogStartOffset)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fakecluster: compact: %w", err)
	}
	return nil
}

// appendMarker appends an abort marker to a compacted partition that has
// records.
func (c *Cluster) appendMarker(tp partition) error {
	var info *kfake.PartitionInfo
	compacted := false
	err := c.do(func(k *kfake.Cluster) error {
		info = k.PartitionInfo(tp.topic, tp.n)
		if ti := k.TopicInfo(tp.topic); ti != nil {
			policy := ti.Configs["cleanup.policy"]
			compacted = policy != nil && *policy != "delete"
		}
		return nil
	})
	if err != nil || info == nil || !compacted || info.HighWatermark == info.LogStartOffset {
		return err
	}
	return c.writeMarker(info.Leader, tp)
}

func (c *Cluster) writeMarker(leader int32, tp partition) error {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	req.Version = 1
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID = markerProducer
	mt := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
	mt.Topic = tp.topic
	mt.Partitions = []int32{tp.n}
	m.Topics = append(m.Topics, mt)
	req.Markers = append(req.Markers, m)
	resp, err := c.request(leader, req)
	if err != nil {
		return err
	}
	for _, m := range resp.(*kmsg.WriteTxnMarkersResponse).Markers {
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
