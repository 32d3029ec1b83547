package kvstore

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// span is the place of a record batch in the log, by its header.
type span struct {
	first, last int64
}

// spans goes through the whole batches in raw. For a message of an old format only one
// offset is known: the last one that it holds.
func spans(raw []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for len(raw) > headerMagic {
			size := int64(int32(binary.BigEndian.Uint32(raw[headerLength:]))) + 12
			if size <= headerMagic || size > int64(len(raw)) || raw[headerMagic] == 2 && size < batchOverhead {
				return
			}
			at := int64(binary.BigEndian.Uint64(raw))
			s := span{at, at}
			if raw[headerMagic] == 2 {
				s.last += int64(int32(binary.BigEndian.Uint32(raw[headerLastDelta:])))
			}
			if !yield(s) {
				return
			}
			raw = raw[size:]
		}
	}
}

// misplaced looks for a batch that can't be where its header says: one that does not follow
// the batch before. The checksum of a batch does not cover its offset. It returns the
// offset after the last batch that is certain, offset if none is, and nil when all batches
// are in order.
//
// A batch at or above the high watermark in the answer is not such a case: Kafka notes the
// high watermark, then reads up to where it is by then
// (kafka.cluster.Partition.readRecords).
func misplaced(raw []byte, offset int64) (sound int64, err error) {
	last := int64(-1)
	for s := range spans(raw) {
		if s.first <= last {
			// one of the two is wrong, and it may be the one before
			sound = offset
			for before := range spans(raw) {
				if before.last >= s.first {
					break
				}
				sound = max(sound, before.last+1)
			}
			return sound, fmt.Errorf("a batch that begins at offset %d behind one that ends at %d", s.first, last)
		}
		last = s.last
	}
	return offset, nil
}
