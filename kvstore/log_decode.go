package kvstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errCorrupt marks a fetch whose content can't be decoded.
var errCorrupt = errors.New("corrupt record batch")

// errNothing marks an answer without data where there should be some. See hole.
var errNothing = errors.New("the broker answered nothing")

// decode decodes what a fetch brought into out. What precedes a damaged batch counts; the
// damaged batch and what follows it do not (I1).
func decode(out *fetched, part *kmsg.FetchResponseTopicPartition, opts kgo.ProcessFetchPartitionOpts, dec kgo.Decompressor) error {
	offset := opts.Offset
	var decoded []int // records decoded, batch by batch
	codec := &decompressor{Decompressor: dec}
	fp, next := kgo.ProcessFetchPartition(opts, part, codec, func(m kgo.FetchBatchMetrics) { decoded = append(decoded, m.NumRecords) })
	out.records, out.next = fp.Records, next
	defer func() { out.epoch = passedEpoch(part.RecordBatches, out.next) }()

	bad, why := fp.Err, int64(-1)
	if bad != nil {
		// kgo moves on past a batch of an unknown format.
		why = offset
		if n := len(fp.Records); n > 0 {
			why = fp.Records[n-1].Offset + 1
		}
	}
	if first, ok := shortBatch(part.RecordBatches, decoded, offset); ok && (why < 0 || first <= why) {
		// kgo leaves out records that it can't decode, and continues after the batch when
		// another one follows.
		bad, why = errors.New("its records do not match its header"), max(first, offset)
		if codec.err != nil {
			bad = fmt.Errorf("decompress: %w", codec.err)
		}
	}
	if sound, err := misplaced(part.RecordBatches, offset); err != nil && (why < 0 || sound <= why) {
		bad, why = err, sound
	}
	if bad != nil {
		out.cut(why)
		return fmt.Errorf("fetch at offset %d: %w: %w", why, errCorrupt, bad)
	}
	switch {
	case next > offset:
		return nil
	case len(part.RecordBatches) > 0:
		return fmt.Errorf("fetch at offset %d: %w: no whole batch in %d bytes", offset, errCorrupt, len(part.RecordBatches))
	case offset < out.stable:
		return fmt.Errorf("fetch at offset %d: %w, though all is decided up to offset %d", offset, errNothing, out.stable)
	}
	return nil
}

// decompressor keeps the first error of the one that it wraps, which kgo does not return. A
// panic in that one, which may be the user's, counts as such an error.
type decompressor struct {
	kgo.Decompressor
	err error
}

// Decompress is part of kgo.Decompressor.
func (d *decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) (out []byte, err error) {
	panicked := guarded("kgo.WithDecompressor", func() error {
		out, err = d.Decompressor.Decompress(src, codec)
		return nil
	})
	if panicked != nil {
		out, err = nil, panicked
	}
	if d.err == nil {
		d.err = err
	}
	return out, err
}

// cut drops everything from offset on.
func (f *fetched) cut(offset int64) {
	for n := len(f.records); n > 0 && f.records[n-1].Offset >= offset; n-- {
		f.records = f.records[:n-1]
	}
	f.next = offset
}

// Places in the header of a record batch, version 2.
const (
	headerLength     = 8
	headerEpoch      = 12
	headerMagic      = 16
	headerLastDelta  = 23
	headerNumRecords = 57
)

// shortBatch returns the first offset of the first batch of which fewer records
// were decoded than its header promises.
func shortBatch(raw []byte, decoded []int, offset int64) (first int64, ok bool) {
	for _, n := range decoded {
		if len(raw) < batchOverhead || raw[headerMagic] != 2 {
			return 0, false
		}
		size := int(binary.BigEndian.Uint32(raw[headerLength:])) + 12
		if size < batchOverhead || size > len(raw) {
			return 0, false
		}
		first = int64(binary.BigEndian.Uint64(raw))
		last := first + int64(int32(binary.BigEndian.Uint32(raw[headerLastDelta:])))
		promised := int(int32(binary.BigEndian.Uint32(raw[headerNumRecords:])))
		if last >= offset && n != promised {
			return first, true
		}
		raw = raw[size:]
	}
	return 0, false
}

// noEpoch is the leader epoch when no batch was passed. That of a message in an old format
// is -1.
const noEpoch = -2

// passedEpoch returns the leader epoch of the last batch that begins below next, noEpoch
// for none.
//
// I4: it is not taken from records, because a batch may hold none for the reader: its
// transaction was aborted, or compaction emptied it.
func passedEpoch(raw []byte, next int64) int32 {
	epoch := int32(noEpoch)
	for len(raw) > headerMagic {
		size := int64(int32(binary.BigEndian.Uint32(raw[headerLength:]))) + 12
		// A message of an old format has the offset of the last one in it; next is beyond
		// that, too, once it was passed.
		if size <= headerMagic || size > int64(len(raw)) || int64(binary.BigEndian.Uint64(raw)) >= next {
			break
		}
		epoch = -1
		if raw[headerMagic] == 2 {
			epoch = int32(binary.BigEndian.Uint32(raw[headerEpoch:]))
		}
		raw = raw[size:]
	}
	return epoch
}
