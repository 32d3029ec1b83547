package recordlog

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzParse gives Parse batches whose lengths and checksums are right, so that what is behind
// them is read. What it returns lies in what it was given.
func FuzzParse(f *testing.F) {
	plain := kmsg.Record{Key: []byte("k"), Value: []byte("v"), Headers: []kmsg.Header{{Key: "h", Value: []byte("x")}}}
	plain.Length = int32(len(plain.AppendTo(nil)) - 1)
	for attributes := range int16(6) {
		f.Add((&kmsg.RecordBatch{Magic: 2, Attributes: attributes, NumRecords: 1, Records: plain.AppendTo(nil)}).AppendTo(nil), uint16(70))
	}
	f.Add((&kmsg.RecordBatch{Magic: 2, Attributes: 0x30, NumRecords: 1, Records: []byte{32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0}}).AppendTo(nil), uint16(0))
	f.Fuzz(func(t *testing.T, raw []byte, first uint16) {
		if len(raw) > 1<<12 {
			return
		}
		right(raw, int(first))
		batches, rest, err := Parse(raw)
		if err != nil {
			return
		}
		size := len(rest)
		var txns Transactions
		for i := range batches {
			b := &batches[i]
			size += len(b.Raw)
			if b.FirstOffset < 0 || b.LastOffset < b.FirstOffset {
				t.Errorf("a batch from offset %d to %d", b.FirstOffset, b.LastOffset)
			}
			b.Marker()
			txns.Next(b)
		}
		if size != len(raw) || !bytes.HasSuffix(raw, rest) {
			t.Errorf("%d of %d bytes are accounted for", size, len(raw))
		}
	})
}

// right makes the lengths and checksums of batches right, the first of which has about so many
// bytes and the next what is left.
func right(raw []byte, first int) {
	for len(raw) >= HeaderBytes {
		n := min(max(first, HeaderBytes), len(raw))
		Seal(raw[:n])
		raw, first = raw[n:], len(raw)
	}
}
