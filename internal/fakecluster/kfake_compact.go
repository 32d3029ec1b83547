package fakecluster

import (
	"encoding/binary"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// kfake's compaction differs from Kafka's, and has no options to change that. It goes beyond
// the last stable offset, so that a record of an open transaction removes a committed one. It
// uses the timestamps that writers set, ignores min.compaction.lag.ms, drops the last batch
// of a producer, and moves the start of the log. So it never runs.
//
// Instead, compact.go and cleaning.go work out what compaction leaves of a log. The result is
// kept here, in a view. Fetches below the end of the compacted part are answered from the
// view. kfake still has the log as it was written.

// view is what compaction left of the first part of a log.
type view struct {
	upTo    int64 // from here on the log is as kfake has it
	batches []Batch
}

// from returns the batches of a view, starting with the one that holds an offset, or the
// next one.
func (v *view) from(offset int64) []Batch {
	i, _ := slices.BinarySearchFunc(v.batches, offset, func(b Batch, off int64) int {
		if b.LastOffset < off {
			return -1
		}
		return 1
	})
	return v.batches[i:]
}

// below returns a view without the batches at an offset and above, nil for nil.
func (v *view) below(at int64) *view {
	if v == nil {
		return nil
	}
	left := v.batches
	for len(left) > 0 && left[len(left)-1].FirstOffset >= at {
		left = left[:len(left)-1]
	}
	return &view{min(v.upTo, at), left}
}

// abort takes the records of a transaction that lost its marker out of the view. Compaction kept
// them when they were committed. Answers from a view name no aborted transactions, so readers would
// take them for committed still. It does nothing on a nil view.
func (v *view) abort(x recordlog.Transaction) {
	if v == nil {
		return
	}
	v.batches = slices.Clone(v.batches) // answers may be using the old ones
	for i := range v.batches {
		b := &v.batches[i]
		if b.ProducerID == x.Producer && b.Transactional && !b.Control && b.FirstOffset >= x.First {
			*b = shrink(b, nil)
		}
	}
}

// stamp says that the batches at an offset and above, up to the next stamp, were appended at
// a time or later.
type stamp struct {
	from int64
	at   time.Time
}

// noteAppends notes when batches are appended. The timestamps in the batches are no use for
// that, because their writers choose them.
func (c *Cluster) noteAppends(k *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	pr := req.(*kmsg.ProduceRequest)
	for i := range pr.Topics {
		name := c.topicName(pr.Topics[i].Topic, pr.Topics[i].TopicID)
		for j := range pr.Topics[i].Partitions {
			tp := partition{name, pr.Topics[i].Partitions[j].Partition}
			p := c.part(tp)
			if p == nil {
				continue
			}
			if info := k.PartitionInfo(tp.topic, tp.n); info != nil {
				c.stateMu.Lock()
				p.stamp(info.HighWatermark, time.Now())
				c.stateMu.Unlock()
			}
		}
	}
	return nil, nil, false
}

// stamp notes that the log ended at an offset at a time. The caller holds stateMu.
func (p *part) stamp(end int64, now time.Time) {
	for n := len(p.stamps); n > 0 && p.stamps[n-1].from >= end; n-- {
		p.stamps = p.stamps[:n-1]
	}
	// Another stamp is worth its space only if its time differs.
	if n := len(p.stamps); n == 0 || now.Sub(p.stamps[n-1].at) >= time.Millisecond {
		p.stamps = append(p.stamps, stamp{end, now})
	}
}

// stampsUpTo returns how many of stamps, which are in the order of their offsets, are of off or
// below.
func stampsUpTo(stamps []stamp, off int64) int {
	return sort.Search(len(stamps), func(i int) bool { return stamps[i].from > off })
}

// appendTimes returns when each batch was appended. If that is not known, it uses the
// timestamp of the batch.
func (c *Cluster) appendTimes(p *part, log []Batch) []time.Time {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	out := make([]time.Time, len(log))
	for i := range log {
		n := stampsUpTo(p.stamps, log[i].FirstOffset)
		out[i] = log[i].MaxTimestamp
		if n > 0 {
			out[i] = p.stamps[n-1].at
		}
	}
	return out
}

// meetings returns when a pass of compaction first came to each batch, zero if none
// has.
func (c *Cluster) meetings(p *part, log []Batch) []time.Time {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	out := make([]time.Time, len(log))
	for i := range log {
		n := stampsUpTo(p.passes, log[i].FirstOffset)
		if n < len(p.passes) {
			out[i] = p.passes[n].at
		}
	}
	return out
}

// passed notes that a pass of compaction came to an offset. The caller holds stateMu.
func (p *part) passed(upTo int64, now time.Time) {
	if n := len(p.passes); n == 0 || p.passes[n-1].from < upTo {
		p.passes = append(p.passes, stamp{upTo, now})
	}
}

// serve answers a fetch that needs something from the compacted part of a log. For other
// fetches, it moves offsets that were compacted away to the end of that part, where kfake
// has the log.
func (c *Cluster) serve(k *kfake.Cluster, req *kmsg.FetchRequest) (kmsg.Response, bool) {
	if req.Rack == rawRack {
		return nil, false
	}
	some := false
	for i := range req.Topics {
		t := &req.Topics[i]
		name := c.topicName(t.Topic, t.TopicID)
		for j := range t.Partitions {
			rp := &t.Partitions[j]
			v := c.viewOf(partition{name, rp.Partition})
			if v == nil || rp.FetchOffset >= v.upTo || !c.askerMayRead(req, name) {
				continue
			}
			if info := k.PartitionInfo(name, rp.Partition); info == nil || rp.FetchOffset < info.LogStartOffset {
				continue // kfake has an answer for that
			}
			if len(v.from(rp.FetchOffset)) > 0 {
				some = true
			} else {
				rp.FetchOffset = v.upTo
			}
		}
	}
	if !some {
		return nil, false
	}
	return c.serveAll(k, req), true
}

func (c *Cluster) viewOf(tp partition) *view {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	p := c.parts[tp]
	if p == nil || p.view == nil {
		return nil
	}
	return &view{p.view.upTo, p.view.batches}
}

// serveAll answers a fetch from the views, immediately. Partitions that need nothing from their
// compacted part are answered as empty, so that the client asks again.
func (c *Cluster) serveAll(k *kfake.Cluster, req *kmsg.FetchRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	room := int(req.MaxBytes)
	first := true
	for _, t := range req.Topics {
		st := kmsg.NewFetchResponseTopic()
		st.Topic, st.TopicID = t.Topic, t.TopicID
		name := c.topicName(t.Topic, t.TopicID)
		for _, rp := range t.Partitions {
			sp := c.servePartition(k, req, partition{name, rp.Partition}, rp, min(room, int(rp.PartitionMaxBytes)), &first)
			room -= len(sp.RecordBatches)
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// servePartition answers for one partition with at most the given number of bytes, but with
// one batch at least if it is the first partition that has any.
func (c *Cluster) servePartition(k *kfake.Cluster, req *kmsg.FetchRequest, tp partition, rp kmsg.FetchRequestTopicPartition, room int, first *bool) kmsg.FetchResponseTopicPartition {
	sp := kmsg.NewFetchResponseTopicPartition()
	sp.Partition, sp.RecordBatches = rp.Partition, []byte{}
	info := k.PartitionInfo(tp.topic, tp.n)
	if !c.askerMayRead(req, tp.topic) {
		sp.ErrorCode = kerr.TopicAuthorizationFailed.Code
		return sp
	}
	if info == nil {
		sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if req.Version >= 13 {
			sp.ErrorCode = kerr.UnknownTopicID.Code
		}
		return sp
	}
	switch epoch := rp.CurrentLeaderEpoch; {
	case info.Leader != k.CurrentNode():
		sp.ErrorCode = kerr.NotLeaderForPartition.Code
		sp.CurrentLeader.LeaderID, sp.CurrentLeader.LeaderEpoch = info.Leader, info.Epoch
		return sp
	case epoch >= 0 && epoch < info.Epoch:
		sp.ErrorCode = kerr.FencedLeaderEpoch.Code
		return sp
	case epoch > info.Epoch:
		sp.ErrorCode = kerr.UnknownLeaderEpoch.Code
		return sp
	case rp.FetchOffset < info.LogStartOffset || rp.FetchOffset > info.HighWatermark:
		sp.ErrorCode = kerr.OffsetOutOfRange.Code
		return sp
	}
	sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = info.HighWatermark, info.LastStableOffset, info.LogStartOffset
	v := c.viewOf(tp)
	if v == nil || rp.FetchOffset >= v.upTo {
		return sp
	}
	for _, b := range v.from(rp.FetchOffset) {
		if room -= len(b.Raw); room < 0 && !*first {
			break
		}
		*first = false
		sp.RecordBatches = append(sp.RecordBatches, b.Raw...)
	}
	return sp
}

// keepCleanerOff keeps kfake's own compaction switched off when a client changes the
// brokers' configurations.
func (c *Cluster) keepCleanerOff(_ *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	off := never
	switch req := req.(type) {
	case *kmsg.AlterConfigsRequest:
		for i := range req.Resources {
			for j := range req.Resources[i].Configs {
				if cfg := &req.Resources[i].Configs[j]; cfg.Name == cleanerInterval {
					cfg.Value = &off
				}
			}
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for i := range req.Resources {
			for j := range req.Resources[i].Configs {
				if cfg := &req.Resources[i].Configs[j]; cfg.Name == cleanerInterval {
					cfg.Value, cfg.Op = &off, kmsg.IncrementalAlterConfigOpSet
				}
			}
		}
	}
	return nil, nil, false
}

// cleanerInterval is the configuration that says when kfake compacts.
const cleanerInterval = "log.cleaner.backoff.ms"

// never is an interval that no simulation reaches, for the brokers' own compaction:
// compaction happens only when [Cluster.Compact] is called.
var never = strconv.FormatInt((200 * 365 * 24 * time.Hour).Milliseconds(), 10)

// rawRack marks the harness's own fetches of the log as it was written.
const rawRack = harnessRack + "-raw"

// setProducer gives a batch another producer id, in its bytes too.
func setProducer(raw []byte, id int64) []byte {
	raw = slices.Clone(raw)
	binary.BigEndian.PutUint64(raw[atProducerID:], uint64(id))
	recordlog.Seal(raw)
	return raw
}
