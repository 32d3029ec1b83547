package fakecluster

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Batch is one record batch of a log. All bytes are the caller's own.
type Batch struct {
	FirstOffset   int64
	LastOffset    int64
	LeaderEpoch   int32
	ProducerID    int64 // ProducerID is -1 for a producer that is not idempotent.
	ProducerEpoch int16
	FirstSequence int32
	Transactional bool
	Control       bool // Control marks a batch of transaction markers.
	MaxTimestamp  time.Time
	Records       []Record
	// Unreadable is why the records could not be read, for a batch whose
	// header and checksum are right.
	Unreadable error
	// Raw is the batch as it is on disk and on the wire.
	Raw []byte
}

// Record is one record of a log.
type Record struct {
	Offset    int64
	Timestamp time.Time
	Key       []byte // Key is nil for a record without a key.
	Value     []byte // Value is nil for a tombstone.
	Headers   []Header
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Marker tells what a control batch says: whether it commits.
func (b *Batch) Marker() (commit, ok bool) {
	if !b.Control || len(b.Records) == 0 || len(b.Records[0].Key) < 4 {
		return false, false
	}
	return binary.BigEndian.Uint16(b.Records[0].Key[2:]) == 1, true
}

// ReadLog returns every batch of a partition from the one that holds offset
// from on, or the next one after it, to the end of the log, with aborted and
// open transactions and control batches. It reads outside of the simulated
// network: no latency, no fault.
func (c *Cluster) ReadLog(topic string, partition int32, from int64) ([]Batch, error) {
	var out []Batch
	for {
		more, next, err := c.readSome(topic, partition, from)
		if err != nil {
			return nil, fmt.Errorf("fakecluster: read log %s-%d from %d: %w", topic, partition, from, err)
		}
		out = append(out, more...)
		if len(more) == 0 {
			return out, nil
		}
		from = next
	}
}

// readSome reads some batches and returns the offset after the last.
func (c *Cluster) readSome(topic string, partition int32, from int64) ([]Batch, int64, error) {
	var info *kfake.PartitionInfo
	err := c.do(func(k *kfake.Cluster) error {
		if info = k.PartitionInfo(topic, partition); info == nil {
			return ErrNoPartition
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	from = max(from, info.LogStartOffset)
	if from >= info.HighWatermark {
		return nil, from, nil
	}
	raw, err := c.fetch(info.Leader, topic, partition, from)
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

func (c *Cluster) fetch(leader int32, topic string, partition int32, from int64) ([]byte, error) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12 // the last one that names topics
	req.ReplicaID = -1
	req.SessionEpoch = -1
	req.MaxBytes = 64 << 20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition = partition
	rp.FetchOffset = from
	rp.CurrentLeaderEpoch = -1
	rp.PartitionMaxBytes = 64 << 20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.request(leader, req)
	if err != nil {
		return nil, err
	}
	fr := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fr.ErrorCode); err != nil {
		return nil, err
	}
	if len(fr.Topics) != 1 || len(fr.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("fetch answer has no partition")
	}
	p := fr.Topics[0].Partitions[0]
	return p.RecordBatches, kerr.ErrorForCode(p.ErrorCode)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parseBatches splits a log into its batches.
func parseBatches(raw []byte) ([]Batch, error) {
	var out []Batch
	for len(raw) > 0 {
		if len(raw) < 61 {
			return nil, fmt.Errorf("%d bytes after the last batch", len(raw))
		}
		n := int(binary.BigEndian.Uint32(raw[8:])) + 12
		if n < 61 || n > len(raw) {
			return nil, fmt.Errorf("batch at offset %d: length %d with %d bytes left", binary.BigEndian.Uint64(raw), n, len(raw))
		}
		b, err := parseBatch(append([]byte(nil), raw[:n]...))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		raw = raw[n:]
	}
	return out, nil
}

func parseBatch(raw []byte) (Batch, error) {
	var rb kmsg.RecordBatch
	if err := rb.ReadFrom(raw); err != nil {
		return Batch{}, fmt.Errorf("batch header: %w", err)
	}
	if sum := crc32.Checksum(raw[21:], castagnoli); uint32(rb.CRC) != sum {
		return Batch{}, fmt.Errorf("batch at offset %d: checksum %08x, want %08x", rb.FirstOffset, uint32(rb.CRC), sum)
	}
	b := Batch{
		FirstOffset:   rb.FirstOffset,
		LastOffset:    rb.FirstOffset + int64(rb.LastOffsetDelta),
		LeaderEpoch:   rb.PartitionLeaderEpoch,
		ProducerID:    rb.ProducerID,
		ProducerEpoch: rb.ProducerEpoch,
		FirstSequence: rb.FirstSequence,
		Transactional: rb.Attributes&0x10 != 0,
		Control:       rb.Attributes&0x20 != 0,
		MaxTimestamp:  time.UnixMilli(rb.MaxTimestamp),
		Raw:           raw,
	}
	records, err := kfake.BatchRecords(rb)
	if err != nil {
		b.Unreadable = err
		return b, nil //nolint:nilerr // the batch says so
	}
	for _, r := range records {
		rec := Record{
			Offset:    rb.FirstOffset + int64(r.OffsetDelta),
			Timestamp: time.UnixMilli(rb.FirstTimestamp + r.TimestampDelta64),
			Key:       r.Key,
			Value:     r.Value,
		}
		for _, h := range r.Headers {
			rec.Headers = append(rec.Headers, Header{h.Key, h.Value})
		}
		b.Records = append(b.Records, rec)
	}
	return b, nil
}
