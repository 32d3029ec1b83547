package kvstore

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

// span is a whole batch in the answer to a fetch, by its header.
type span struct {
	first, last int64  // offsets; of a message of an old format both are the last one of what it holds
	epoch       int32  // leader epoch, -1 for a message of an old format
	claim       int    // number of records that the header says it holds, -1 for a message of an old format
	packed      bool   // its records are compressed
	transaction bool   // it belongs to a transaction, be it as the marker
	raw         []byte // with its header
}

// Bits of a batch's attributes.
const (
	attrCodec       = 7
	attrTransaction = 1 << 4
)

// spans goes through the whole batches in raw.
func spans(raw []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for len(raw) > headerMagic {
			size := int64(int32(binary.BigEndian.Uint32(raw[headerLength:]))) + 12
			// A message of an old format has the offset of the last one in it.
			if size <= headerMagic || size > int64(len(raw)) || raw[headerMagic] == 2 && size < batchOverhead {
				return
			}
			at := int64(binary.BigEndian.Uint64(raw))
			s := span{first: at, last: at, epoch: -1, claim: -1, raw: raw[:size]}
			if raw[headerMagic] == 2 {
				s.last += int64(int32(binary.BigEndian.Uint32(raw[headerLastDelta:])))
				s.epoch = int32(binary.BigEndian.Uint32(raw[headerEpoch:]))
				s.claim = int(int32(binary.BigEndian.Uint32(raw[headerNumRecords:])))
				attrs := binary.BigEndian.Uint16(raw[headerAttrs:])
				s.packed, s.transaction = attrs&attrCodec != 0, attrs&attrTransaction != 0
			}
			if !yield(s) {
				return
			}
			raw = raw[size:]
		}
	}
}

// lastFormat is the version of the format of record batches that this client, and franz-go, knows.
const lastFormat = 2

// mostAhead is how far a batch may lie behind what precedes it and behind the high watermark.
const mostAhead = 1 << 24

// credible returns those of the first batches in raw that can be what their headers say, and what
// is wrong with the next one. offset was asked for, and end is the high watermark that
// the answer names.
//
// The checksum of a batch does not cover its offset, and anyone who may write has the leader
// keep a batch that claims any number of records.
func credible(raw []byte, offset, end int64) (sound []byte, found defect) {
	last, size := int64(-1), 0
	for s := range spans(raw) {
		switch {
		case s.first < 0 || s.last < s.first || s.last == math.MaxInt64:
			found = defect{max(offset, last+1), fmt.Errorf("%w: from offset %d to %d", errOutOfPlace, s.first, s.last)}
		case s.first <= last:
			return misplaced(raw, offset, last, s.first)
		case s.last > max(offset, last, end)+mostAhead:
			// Kafka notes the high watermark, then reads up to where it is by then
			// (kafka.cluster.Partition.readRecords). Others name one that lags behind.
			found = defect{max(offset, last+1), fmt.Errorf("%w: from offset %d to %d, when the high watermark is %d", errOutOfPlace, s.first, s.last, end)}
		case s.raw[headerMagic] > lastFormat:
			found = defect{max(offset, last+1), fmt.Errorf("%w: version %d, at offset %d", errForeign, s.raw[headerMagic], s.first)}
		case s.last >= offset && s.claim >= 0 && !s.packed:
			if err := inspect(s.raw[batchOverhead:], s.claim, s.last-s.first); err != nil {
				found = defect{max(offset, s.first), err}
			}
		}
		if found.why != nil {
			return raw[:size], found
		}
		last, size = s.last, size+len(s.raw)
	}
	return raw, defect{}
}

// misplaced returns what precedes for certain where a batch begins at an offset that the one
// before, which ends at last, has already. One of the two is wrong.
func misplaced(raw []byte, offset, last, again int64) (sound []byte, found defect) {
	found = defect{offset, fmt.Errorf("%w: it begins at offset %d, behind one that ends at %d", errOutOfPlace, again, last)}
	size := 0
	for before := range spans(raw) {
		if before.last >= again {
			break
		}
		found.at = max(found.at, before.last+1)
		size += len(before.raw)
	}
	return raw[:size], found
}

// inspect returns what is wrong with the records of a batch, decompressed, nil for nothing:
// there have to be as many as claimed and no more, each behind the one before and none behind the last offset,
// which is so far from the batch's first.
func inspect(records []byte, claim int, lastDelta int64) error {
	before := int64(-1)
	for n := range claim {
		size, width := binary.Varint(records)
		if width <= 0 || size < 1 || size > int64(len(records)-width) {
			return fmt.Errorf("%w: it claims %d records and holds %d", errMismatch, claim, n)
		}
		record := records[width : width+int(size)]
		records = records[width+int(size):]
		_, width = binary.Varint(record[1:]) // behind the attributes comes the time
		if width <= 0 {
			return fmt.Errorf("%w: record %d has no offset", errMismatch, n)
		}
		delta, width := binary.Varint(record[1+width:])
		if width <= 0 || delta <= before || delta > lastDelta {
			return fmt.Errorf("%w: record %d lies %d offsets behind its first one, the one before %d, the last one may %d", errMismatch, n, delta, before, lastDelta)
		}
		before = delta
	}
	if len(records) > 0 {
		return fmt.Errorf("%w: it claims %d records, and %d bytes follow them", errMismatch, claim, len(records))
	}
	return nil
}
