package recordlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// allocated returns how many bytes fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A batch of a few bytes that claims a lot costs a few bytes.
func TestClaimsOfABatchCostNothing(t *testing.T) {
	xerial := append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7)
	xerial = append(binary.AppendUvarint(xerial, math.MaxUint32), 0, 0)
	batch := func(attributes int16, claim int32, body []byte) []byte {
		return Seal((&kmsg.RecordBatch{Magic: 2, Attributes: attributes, LastOffsetDelta: claim - 1, NumRecords: claim, Records: body}).AppendTo(nil))
	}
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0} // zstd, one segment, eight bytes of its size
	for name, raw := range map[string][]byte{
		"records":          batch(0, math.MaxInt32, nil),
		"headers":          batch(0, 1, append([]byte{2 * 12, 0, 0, 0, 1, 1}, binary.AppendVarint(nil, math.MaxInt32)...)),
		"key":              batch(0, 1, append([]byte{2 * 12, 0, 0, 0}, binary.AppendVarint(nil, math.MaxInt32)...)),
		"length":           batch(0, 1, binary.AppendVarint(nil, math.MaxInt32)),
		"snappy":           batch(2, 1, binary.AppendUvarint(nil, 2_000_000_000)),
		"snappy in Java's": batch(2, 1, xerial),
		"zstd":             batch(4, 1, binary.LittleEndian.AppendUint64(bytes.Clone(frame), 2_000_000_000)),
		"length of batch":  binary.BigEndian.AppendUint32(make([]byte, 8), math.MaxUint32-64),
	} {
		t.Run(name, func(t *testing.T) {
			if n := allocated(func() {
				batches, _, err := Parse(raw)
				if err == nil && len(batches) > 0 && batches[0].Unreadable == nil {
					t.Errorf("Parse = %+v, want it unreadable", batches)
				}
			}); n > 1<<20 {
				t.Errorf("%d bytes claim enough to allocate %d", len(raw), n)
			}
		})
	}
}

// What is there in few bytes counts when it is decompressed.
func TestDecompressionIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it decompresses hundreds of megabytes")
	}
	for name, codec := range map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		c, err := kgo.DefaultCompressor(codec)
		if err != nil {
			t.Fatal(err)
		}
		packed, used := c.Compress(new(bytes.Buffer), make([]byte, MostDecompressed))
		if out, err := Decompressor().Decompress(packed, used); err != nil || len(out) != MostDecompressed {
			t.Errorf("%s at the limit: %d bytes, %v", name, len(out), err)
		}
		packed, used = c.Compress(new(bytes.Buffer), make([]byte, MostDecompressed+1))
		_, err = Decompressor().Decompress(packed, used)
		if !errors.Is(err, kgo.ErrMaxDecompress) || !strings.Contains(err.Error(), "134217728") {
			t.Errorf("%s beyond the limit: %v, want %v with the number", name, err, kgo.ErrMaxDecompress)
		}
	}
}

// A batch whose offsets can't be right is refused: who reads a log goes on behind it.
func TestBatchesThatEndBeforeTheyBeginAreRefused(t *testing.T) {
	for _, b := range []kmsg.RecordBatch{
		{Magic: 2, FirstOffset: 5, LastOffsetDelta: -2},
		{Magic: 2, FirstOffset: -1},
		{Magic: 2, FirstOffset: math.MaxInt64, LastOffsetDelta: 1},
	} {
		if batches, _, err := Parse(Seal(b.AppendTo(nil))); err == nil || !strings.Contains(err.Error(), "offset") {
			t.Errorf("Parse of offsets %d and %d behind = %v, %v", b.FirstOffset, b.LastOffsetDelta, batches, err)
		}
	}
}
