package fakecluster

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// markerProducer is the producer id of the markers that Compact appends. kfake's ids are
// random, so no other producer will have it.
const markerProducer = 1<<62 | 0x6b7673696d

// Compact compacts every compacted topic as far as Kafka would: up to the last stable
// offset, not beyond records younger than min.compaction.lag.ms, and without the active
// segment, which is the last batch. It keeps the last record of each key, except for
// tombstones that were appended longer ago than delete.retention.ms (but see
// [Options.Horizons]). It removes records of aborted transactions, which supersede nothing.
// The last batch of a producer stays while the broker remembers the producer, if need be
// without records.
//
// To have the last record of a store compacted too, Compact first appends an abort marker of
// a transaction that wrote nothing. The marker takes one offset, and no consumer sees it as a
// record. The next Compact removes it. Fetches from offsets that were compacted away continue
// at the next batch that is left.
func (c *Cluster) Compact() error { return c.compact(true) }

// CompactClosed is like [Cluster.Compact], but appends no marker. The last batch stays as
// it is, and so do the records that it supersedes.
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
	for _, tp := range c.known() {
		if err := c.compactPartition(tp); err != nil {
			return fmt.Errorf("fakecluster: compact %v: %w", tp, err)
		}
	}
	return nil
}

// compactPartition works out what compaction leaves of a partition. The caller holds op, so
// that meanwhile the log can only grow at its end.
func (c *Cluster) compactPartition(tp partition) error {
	info, settings, err := c.compactable(tp)
	if err != nil || info == nil {
		return err
	}
	p := c.part(tp)
	if err := c.scan(tp, p); err != nil {
		return err
	}
	log, err := c.readLog(tp, info.LogStartOffset, false)
	if err != nil || len(log) == 0 {
		return err
	}
	now := time.Now()
	cl := cleaning{
		log: log, now: now, start: info.LogStartOffset,
		end:       min(info.LastStableOffset, log[len(log)-1].FirstOffset),
		retention: settings.retention,
		active:    now.Add(-c.producerExpiry()),
		appended:  c.appendTimes(p, log),
	}
	if c.opts.Horizons {
		cl.met = c.meetings(p, log)
	}
	for i := range log {
		if settings.lag > 0 && cl.appended[i].After(now.Add(-settings.lag)) {
			cl.end = min(cl.end, log[i].FirstOffset)
		}
	}
	cl.forgotten = c.forgotten(p)
	left := cl.run()
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if p.view == nil || p.view.upTo <= cl.end {
		p.view, p.former = &view{upTo: cl.end, batches: left}, nil
		p.passed(cl.end, now)
	}
	return nil
}

// compaction has the settings of a topic that concern compaction.
type compaction struct {
	retention, lag time.Duration
}

// compactable returns the state and the settings of a compacted partition that
// has records, or nil.
func (c *Cluster) compactable(tp partition) (*kfake.PartitionInfo, compaction, error) {
	var info *kfake.PartitionInfo
	s := compaction{retention: 24 * time.Hour}
	err := c.do(func(k *kfake.Cluster) error {
		if !strings.Contains(c.topicConfig(k, tp.topic, "cleanup.policy", ""), "compact") {
			return nil
		}
		s.retention = time.Duration(c.topicNumber(k, tp.topic, "delete.retention.ms", s.retention.Milliseconds())) * time.Millisecond
		s.lag = time.Duration(c.topicNumber(k, tp.topic, "min.compaction.lag.ms", 0)) * time.Millisecond
		if i := k.PartitionInfo(tp.topic, tp.n); i != nil && i.HighWatermark > i.LogStartOffset {
			info = i
		}
		return nil
	})
	return info, s, err
}

// appendMarker appends an abort marker to a compacted partition that has
// records.
func (c *Cluster) appendMarker(tp partition) error {
	info, _, err := c.compactable(tp)
	if err != nil || info == nil {
		return err
	}
	return c.writeMarker(info.Leader, tp, markerProducer, 0, false)
}

// writeMarker makes a leader end a producer's transaction in a partition.
func (c *Cluster) writeMarker(leader int32, tp partition, producer int64, epoch int16, commit bool) error {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	req.Version = 1
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch, m.Committed = producer, epoch, commit
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
