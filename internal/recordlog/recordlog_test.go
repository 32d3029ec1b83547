package recordlog

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var start = time.UnixMilli(1_700_000_000_000)

// encode makes a batch of records whose first offset is first.
func encode(t *testing.T, first int64, attributes int16, records ...kmsg.Record) []byte {
	t.Helper()
	var body []byte
	for i, r := range records {
		r.OffsetDelta = int32(i)
		r.TimestampDelta64 = int64(i)
		r.Length = int32(len(r.AppendTo(nil)) - 1) // a length of 0 is one byte
		body = r.AppendTo(body)
	}
	if codec := kgo.CompressionCodecType(attributes & 7); codec != kgo.CodecNone {
		c, err := kgo.DefaultCompressor(kgo.ZstdCompression())
		if err != nil {
			t.Fatal(err)
		}
		packed, used := c.Compress(new(bytes.Buffer), body)
		if used != codec {
			t.Fatalf("compressed with %v, want %v", used, codec)
		}
		body = packed
	}
	return Seal((&kmsg.RecordBatch{
		FirstOffset: first, Magic: 2, PartitionLeaderEpoch: 3, Attributes: attributes,
		LastOffsetDelta: int32(len(records) - 1), FirstTimestamp: start.UnixMilli(),
		MaxTimestamp: start.UnixMilli() + int64(len(records)-1), ProducerID: 7, ProducerEpoch: 1, FirstSequence: 5,
		NumRecords: int32(len(records)), Records: body,
	}).AppendTo(nil))
}

func TestParseReadsWholeBatchesAndReturnsTheRest(t *testing.T) {
	value := bytes.Repeat([]byte("v"), 500)
	records := []kmsg.Record{
		{Key: []byte("a"), Value: value, Headers: []kmsg.Header{{Key: "h", Value: []byte("x")}}},
		{Key: []byte("b")},
	}
	raw := slices.Concat(
		encode(t, 10, 0, records...),
		encode(t, 12, int16(kgo.CodecZstd)|0x10, records...),
		encode(t, 14, 0x30, kmsg.Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0}}))
	want := func(first int64) []Record {
		return []Record{
			{Offset: first, Timestamp: start, Key: []byte("a"), Value: value, Headers: []Header{{Key: "h", Value: []byte("x")}}},
			{Offset: first + 1, Timestamp: start.Add(time.Millisecond), Key: []byte("b")},
		}
	}
	for _, cut := range []int{0, 1, 40, 69} {
		got, rest, err := Parse(append(slices.Clone(raw), raw[:cut]...))
		if err != nil || len(rest) != cut {
			t.Fatalf("Parse = rest of %d bytes, %v, want %d", len(rest), err, cut)
		}
		head := Batch{LeaderEpoch: 3, ProducerID: 7, ProducerEpoch: 1, FirstSequence: 5}
		all := []Batch{head, head, head}
		all[0].FirstOffset, all[0].LastOffset, all[0].Records, all[0].MaxTimestamp = 10, 11, want(10), start.Add(time.Millisecond)
		all[1].FirstOffset, all[1].LastOffset, all[1].Records, all[1].MaxTimestamp = 12, 13, want(12), start.Add(time.Millisecond)
		all[1].Transactional = true
		all[2].FirstOffset, all[2].LastOffset, all[2].MaxTimestamp = 14, 14, start
		all[2].Transactional, all[2].Control = true, true
		all[2].Records = []Record{{Offset: 14, Timestamp: start, Key: []byte{0, 0, 0, 1}, Value: []byte{0}}}
		if diff := cmp.Diff(all, got, cmpopts.IgnoreFields(Batch{}, "Raw")); diff != "" {
			t.Errorf("Parse, - want, + got:\n%s", diff)
		}
		for i, commits := range []bool{false, false, true} {
			if commit, ok := got[i].Marker(); commit != commits || ok != commits {
				t.Errorf("Marker of batch %d = %v, %v, want %v twice", i, commit, ok, commits)
			}
		}
	}
}

func TestParseGivesBytesAway(t *testing.T) {
	raw := encode(t, 0, 0, kmsg.Record{Key: []byte("a"), Value: []byte("1")})
	got, _, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	kept := slices.Clone(raw)
	clear(raw)
	if string(got[0].Records[0].Value) != "1" || !bytes.Equal(got[0].Raw, kept) {
		t.Errorf("after the input was cleared the value is %q", got[0].Records[0].Value)
	}
}

func TestParseRefusesBrokenBatches(t *testing.T) {
	good := encode(t, 4, 0, kmsg.Record{Key: []byte("a")})
	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	short := slices.Clone(good)
	binary.BigEndian.PutUint32(short[8:], 3)
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"checksum": {flipped, "batch at offset 4: checksum"},
		"length":   {short, "batch at offset 4: length 15, want at least 61"},
	} {
		if _, _, err := Parse(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Parse = %v, want %q", name, err, c.want)
		}
	}
}

func TestParseSaysWhyRecordsAreUnreadable(t *testing.T) {
	records := func(change func(rb *kmsg.RecordBatch)) []byte {
		var rb kmsg.RecordBatch
		if err := rb.ReadFrom(encode(t, 4, 0, kmsg.Record{Key: []byte("a"), Value: []byte("1")})); err != nil {
			t.Fatal(err)
		}
		change(&rb)
		return Seal(rb.AppendTo(nil))
	}
	for name, raw := range map[string][]byte{
		"garbage":     records(func(rb *kmsg.RecordBatch) { rb.Records = bytes.Repeat([]byte{0xff}, len(rb.Records)) }),
		"cut":         records(func(rb *kmsg.RecordBatch) { rb.Records = rb.Records[:3] }),
		"one more":    records(func(rb *kmsg.RecordBatch) { rb.NumRecords++ }),
		"one less":    records(func(rb *kmsg.RecordBatch) { rb.NumRecords-- }),
		"compression": records(func(rb *kmsg.RecordBatch) { rb.Attributes |= int16(kgo.CodecGzip) }),
	} {
		got, rest, err := Parse(raw)
		if err != nil || len(rest) > 0 || len(got) != 1 {
			t.Fatalf("%s: Parse = %d batches, %d bytes, %v, want one batch", name, len(got), len(rest), err)
		}
		if b := got[0]; b.Unreadable == nil || b.Records != nil || b.LastOffset != 4 {
			t.Errorf("%s: unreadable: %v, %d records, last offset %d", name, b.Unreadable, len(b.Records), b.LastOffset)
		}
	}
}
