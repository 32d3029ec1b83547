package fakecluster

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Two things about fetches in which kfake is not like Kafka.
//
// After a compaction kfake moves the start of the log to the first record that
// is left, and answers OFFSET_OUT_OF_RANGE below it. Kafka's log start moves
// with DeleteRecords and retention only; a fetch from an offset that was
// compacted away gets the next record that is left. A client that lags while
// the log is compacted would see an error, and rewind, that Kafka never makes.
// So a fetch from between the two starts is raised to kfake's.
//
// A fetch session keeps offsets inside kfake where they cannot be raised, so
// every fetch is made one without a session, as a broker whose session slots
// are used up does.

// compacted notes what a compaction did to the start of a log.
func (c *Cluster) compacted(tp partition, before, after int64) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	p := c.parts[tp]
	if before > p.compacted {
		p.deleted = max(p.deleted, before) // a client's own DeleteRecords
	}
	p.compacted = max(p.compacted, after)
}

func (c *Cluster) handleFetch(_ *kfake.Cluster, r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := r.(*kmsg.FetchRequest)
	req.SessionID, req.SessionEpoch = 0, -1
	c.raiseOffsets(req)
	return nil, nil, false
}

func (c *Cluster) raiseOffsets(req *kmsg.FetchRequest) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for i := range req.Topics {
		t := &req.Topics[i]
		name := t.Topic
		if req.Version >= 13 {
			name = c.topics[t.TopicID]
		}
		for j := range t.Partitions {
			rp := &t.Partitions[j]
			p := c.parts[partition{name, rp.Partition}]
			if p != nil && rp.FetchOffset >= p.deleted && rp.FetchOffset < p.compacted {
				rp.FetchOffset = p.compacted
			}
		}
	}
}
