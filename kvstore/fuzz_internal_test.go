package kvstore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// FuzzDecode decodes the answer of a leader that may be hostile, with lengths and checksums that
// are right, so that what is behind them is read. The position never goes back, and no record is
// shown that does not lie before it.
func FuzzDecode(f *testing.F) {
	cl, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(1 << 20)) // it connects to nothing
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(cl.Close)
	for _, codec := range codecs {
		b := rawBatch{at: 10, span: 3, records: 2, codec: codec}
		f.Add(b.bytes(f), uint16(0), uint32(10), uint32(100))
		f.Add(append(b.bytes(f), rawBatch{at: 13, span: 1, records: 1}.bytes(f)...), uint16(len(b.bytes(f))), uint32(11), uint32(14))
	}
	f.Fuzz(func(t *testing.T, raw []byte, first uint16, from, end uint32) {
		if len(raw) > 1<<12 {
			return
		}
		right(raw, int(first))
		d := newDecoder(cl, "kv")
		offset := int64(from)
		out := fetched{next: offset, stable: int64(end), end: int64(end)}
		part := &kmsg.FetchResponseTopicPartition{HighWatermark: int64(end), LastStableOffset: int64(end), RecordBatches: raw}
		err := d.decode(&out, part, offset, &room{})
		if out.next < offset || err == nil && out.next == offset && (len(raw) > 0 || offset < out.stable) {
			t.Errorf("from offset %d to %d, %v", offset, out.next, err)
		}
		last := offset - 1
		for _, r := range out.records {
			if r.Offset <= last || r.Offset >= out.next {
				t.Errorf("a record at offset %d after %d, when the next offset is %d", r.Offset, last, out.next)
			}
			last = r.Offset
		}
		var large *DecompressError
		if err != nil && !unreadable(err) && !errors.Is(err, errNothing) && !errors.As(err, &large) {
			t.Errorf("decode = %v, which has no name", err)
		}
	})
}

// right makes the lengths and checksums of batches right, the first of which has about so many
// bytes and the next what is left.
func right(raw []byte, first int) {
	for len(raw) >= batchOverhead {
		n := min(max(first, batchOverhead), len(raw))
		raw[headerMagic] = 2
		recordlog.Seal(raw[:n])
		raw, first = raw[n:], len(raw)
	}
}

// FuzzJSONSerde reads values that others stored. One that is taken can be written, and is then
// the same.
func FuzzJSONSerde(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5e3,"\u00e9\ud83d\ude00",null,true]}`, `"\ud800"`, `{"a":1,"a":2}`, "\"\xff\"", `[[[[[[]]]]]]`, `1e999`, `-0`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		serde := JSON[any]()
		v, err := serde.Deserialize(stored)
		if err != nil {
			return
		}
		written, err := serde.Serialize(v)
		if err != nil {
			t.Fatalf("%q is read as %v, and not written: %v", stored, v, err)
		}
		again, err := serde.Deserialize(written)
		if err != nil {
			t.Fatalf("%q is written as %q, and not read: %v", stored, written, err)
		}
		if twice, err := serde.Serialize(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%q is written as %q, and then as %q, %v", stored, written, twice, err)
		}
	})
}
