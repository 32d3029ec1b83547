package kvstore

import (
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

// recordSize returns how many bytes a record takes in an uncompressed batch as its nth
// record. All records of one batch carry one timestamp.
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
