package kvstore

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// plainDecoder decodes as a client without options does.
func plainDecoder() *decoder {
	return &decoder{
		codec: kgo.DefaultDecompressor(), most: defaultInflated,
		opts: kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, IsolationLevel: kgo.ReadCommitted()},
	}
}

// counting counts how often it decompresses, and to how many bytes.
type counting struct {
	kgo.Decompressor
	calls, bytes int
}

func (c *counting) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := c.Decompressor.Decompress(src, codec)
	c.calls++
	c.bytes += len(out)
	return out, err
}

// decodeOf decodes batches that were fetched from an offset on.
func decodeOf(t *testing.T, d *decoder, from int64, batches ...rawBatch) (fetched, error) {
	t.Helper()
	part := &kmsg.FetchResponseTopicPartition{HighWatermark: 100, LastStableOffset: 100}
	for _, b := range batches {
		part.RecordBatches = append(part.RecordBatches, b.bytes(t)...)
	}
	out := fetched{next: from, stable: 100, end: 100}
	err := d.decode(&out, part, from, &room{})
	return out, err
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// What a batch claims costs no memory until it is seen to be there.
func TestRecordsAreCountedBeforeThereIsRoomForThem(t *testing.T) {
	for name, codec := range codecs {
		for _, claim := range []int32{3, 20_000_000, math.MaxInt32, -1, math.MinInt32} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			good := rawBatch{at: 10, span: 2, records: 2, codec: codec}
			out, err := decodeOf(t, plainDecoder(), 10, good, rawBatch{at: 12, span: 2, records: 2, codec: codec, claim: claim})
			runtime.ReadMemStats(&after)
			if !errors.Is(err, errCorrupt) || out.next != 12 || len(out.records) != 2 {
				t.Errorf("%s, %d records claimed: next %d, %d records, %v; want the batch before and an error", name, claim, out.next, len(out.records), err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
				t.Errorf("%s, %d records claimed: allocated %d bytes", name, claim, n)
			}
		}
	}
}

// A batch that holds more records than it claims, for which kgo and the checksum have no word, is not
// taken for one without them.
func TestRecordsBehindThoseClaimedAreNotLeftOut(t *testing.T) {
	for name, codec := range codecs {
		for _, claim := range []int32{claimNone, 1, 2} {
			out, err := decodeOf(t, plainDecoder(), 10, rawBatch{at: 10, span: 2, records: 2, codec: codec}, rawBatch{at: 12, span: 3, records: 3, codec: codec, claim: claim}, rawBatch{at: 15, span: 1, records: 1})
			if !errors.Is(err, errCorrupt) || out.next != 12 || len(out.records) != 2 {
				t.Errorf("%s, %d of 3 records claimed: next %d, %d records, %v; want the batch before and an error", name, max(0, claim), out.next, len(out.records), err)
			}
		}
	}
}

// The offsets of records are told as differences, which may be any.
func TestRecordsOutsideOfTheirBatchAreNotRead(t *testing.T) {
	for name, codec := range codecs {
		for _, deltas := range [][]int32{{0, 2}, {-1, 0}, {1, 0}, {1, 1}, {math.MinInt32, 0}, {0, math.MaxInt32}} {
			out, err := decodeOf(t, plainDecoder(), 10, rawBatch{at: 10, span: 2, records: 2}, rawBatch{at: 12, span: 2, records: 2, codec: codec, deltas: deltas})
			if !errors.Is(err, errCorrupt) || out.next != 12 || len(out.records) != 2 {
				t.Errorf("%s, records %v behind the first offset: next %d, %d records, %v; want the batch before and an error", name, deltas, out.next, len(out.records), err)
			}
		}
		if out, err := decodeOf(t, plainDecoder(), 10, rawBatch{at: 10, span: 9, records: 3, codec: codec, deltas: []int32{0, 5, 7}}); err != nil || out.next != 19 || len(out.records) != 3 {
			t.Errorf("%s, a compacted batch: next %d, %d records, %v", name, out.next, len(out.records), err)
		}
	}
}

func TestBatchesAtImpossibleOffsetsAreNotRead(t *testing.T) {
	for _, b := range []rawBatch{
		{at: -1, span: 2, records: 2},
		{at: math.MinInt64, span: 2, records: 2},
		{at: math.MaxInt64, span: 1, records: 1},
		{at: math.MaxInt64, span: 2, records: 2},
		{at: math.MaxInt64 - 1, span: 2, records: 2},
		{at: 12, span: 0},
		{at: 12, span: math.MinInt32},
		{at: 1 << 25, span: 2, records: 2}, // the high watermark is 100
		{at: 1 << 60, span: 2, records: 2},
	} {
		out, err := decodeOf(t, plainDecoder(), 10, rawBatch{at: 10, span: 2, records: 2}, b)
		if !errors.Is(err, errOutOfPlace) || errors.Is(err, errCorrupt) || out.next != 12 || len(out.records) != 2 {
			t.Errorf("a batch of %d offsets at %d: next %d, %d records, %v; want the batch before and an error", b.span, b.at, out.next, len(out.records), err)
		}
	}
}

// A batch that decompresses to more than is allowed stops the client, with an error that
// says where it lies and what to change, and is decompressed once.
func TestBatchBeyondTheLimitIsRefusedOnce(t *testing.T) {
	for name, codec := range codecs {
		if codec == kgo.NoCompression() {
			continue
		}
		d := plainDecoder()
		d.most = 1 << 20
		inner := kgo.DefaultDecompressor()
		if cl, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(d.most)); err == nil {
			inner = cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
			cl.Close()
		}
		seen := &counting{Decompressor: inner}
		d.codec = seen
		good := rawBatch{at: 10, span: 2, records: 2, codec: codec}
		large := rawBatch{at: 12, span: 20, records: 20, codec: codec, value: make([]byte, 100<<10)}
		for range 3 {
			out, err := decodeOf(t, d, 10, good, large)
			var tooLarge *DecompressError
			if !errors.As(err, &tooLarge) || tooLarge.Offset != 12 || tooLarge.Limit != 1<<20 || out.next != 12 || len(out.records) != 2 {
				t.Errorf("%s: next %d, %d records, %v; want the batch before, and a DecompressError at 12", name, out.next, len(out.records), err)
			} else if !strings.Contains(err.Error(), "kgo.MaxDecompressBatchBytes") || !strings.Contains(err.Error(), "1048576") {
				t.Errorf("%s: %v, want the option and the limit in it", name, err)
			}
		}
		if want := 3 + 1; seen.calls != want {
			t.Errorf("%s: %d batches decompressed in three tries, want %d: the large one once", name, seen.calls, want)
		}
		large.value[5] = 1 // another one at its place, of the same size when it is not compressed
		if _, err := decodeOf(t, d, 10, good, large); err == nil {
			t.Errorf("%s: a large batch was taken", name)
		}
		if want := 3 + 1 + 2; seen.calls != want {
			t.Errorf("%s: %d batches decompressed after another one took the large one's place, want %d", name, seen.calls, want)
		}
	}
}

// inZstd is a batch with its records in a frame of zstd that claims a window of 8 MiB.
func inZstd(raw []byte) []byte {
	records := raw[batchOverhead:]
	header := uint32(len(records))<<3 | 1
	packed := append(raw[:batchOverhead:batchOverhead], 0x28, 0xb5, 0x2f, 0xfd, 0, 13<<3, byte(header), byte(header>>8), byte(header>>16))
	packed = append(packed, records...)
	binary.BigEndian.PutUint16(packed[headerAttrs:], uint16(kgo.CodecZstd))
	return recordlog.Seal(packed)
}

// The limit is on what a batch decompresses to, and not on the window that its producer works with.
func TestSmallBatchUnderALargeWindowIsRead(t *testing.T) {
	for _, limit := range []int{64 << 10, 1 << 20, 3 << 20, defaultInflated} {
		for name, opt := range map[string]kgo.Opt{
			"no option": kgo.ClientID(""), "franz-go's own": kgo.WithDecompressor(kgo.DefaultDecompressor()),
		} {
			cl, err := kgo.NewClient(opt, kgo.MaxDecompressBatchBytes(limit))
			if err != nil {
				t.Fatal(err)
			}
			d := newDecoder(cl, "t")
			cl.Close()
			part := &kmsg.FetchResponseTopicPartition{RecordBatches: inZstd(rawBatch{at: 10, span: 2, records: 2}.bytes(t))}
			out := fetched{next: 10, stable: 12, end: 12}
			if err := d.decode(&out, part, 10, &room{}); err != nil || len(out.records) != 2 {
				t.Errorf("limit %d, %s: %d records, %v", limit, name, len(out.records), err)
			}
			large := rawBatch{at: 10, span: 1, records: 1, value: make([]byte, 100<<10)}.bytes(t)
			part.RecordBatches, out = inZstd(large), fetched{next: 10, stable: 12, end: 12}
			var tooLarge *DecompressError
			if err := d.decode(&out, part, 10, &room{}); limit < 100<<10 != errors.As(err, &tooLarge) {
				t.Errorf("limit %d, %s, a batch of 100 KiB: %v", limit, name, err)
			}
		}
	}
}

// A decompressor of the user's is used, and what it says of its window is not called damage.
func TestDecompressorOfTheUserIsUsed(t *testing.T) {
	seen := &counting{Decompressor: kgo.DefaultDecompressor()}
	cl, err := kgo.NewClient(kgo.WithDecompressor(seen))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	d := newDecoder(cl, "t")
	if out, err := decodeOf(t, d, 10, rawBatch{at: 10, span: 2, records: 2, codec: kgo.ZstdCompression()}); err != nil || len(out.records) != 2 || seen.calls != 1 {
		t.Errorf("%d records, %v, %d calls of the decompressor", len(out.records), err, seen.calls)
	}
}

// One fetch holds many batches that are each within the limit.
func TestFetchEndsWhereItsBatchesTakeEnough(t *testing.T) {
	d := plainDecoder()
	d.most = 1 << 20
	seen := &counting{Decompressor: kgo.DefaultDecompressor()}
	d.codec = seen
	var batches []rawBatch
	for i := range int64(20) {
		batches = append(batches, rawBatch{at: 10 + i, span: 1, records: 1, codec: kgo.ZstdCompression(), value: make([]byte, 300<<10)})
	}
	var at int64 = 10
	for at < 30 {
		before := seen.bytes
		out, err := decodeOf(t, d, at, batches[at-10:]...)
		if err != nil || out.next <= at || int64(len(out.records)) != out.next-at {
			t.Fatalf("fetch at %d: next %d, %d records, %v", at, out.next, len(out.records), err)
		}
		if n := seen.bytes - before; n > d.most+d.most/2 {
			t.Errorf("fetch at %d: %d bytes decompressed, of batches that may take %d", at, n, d.most)
		}
		at = out.next
	}
}
