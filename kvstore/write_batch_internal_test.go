package kvstore

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// batchesOf are changes of all sizes that matter to the encoding.
func batchesOf() map[string][][]change {
	long := bytes.Repeat([]byte("long "), 4000)
	many := make([]change, 300)
	for i := range many {
		many[i] = change{key: fmt.Appendf(nil, "key %d", i), value: []byte("value value value value")}
	}
	return map[string][][]change{
		"one":            {{{key: []byte("k"), value: []byte("v")}}},
		"empty value":    {{{key: []byte("k"), value: []byte{}}}},
		"delete":         {{{key: []byte("k")}}},
		"long":           {{{key: long, value: long}}},
		"many":           {many},
		"several writes": {many[:3], {{key: []byte("d")}}, many[3:70]},
	}
}

// franz-go's decoder checks header, checksum and records.
func TestRecordBatchIsReadBackAsItWasWritten(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for what, groups := range batchesOf() {
		for name, codec := range codecs {
			for _, version := range []int16{3, oldestWithZstd - 1, oldestWithZstd, 13} {
				c, err := kgo.DefaultCompressor(codec)
				if err != nil {
					t.Fatal(err)
				}
				var all []change
				for _, g := range groups {
					all = append(all, g...)
				}
				b := &recordBatch{records: len(all), plain: appendBatch(nil, now, groups...)}
				if got, want := len(b.plain), batchSize(all); got != want {
					t.Errorf("%s: %d bytes, want the %d that were reckoned with", what, got, want)
				}
				b.take(sender{id: 77, epoch: 3, sequence: math.MaxInt32 - 1})
				raw := b.bytes(version, c)
				if len(raw) > len(b.plain) {
					t.Errorf("%s, %s: %d bytes, more than the %d without compression", what, name, len(raw), len(b.plain))
				}
				checkBatch(t, fmt.Sprintf("%s, %s, version %d", what, name, version), raw, all, now)
				if name == "zstd" && version < oldestWithZstd && raw[headerAttrs+1]&7 != 0 {
					t.Errorf("%s: zstd in version %d", what, version)
				}
			}
		}
	}
}

func checkBatch(t *testing.T, what string, raw []byte, want []change, now time.Time) {
	t.Helper()
	var h kmsg.RecordBatch
	if err := h.ReadFrom(raw); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if h.FirstOffset != 0 || h.PartitionLeaderEpoch != -1 || h.Magic != 2 || int(h.NumRecords) != len(want) || int(h.LastOffsetDelta) != len(want)-1 {
		t.Errorf("%s: header %+v", what, h)
	}
	if h.ProducerID != 77 || h.ProducerEpoch != 3 || h.FirstSequence != math.MaxInt32-1 {
		t.Errorf("%s: sent as %d, %d, %d", what, h.ProducerID, h.ProducerEpoch, h.FirstSequence)
	}
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches, part.HighWatermark, part.LastStableOffset = raw, int64(len(want)), int64(len(want))
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{}, &part, kgo.DefaultDecompressor(), nil)
	if got.Err != nil || len(got.Records) != len(want) {
		t.Fatalf("%s: %d records, %v; want %d", what, len(got.Records), got.Err, len(want))
	}
	for i, r := range got.Records {
		ch := want[i]
		if !bytes.Equal(r.Key, ch.key) || !bytes.Equal(r.Value, ch.value) || (r.Value == nil) != (ch.value == nil) || !r.Timestamp.Equal(now) || len(r.Headers) != 0 {
			t.Errorf("%s: record %d is %q=%q (nil: %v) at %v", what, i, r.Key, r.Value, r.Value == nil, r.Timestamp)
		}
	}
}

// A compressor that fails, or makes batches longer, is done without.
type badCompressor struct {
	out   []byte
	codec kgo.CompressionCodecType
}

func (c badCompressor) Compress(*bytes.Buffer, []byte, ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	return c.out, c.codec
}

func TestCompressorThatFailsIsDoneWithout(t *testing.T) {
	changes := []change{{key: []byte("k"), value: []byte("v")}}
	for what, c := range map[string]kgo.Compressor{
		"nothing":    badCompressor{nil, kgo.CodecGzip},
		"error":      badCompressor{[]byte{1}, kgo.CodecError},
		"longer":     badCompressor{make([]byte, 1000), kgo.CodecGzip},
		"not at all": badCompressor{[]byte{1}, kgo.CodecNone},
	} {
		b := &recordBatch{records: 1, plain: appendBatch(nil, time.UnixMilli(5), changes)}
		b.take(sender{id: 77, epoch: 3, sequence: math.MaxInt32 - 1})
		checkBatch(t, what, b.bytes(9, c), changes, time.UnixMilli(5))
	}
}

// The log's batches, with others before, behind and between, and half of one at the end.
func TestBatchIsFoundInTheLogByProducerEpochAndSequence(t *testing.T) {
	at := func(offset int64, who sender, records int) []byte {
		changes := make([]change, records)
		for i := range changes {
			changes[i].key = []byte("k")
		}
		raw := appendBatch(nil, time.UnixMilli(1), changes)
		stamp(raw, who)
		for i := range 8 {
			raw[i] = byte(offset >> (56 - 8*i))
		}
		return raw
	}
	ours := sender{id: 9, epoch: 1, sequence: 40}
	old := append(make([]byte, 8), 0, 0, 0, 60, 0, 0, 0, 0, 1) // a message of format 1
	old = append(old, make([]byte, 72-len(old))...)
	old[7] = 10
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	whole := at(12, ours, 3)
	emptied := bytes.Clone(whole[:batchOverhead]) // by compaction, which keeps the header
	emptied[headerLength+3], emptied[headerNumRecords+3] = batchOverhead-12, 0
	emptied[headerLength+2] = 0
	for what, tc := range map[string]struct {
		raw    []byte
		next   int64
		offset int64
		found  bool
	}{
		"nothing":          {nil, -1, -1, false},
		"alone":            {whole, 15, 12, true},
		"behind others":    {join(old, at(11, sender{id: 9, epoch: 1, sequence: 39}, 1), whole, at(15, noSender, 1)), 15, 12, true},
		"another producer": {at(12, sender{id: 8, epoch: 1, sequence: 40}, 3), 15, -1, false},
		"another epoch":    {at(12, sender{id: 9, epoch: 2, sequence: 40}, 3), 15, -1, false},
		"another sequence": {at(12, sender{id: 9, epoch: 1, sequence: 43}, 3), 15, -1, false},
		"no producer":      {at(12, noSender, 3), 15, -1, false},
		"half of it":       {join(at(11, noSender, 1), whole[:len(whole)-1]), 12, -1, false},
		"a damaged length": {join(at(11, noSender, 1), whole[:8], []byte{255, 255, 255, 255}, whole[12:]), 12, -1, false},
		"emptied":          {emptied, 15, 12, true},
	} {
		b := &recordBatch{records: 3, who: ours}
		next, offset, found := b.in(tc.raw)
		if next != tc.next || offset != tc.offset || found != tc.found {
			t.Errorf("%s: next %d, offset %d, found %v; want %d, %d, %v", what, next, offset, found, tc.next, tc.offset, tc.found)
		}
	}
	if _, _, found := (&recordBatch{records: 1, who: noSender}).in(at(1, noSender, 1)); found {
		t.Error("a batch that was never sent was found")
	}
}
