package realkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// Batch is one record batch of a log as the broker stores it. The caller owns all its
// bytes.
type Batch struct {
	FirstOffset   int64
	LastOffset    int64 // of the batch as it was written, even after compaction
	LeaderEpoch   int32
	ProducerID    int64 // -1 for a producer that is not idempotent
	ProducerEpoch int16
	FirstSequence int32
	Transactional bool
	Control       bool // a batch of transaction markers
	Records       []Record
}

// Record is one record of a log.
type Record struct {
	Offset    int64
	Timestamp time.Time
	Key       []byte // nil for a record without a key
	Value     []byte // nil for a tombstone
}

// Marker reports whether a control batch commits or aborts.
func (b *Batch) Marker() (commit, ok bool) {
	if !b.Control || len(b.Records) == 0 {
		return false, false
	}
	return recordlog.MarkerKey(b.Records[0].Key)
}

// ReadLog returns every batch of partition 0 of a topic, up to the high watermark,
// including markers, aborted and open transactions, and batches that compaction emptied. It
// asks the leader for raw bytes and parses them itself.
func (k *Kafka) ReadLog(ctx context.Context, topic string) ([]Batch, error) {
	return k.ReadLogFrom(ctx, topic, 0)
}

// ReadLogFrom is ReadLog starting with the batch that holds an offset, or the next one
// after it.
func (k *Kafka) ReadLogFrom(ctx context.Context, topic string, from int64) ([]Batch, error) {
	var out []Batch
	passing := func(err error) bool {
		var ke *kerr.Error
		return !errors.As(err, &ke) || ke.Retriable
	}
	err := pollWhile(ctx, 100*time.Millisecond, passing, func() (err error) {
		out, err = k.readLog(ctx, topic, from)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", topic, err)
	}
	return out, nil
}

func (k *Kafka) readLog(ctx context.Context, topic string, from int64) ([]Batch, error) {
	start, end, err := k.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	leader, _, err := k.Leader(ctx, topic)
	if err != nil {
		return nil, err
	}
	var out []Batch
	for at := max(start, from); at < end; {
		raw, err := k.fetch(ctx, leader, topic, at)
		if err != nil {
			return nil, err
		}
		batches, err := parseBatches(raw)
		if err != nil {
			return nil, err
		}
		before := at
		for _, b := range batches {
			if b.LastOffset >= at {
				out = append(out, b)
				at = b.LastOffset + 1
			}
		}
		if at == before {
			break // compaction may leave nothing before the end
		}
	}
	return out, nil
}

func (k *Kafka) fetch(ctx context.Context, leader int, topic string, from int64) ([]byte, error) {
	answer, err := k.client.Broker(leader).Request(ctx, &fetchRequest{recordlog.NewFetch(topic, 0, from, 16<<20)})
	if err != nil {
		return nil, err
	}
	return recordlog.Fetched(answer.(*kmsg.FetchResponse))
}

// fetchRequest is a fetch that is sent in a version that names its topic.
type fetchRequest struct{ *kmsg.FetchRequest }

func (*fetchRequest) MaxVersion() int16 { return recordlog.FetchVersion }

// parseBatches parses the answer to a fetch. A broker cuts it at a size, so the last batch
// may be incomplete, and is then ignored.
func parseBatches(raw []byte) ([]Batch, error) {
	whole, _, err := recordlog.Parse(raw)
	if err != nil {
		return nil, err
	}
	out := make([]Batch, len(whole))
	for i := range whole {
		b := &whole[i]
		if b.Unreadable != nil {
			return nil, fmt.Errorf("batch at offset %d: %w", b.FirstOffset, b.Unreadable)
		}
		out[i] = Batch{
			FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, LeaderEpoch: b.LeaderEpoch,
			ProducerID: b.ProducerID, ProducerEpoch: b.ProducerEpoch, FirstSequence: b.FirstSequence,
			Transactional: b.Transactional, Control: b.Control,
		}
		for _, r := range b.Records {
			out[i].Records = append(out[i].Records, Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value})
		}
	}
	return out, nil
}
