// Package recordlog parses the record batches of a Kafka log, in the form in which brokers
// store and send them (version 2 of the format, "Record Batch" in Kafka's documentation). It
// shows what a consumer hides: the bounds of batches, producers, transaction markers, and
// records that can't be read.
package recordlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Batch is one record batch of a log. The caller of Parse owns all its bytes.
type Batch struct {
	FirstOffset   int64
	LastOffset    int64 // LastOffset is the last offset of the batch as it was written, even if compaction removed that record.
	LeaderEpoch   int32
	ProducerID    int64 // ProducerID is -1 for a producer that is not idempotent.
	ProducerEpoch int16
	FirstSequence int32
	Transactional bool
	Control       bool // Control marks a batch of transaction markers.
	MaxTimestamp  time.Time
	Records       []Record
	// Unreadable says why the records could not be read although the header and the
	// checksum are right. Nil if they could.
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

// Marker reads a control batch: commit says whether it commits the transaction or aborts
// it. ok is false if the batch is no marker.
func (b *Batch) Marker() (commit, ok bool) {
	if !b.Control || len(b.Records) == 0 {
		return false, false
	}
	return MarkerKey(b.Records[0].Key)
}

// MarkerKey reads the key of a record in a control batch: commit says whether the record
// commits the transaction or aborts it. ok is false if the key is not that of a marker.
func MarkerKey(key []byte) (commit, ok bool) {
	if len(key) < 4 {
		return false, false
	}
	return binary.BigEndian.Uint16(key[2:]) == 1, true
}

// Parse returns the complete batches at the start of raw, and the bytes after them. Those
// can be a part of a batch, because brokers cut answers to the size asked for.
func Parse(raw []byte) (batches []Batch, rest []byte, err error) {
	for len(raw) >= HeaderBytes {
		n := int(binary.BigEndian.Uint32(raw[AtLength:])) + lengthBytes
		if n < HeaderBytes {
			return nil, nil, fmt.Errorf("batch at offset %d: length %d, want at least %d", binary.BigEndian.Uint64(raw), n, HeaderBytes)
		}
		if n > len(raw) {
			break
		}
		b, err := parse(bytes.Clone(raw[:n]))
		if err != nil {
			return nil, nil, err
		}
		batches = append(batches, b)
		raw = raw[n:]
	}
	return batches, raw, nil
}

// parse reads one batch. The result keeps raw.
func parse(raw []byte) (Batch, error) {
	var rb kmsg.RecordBatch
	if err := rb.ReadFrom(raw); err != nil {
		return Batch{}, fmt.Errorf("batch header: %w", err)
	}
	if sum := crc32.Checksum(raw[AtAttributes:], castagnoli); uint32(rb.CRC) != sum {
		return Batch{}, fmt.Errorf("batch at offset %d: checksum %08x, want %08x", rb.FirstOffset, uint32(rb.CRC), sum)
	}
	if rb.FirstOffset < 0 || rb.LastOffsetDelta < 0 || rb.FirstOffset > math.MaxInt64-int64(rb.LastOffsetDelta) {
		return Batch{}, fmt.Errorf("batch at offset %d ends %d offsets behind", rb.FirstOffset, rb.LastOffsetDelta)
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
	b.Records, b.Unreadable = records(&rb)
	return b, nil
}

// records reads the records of a batch.
func records(rb *kmsg.RecordBatch) ([]Record, error) {
	raw, err := Decompressor().Decompress(rb.Records, kgo.CompressionCodecType(rb.Attributes&7))
	if err != nil {
		return nil, err
	}
	var out []Record
	for range rb.NumRecords {
		// A record is a length, and that many bytes.
		length, skip := kbin.Varint(raw)
		size := int(length) + skip
		if skip <= 0 || length < 0 || size > len(raw) {
			return nil, errors.New("records end early")
		}
		var r kmsg.Record
		if err := r.ReadFrom(raw[:size]); err != nil {
			return nil, err
		}
		raw = raw[size:]
		rec := Record{
			Offset:    rb.FirstOffset + int64(r.OffsetDelta),
			Timestamp: time.UnixMilli(rb.FirstTimestamp + r.TimestampDelta64),
			Key:       r.Key,
			Value:     r.Value,
		}
		for _, h := range r.Headers {
			rec.Headers = append(rec.Headers, Header{h.Key, h.Value})
		}
		out = append(out, rec)
	}
	if len(raw) > 0 {
		return nil, fmt.Errorf("%d bytes after the last record", len(raw))
	}
	return out, nil
}
