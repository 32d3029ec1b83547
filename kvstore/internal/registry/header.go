package registry

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/sr"
)

// The wire format puts a header before the encoded message:
//
//	byte 0      0x00
//	bytes 1-4   schema id, big endian
//	then        count of message indexes, zigzag varint
//	            that many indexes, zigzag varints
//
// The indexes lead from the file to the message, outermost first. A count of
// zero is short for the one index 0, the first message of the file.
//
// https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format

// Magic is the first byte of every value in the wire format.
const Magic = 0

// firstMessage is the index of the first message of a file. It must not be changed.
var firstMessage = []int{0}

// header returns the header for the message at index of schema id.
func header(id int, index []int) ([]byte, error) {
	if id <= 0 || int64(id) > math.MaxUint32 {
		return nil, fmt.Errorf("schema id %d does not fit the wire format: want 1 to %d", id, uint32(math.MaxUint32))
	}
	return new(sr.ConfluentHeader).AppendEncode(nil, id, index)
}

// ParseHeader splits b into schema id, message index and encoded message.
// The message aliases b.
func ParseHeader(b []byte) (id int, index []int, message []byte, err error) {
	if len(b) < 5 {
		return 0, nil, nil, fmt.Errorf("value of %d bytes is too short for the Schema Registry wire format: want 6 at least", len(b))
	}
	if b[0] != Magic {
		return 0, nil, nil, fmt.Errorf("value is not in the Schema Registry wire format: it begins with byte 0x%02x, not 0x00", b[0])
	}
	id = int(binary.BigEndian.Uint32(b[1:]))
	index, message, err = parseMessageIndex(b[5:])
	if err != nil {
		return 0, nil, nil, fmt.Errorf("value with schema id %d: %w", id, err)
	}
	return id, index, message, nil
}

// parseMessageIndex reads the message index that b begins with.
func parseMessageIndex(b []byte) (index []int, rest []byte, err error) {
	count, n := binary.Varint(b)
	if n <= 0 {
		return nil, nil, fmt.Errorf("count of message indexes is cut off or too long")
	}
	b = b[n:]
	if count == 0 {
		return firstMessage, b, nil
	}
	if count < 0 || count > int64(len(b)) {
		return nil, nil, fmt.Errorf("%d message indexes announced in %d bytes", count, len(b))
	}
	index = make([]int, count)
	for i := range index {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, nil, fmt.Errorf("message index %d of %d is cut off or too long", i+1, count)
		}
		if v < 0 || v > math.MaxInt32 {
			return nil, nil, fmt.Errorf("message index %d of %d is %d: want 0 to %d", i+1, count, v, math.MaxInt32)
		}
		index[i], b = int(v), b[n:]
	}
	return index, b, nil
}
