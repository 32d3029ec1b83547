// Package recordlog reads the record batches of a Kafka log from their bytes, as
// brokers keep and send them (format version 2, as in Kafka's documentation,
// "Record Batch"). It keeps what a consumer hides: batch bounds, producers,
// transaction markers, and records that cannot be read.
package recordlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Batch is one record batch of a log. All bytes are the caller's own.
type Batch struct {
	FirstOffset   int64
	LastOffset    int64 // LastOffset is that of the batch as it was written, also after compaction.
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
	if !b.Control || len(b.Records) == 0 {
		return false, false
	}
	return MarkerKey(b.Records[0].Key)
}

// MarkerKey tells what the key of a record in a control batch says: whether it
// commits.
func MarkerKey(key []byte) (commit, ok bool) {
	if len(key) < 4 {
		return false, false
	}
	return binary.BigEndian.Uint16(key[2:]) == 1, true
}

const (
	headerBytes   = 61 // a batch before its records
	lengthBytes   = 12 // offset and length, which the length does not count
	checksumBytes = 21 // what the checksum does not cover
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Parse returns the whole batches that raw begins with, and the bytes after
// them: a broker that cuts an answer at a size leaves a part of a batch there.
func Parse(raw []byte) (batches []Batch, rest []byte, err error) {
	for len(raw) >= headerBytes {
		n := int(binary.BigEndian.Uint32(raw[8:])) + lengthBytes
		if n < headerBytes {
			return nil, nil, fmt.Errorf("batch at offset %d: length %d, want at least %d", binary.BigEndian.Uint64(raw), n, headerBytes)
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

// parse reads one batch, which keeps raw.
func parse(raw []byte) (Batch, error) {
	var rb kmsg.RecordBatch
	if err := rb.ReadFrom(raw); err != nil {
		return Batch{}, fmt.Errorf("batch header: %w", err)
	}
	if sum := crc32.Checksum(raw[checksumBytes:], castagnoli); uint32(rb.CRC) != sum {
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
		// A record is its length and so many bytes.
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
