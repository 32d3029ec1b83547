package kvstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// sender is how the broker distinguishes a record batch that is sent again from a new one:
// it accepts the batches of a producer id in the order of their sequence numbers, each
// once.
type sender struct {
	id       int64 // -1 for none
	epoch    int16
	sequence int32 // of the next record
}

var noSender = sender{id: -1, epoch: -1}

// batch returns what distinguishes the batch that it was made of.
func (s sender) batch() position.Batch {
	return position.Batch{Producer: s.id, Epoch: s.epoch, Sequence: s.sequence}
}

// lastSequence is the highest sequence number at which a batch starts. Kafka's wrap around
// at 2^31; a producer id that gets near is not used further.
const lastSequence = math.MaxInt32 / 2

// recordBatch is the record batch of one group, in Kafka's format version 2.
// https://kafka.apache.org/documentation/#messageformat
//
// It is built once. All of its tries send the same records under the same
// identity, unless it is certain that no earlier try was appended.
type recordBatch struct {
	records int // how many
	who     sender

	// The position when the batch was made. In that log no record of the batch is below it.
	from int64

	// How far the log was known then, and the leader epoch there, -1 for none. It is ahead of
	// from while a log that lost records is reread.
	known int64
	epoch int32

	// How far the log of a leader was searched for it, see writer.look.
	searched   int64
	searchedAt leader // noLeader for none
	unseen     error  // says which part of it can't be searched, nil for none
	looks      int    // how many were too short

	naming int // of the cluster to which it was sent, see renaming

	plain  []byte // header and records, not compressed
	packed []byte // plain, compressed, once it was needed
	old    bool   // packed is for brokers that don't know zstd
}

// size returns how many bytes a try takes of a request.
func (b *recordBatch) size() int {
	if n := len(b.packed); n > 0 {
		return n
	}
	return len(b.plain)
}

// Places in the header of a record batch, besides those in log_decode.go.
const (
	headerCRC           = 17
	headerAttrs         = 21
	headerTimestamp     = 27
	headerMaxTime       = 35
	headerProducer      = 43
	headerProducerEpoch = 51
	headerSequence      = 53
)

// appendBatch appends a record batch of changes to dst, all with the time now.
// The identity is missing, see stamp.
func appendBatch(dst []byte, now time.Time, groups ...[]change) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, batchOverhead)...)
	n := 0
	for _, changes := range groups {
		for _, ch := range changes {
			dst = appendRecord(dst, n, ch)
			n++
		}
	}
	h := dst[at:]
	binary.BigEndian.PutUint32(h[headerLength:], uint32(len(h)-12))
	binary.BigEndian.PutUint32(h[headerEpoch:], math.MaxUint32) // the leader epoch, -1: the broker's to fill in
	h[headerMagic] = 2
	binary.BigEndian.PutUint32(h[headerLastDelta:], uint32(n-1))
	binary.BigEndian.PutUint64(h[headerTimestamp:], uint64(now.UnixMilli()))
	binary.BigEndian.PutUint64(h[headerMaxTime:], uint64(now.UnixMilli()))
	binary.BigEndian.PutUint32(h[headerNumRecords:], uint32(n))
	return dst
}

// appendRecord appends the nth record of a batch.
func appendRecord(dst []byte, n int, ch change) []byte {
	dst = kbin.AppendVarint(dst, int32(recordBody(n, ch.key, ch.value)))
	dst = append(dst, 0, 0) // attributes, timestamp delta
	dst = kbin.AppendVarint(dst, int32(n))
	dst = kbin.AppendVarintBytes(dst, ch.key)
	if ch.value == nil {
		dst = kbin.AppendVarint(dst, -1)
	} else {
		dst = kbin.AppendVarintBytes(dst, ch.value)
	}
	return append(dst, 0) // no headers
}

// stamp writes an identity into the header of a batch, and the checksum.
func stamp(batch []byte, who sender) {
	binary.BigEndian.PutUint64(batch[headerProducer:], uint64(who.id))
	binary.BigEndian.PutUint16(batch[headerProducerEpoch:], uint16(who.epoch))
	binary.BigEndian.PutUint32(batch[headerSequence:], uint32(who.sequence))
	binary.BigEndian.PutUint32(batch[headerCRC:], crc32.Checksum(batch[headerAttrs:], castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// oldestWithZstd is the first version of a produce request that may carry zstd.
const oldestWithZstd = 7

// bytes returns the batch as a produce request of the version carries it.
func (b *recordBatch) bytes(version int16, c kgo.Compressor) []byte {
	if old := version < oldestWithZstd; b.packed == nil || b.old != old {
		b.old = old
		b.packed = compress(b.plain, c, old)
		stamp(b.packed, b.who)
	}
	return b.packed
}

// take gives the batch an identity.
func (b *recordBatch) take(who sender) { b.who, b.packed = who, nil }

// compress returns the batch with its records compressed, or unchanged if that is shorter.
func compress(plain []byte, c kgo.Compressor, old bool) []byte {
	if c == nil {
		return plain
	}
	var flags []kgo.CompressFlag
	if old {
		flags = append(flags, kgo.CompressDisableZstd)
	}
	records := plain[batchOverhead:]
	short, codec := c.Compress(bytes.NewBuffer(nil), records, flags...)
	if short == nil || codec <= 0 || len(short) >= len(records) { // nil and below 0: it failed
		return plain
	}
	packed := append(append(make([]byte, 0, batchOverhead+len(short)), plain[:batchOverhead]...), short...)
	binary.BigEndian.PutUint32(packed[headerLength:], uint32(len(packed)-12))
	binary.BigEndian.PutUint16(packed[headerAttrs:], uint16(codec))
	return packed
}

// guardedCompressor is a user's compressor, whose panics are logged and count as a failure.
type guardedCompressor struct {
	kgo.Compressor
	log *repeatLog
}

// Compress is part of kgo.Compressor.
func (g guardedCompressor) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) (out []byte, codec kgo.CompressionCodecType) {
	err := guarded("kgo.WithCompressor", func() error {
		out, codec = g.Compressor.Compress(dst, src, flags...)
		return nil
	})
	if err != nil {
		g.log.warn("kvstore: a record batch goes uncompressed", err)
		return nil, kgo.CodecError
	}
	return out, codec
}
