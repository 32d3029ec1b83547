package fakecluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// harnessTimeout marks the produce requests of the harness itself, to which faults do not apply.
const harnessTimeout = 0x6b76

// Append appends records as one batch, as a producer that is not a client of the store, and
// returns the offset of the first. Offsets in rs are ignored. A zero Timestamp means now. A nil Key
// makes a record without a key, which Kafka would refuse on a compacted topic.
func (c *Cluster) Append(topic string, n int32, rs ...Record) (int64, error) {
	return c.appendBatch(partition{topic, n}, encodeBatch(rs, batchHeader{producer: -1, epoch: -1, sequence: -1}), nil)
}

// AppendGarbage appends a batch whose header and checksum are right, but whose records can't be
// read. It returns the offset of the batch.
func (c *Cluster) AppendGarbage(topic string, n int32) (int64, error) {
	raw := encodeBatch([]Record{{Key: []byte("garbage"), Value: []byte("garbage")}}, batchHeader{producer: -1, epoch: -1, sequence: -1})
	for i := 61; i < len(raw); i++ {
		raw[i] = 0xff
	}
	recordlog.Seal(raw)
	return c.appendBatch(partition{topic, n}, raw, nil)
}

type batchHeader struct {
	producer      int64
	epoch         int16
	sequence      int32
	transactional bool
}

// encodeBatch returns an uncompressed record batch with offset 0.
func encodeBatch(rs []Record, h batchHeader) []byte {
	if len(rs) == 0 {
		return nil
	}
	now := time.Now()
	stamp := func(r Record) int64 {
		if r.Timestamp.IsZero() {
			return now.UnixMilli()
		}
		return r.Timestamp.UnixMilli()
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		LastOffsetDelta:      int32(len(rs) - 1),
		FirstTimestamp:       stamp(rs[0]),
		MaxTimestamp:         stamp(rs[0]),
		ProducerID:           h.producer,
		ProducerEpoch:        h.epoch,
		FirstSequence:        h.sequence,
		NumRecords:           int32(len(rs)),
	}
	if h.transactional {
		b.Attributes |= 0x10
	}
	for i, r := range rs {
		ts := stamp(r)
		b.MaxTimestamp = max(b.MaxTimestamp, ts)
		b.Records = appendRecord(b.Records, r, int64(i), ts-b.FirstTimestamp)
	}
	raw := b.AppendTo(nil)
	recordlog.Seal(raw)
	return raw
}

// appendRecord appends the encoding of a record to to. offset and timestamp (in milliseconds) are
// relative to the first of the batch.
func appendRecord(to []byte, r Record, offset, timestamp int64) []byte {
	rec := kmsg.NewRecord()
	rec.OffsetDelta = int32(offset)
	rec.TimestampDelta64 = timestamp
	rec.Key, rec.Value = r.Key, r.Value
	for _, hd := range r.Headers {
		rec.Headers = append(rec.Headers, kmsg.Header{Key: hd.Key, Value: hd.Value})
	}
	body := rec.AppendTo(nil) // the length is 0 here, which takes one byte
	rec.Length = int32(len(body) - 1)
	return rec.AppendTo(to)
}

// markerBatch returns an abort marker with the given offset.
func markerBatch(offset int64) []byte {
	raw := encodeBatch([]Record{{Key: []byte{0, 0, 0, 0}, Value: []byte{0, 0, 0, 0, 0, 0}}}, batchHeader{producer: markerProducer, sequence: -1, transactional: true})
	binary.BigEndian.PutUint64(raw, uint64(offset))
	raw[recordlog.AtAttributes+1] |= 0x20 // control
	recordlog.Seal(raw)
	return raw
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendBatch produces one batch and returns its offset. If the leader moves while the request is
// on its way, nothing is appended, and it tries again.
func (c *Cluster) appendBatch(tp partition, raw []byte, txn *string) (int64, error) {
	off, err := c.produce(tp, raw, txn)
	for range 10 {
		if !errors.Is(err, kerr.NotLeaderForPartition) {
			break
		}
		off, err = c.produce(tp, raw, txn)
	}
	if err != nil {
		return 0, fmt.Errorf("fakecluster: append to %v: %w", tp, err)
	}
	return off, nil
}

func (c *Cluster) produce(tp partition, raw []byte, txn *string) (int64, error) {
	if len(raw) == 0 {
		return 0, fmt.Errorf("no records")
	}
	info, err := c.info(tp.topic, tp.n)
	if err != nil {
		return 0, err
	}
	c.settle()
	return c.produceAs(tp, info.Leader, raw, txn, harnessTimeout)
}
