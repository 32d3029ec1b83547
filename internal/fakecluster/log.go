package fakecluster

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// Batch is one record batch of a log. The caller owns all its bytes.
type Batch = recordlog.Batch

// Record is one record of a log.
type Record = recordlog.Record

// Header is a record header.
type Header = recordlog.Header

// ReadLog returns every batch of a partition from the one that holds offset from, or the next
// one, to the end of the log. It includes aborted and open transactions and control batches. It
// reads outside the simulated network, without latency or faults.
func (c *Cluster) ReadLog(topic string, n int32, from int64) ([]Batch, error) {
	out, err := c.readLog(partition{topic, n}, from, false)
	if err != nil {
		return nil, fmt.Errorf("fakecluster: read log %s-%d from %d: %w", topic, n, from, err)
	}
	c.unalias(out)
	return out, nil
}

// readLog reads a log to its end: as compaction left it, or, if raw, as it was written.
func (c *Cluster) readLog(tp partition, from int64, raw bool) ([]Batch, error) {
	var out []Batch
	for {
		more, next, err := c.readSome(tp, from, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
		if len(more) == 0 || next <= from {
			return out, nil
		}
		from = next
	}
}

// readSome reads some batches and returns the offset after the last.
func (c *Cluster) readSome(tp partition, from int64, unclean bool) ([]Batch, int64, error) {
	info, err := c.info(tp.topic, tp.n)
	if err != nil {
		return nil, 0, err
	}
	from = max(from, info.LogStartOffset)
	if from >= info.HighWatermark {
		return nil, from, nil
	}
	rack := harnessRack
	if unclean {
		rack = rawRack
	}
	raw, err := c.fetch(info.Leader, tp, from, rack)
	if err != nil {
		return nil, 0, err
	}
	batches, err := parseBatches(raw)
	if err != nil {
		return nil, 0, err
	}
	if len(batches) > 0 {
		from = batches[len(batches)-1].LastOffset + 1
	}
	return batches, from, nil
}

func (c *Cluster) fetch(leader int32, tp partition, from int64, rack string) ([]byte, error) {
	req := recordlog.NewFetch(tp.topic, tp.n, from, 64<<20)
	req.Rack = rack
	resp, err := c.request(leader, req)
	if err != nil {
		return nil, err
	}
	return recordlog.Fetched(resp.(*kmsg.FetchResponse))
}

// parseBatches reads a log of whole batches.
func parseBatches(raw []byte) ([]Batch, error) {
	batches, rest, err := recordlog.Parse(raw)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after the last batch", len(rest))
	}
	return batches, err
}
