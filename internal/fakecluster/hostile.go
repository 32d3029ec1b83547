package fakecluster

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// Hostile says what is wrong with a record batch that anyone with the right to write can make a
// leader keep.
type Hostile int

const (
	// Inflates is a batch of one record whose few bytes decompress to many.
	Inflates Hostile = iota
	// Claims is a batch of one record whose header says that it holds many. It takes as many
	// offsets. Apache Kafka counts the records before it appends them; other brokers do not.
	Claims
)

// HostileBatch is a hostile batch in the log.
type HostileBatch struct {
	First, Last int64 // First and Last are its offsets.
	raw         []byte
}

// Is reports whether b is this batch. What leaders set when they append it does not matter.
func (h *HostileBatch) Is(b *Batch) bool {
	return b.FirstOffset == h.First && len(b.Raw) == len(h.raw) && bytes.Equal(b.Raw[recordlog.AtCRC:], h.raw[recordlog.AtCRC:])
}

// AppendHostile appends a hostile batch as a producer that is not a client of the store. Its record
// has the given key. size is how many bytes an Inflates decompresses to, or a little more, and how
// many records a Claims says that it holds.
func (c *Cluster) AppendHostile(topic string, n int32, h Hostile, key []byte, size int) (*HostileBatch, error) {
	if h != Inflates && h != Claims || size < 2 {
		return nil, fmt.Errorf("fakecluster: append a hostile batch: kind %d of size %d: use Inflates or Claims, and a size above 1", h, size)
	}
	value := []byte("hostile")
	if h == Inflates {
		value = make([]byte, size)
	}
	raw := encodeBatch([]Record{{Key: key, Value: value}}, batchHeader{producer: -1, epoch: -1, sequence: -1})
	last := int64(0)
	if h == Inflates {
		raw = squeeze(raw)
	} else {
		last = int64(size) - 1
		binary.BigEndian.PutUint32(raw[recordlog.AtLastDelta:], uint32(last))
		binary.BigEndian.PutUint32(raw[recordlog.AtNumRecords:], uint32(size))
	}
	recordlog.Seal(raw)
	off, err := c.appendBatch(partition{topic, n}, raw, nil)
	if err != nil {
		return nil, err
	}
	return &HostileBatch{First: off, Last: off + last, raw: raw}, nil
}

// squeeze compresses the records of a batch by zstd. It has to be sealed afterwards.
func squeeze(raw []byte) []byte {
	out := append(bytes.Clone(raw[:recordlog.HeaderBytes]), 0x28, 0xb5, 0x2f, 0xfd, 0, zstdWindow)
	out[recordlog.AtAttributes+1] |= byte(kgo.CodecZstd)
	for data := raw[recordlog.HeaderBytes:]; len(data) > 0; {
		kind, n := blockRaw, len(data)
		if i := bytes.Index(data, make([]byte, leastRun)); i > 0 {
			n = i
		} else if i == 0 {
			kind, n = blockRun, len(data)-len(bytes.TrimLeft(data, "\x00"))
		}
		n = min(n, mostBlock)
		header := uint32(n<<3 | kind)
		if n == len(data) {
			header |= 1 // the last one
		}
		out = append(out, byte(header), byte(header>>8), byte(header>>16))
		if kind == blockRun {
			out = append(out, 0)
		} else {
			out = append(out, data[:n]...)
		}
		data = data[n:]
	}
	return out
}

// Parts of a frame of zstd (RFC 8878): no encoder is needed for runs of zeros, and one that is made in a
// testing/synctest bubble can't be used in another.
const (
	zstdWindow = 10 << 3 // a megabyte
	blockRaw   = 0 << 1
	blockRun   = 1 << 1 // one byte, repeated
	mostBlock  = 128 << 10
	leastRun   = 64
)
