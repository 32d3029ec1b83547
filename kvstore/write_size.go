package kvstore

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
)

// Sizes in Kafka's record batch format, version 2.
// https://kafka.apache.org/documentation/#messageformat
const (
	// batchOverhead is the header of a record batch, from the base offset
	// to the record count.
	batchOverhead = 61

	// defaultMaxMessageBytes is Kafka's default for message.max.bytes. It is
	// assumed where the topic's configuration can't be read.
	defaultMaxMessageBytes = 1048588
)

// recordSize returns how many bytes a record takes in an uncompressed batch of
// which it is the nth record. All records of one batch carry one timestamp.
func recordSize(n int, key, value []byte) int {
	size := recordBody(n, key, value)
	return kbin.VarintLen(int32(size)) + size
}

// recordBody is recordSize without the length that precedes the record.
func recordBody(n int, key, value []byte) int {
	size := 1 + // attributes
		1 + // timestamp delta of zero
		kbin.VarintLen(int32(n)) +
		kbin.VarintLen(int32(len(key))) + len(key) +
		1 // header count of zero
	if value == nil {
		size++ // length -1
	} else {
		size += kbin.VarintLen(int32(len(value))) + len(value)
	}
	return size
}

// batchSize returns the size of one record batch with all of changes in it.
func batchSize(changes []change) int {
	size := batchOverhead
	for i, ch := range changes {
		size += recordSize(i, ch.key, ch.value)
	}
	return size
}

// A SizeError says how large a write is and what the limit is. It matches
// ErrValueTooLarge or ErrBatchTooLarge.
type SizeError struct {
	// Records is the number of records in the write.
	Records int

	// Bytes is the uncompressed size of the record batch that it needs.
	Bytes int

	// Limit is the largest record batch that may be written, in bytes, 0 when
	// the broker refused the write and has another limit than the known one.
	Limit int

	// LimitedBy says what sets the limit: the topic's max.message.bytes, or
	// something lower, such as kgo.ProducerBatchMaxBytes.
	LimitedBy string
}

func newSizeError(changes []change, limit byteLimit) *SizeError {
	return &SizeError{Records: len(changes), Bytes: batchSize(changes), Limit: limit.bytes, LimitedBy: limit.by}
}

// Error gives the numbers and says what to do.
func (e *SizeError) Error() string {
	if e == nil {
		return noError
	}
	limit := "the broker's limit is not known"
	if e.LimitedBy != "" || e.Limit != 0 {
		limit = fmt.Sprintf("the limit is %d", e.Limit)
	}
	if e.LimitedBy != "" {
		limit += " (" + e.LimitedBy + ")"
	}
	if e.Records == 1 {
		return fmt.Sprintf("%v: the record takes %d bytes, %s", ErrValueTooLarge, e.Bytes, limit)
	}
	return fmt.Sprintf("%v: %d records take %d bytes in one record batch, %s; use smaller batches", ErrBatchTooLarge, e.Records, e.Bytes, limit)
}

// Is matches the sentinel for the kind of write.
func (e *SizeError) Is(target error) bool {
	switch {
	case e == nil:
		return false
	case e.Records == 1:
		return target == ErrValueTooLarge
	}
	return target == ErrBatchTooLarge
}
