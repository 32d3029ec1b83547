package kvstore

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// headers returns batches of nothing but headers, of one leader epoch each, counted from 1.
func headers(batches ...[3]int64) []byte {
	var raw []byte
	for i, b := range batches {
		h := make([]byte, batchOverhead)
		binary.BigEndian.PutUint64(h, uint64(b[0]))
		binary.BigEndian.PutUint32(h[headerLength:], uint32(len(h)-12))
		binary.BigEndian.PutUint32(h[headerEpoch:], uint32(i+1))
		h[headerMagic] = 2
		binary.BigEndian.PutUint32(h[headerLastDelta:], uint32(b[1]-b[0]))
		binary.BigEndian.PutUint32(h[headerNumRecords:], uint32(b[2]))
		raw = append(raw, h...)
	}
	return raw
}

func TestGapIsTheFirstOffsetWithoutARecord(t *testing.T) {
	type batches = [][3]int64 // first offset, last offset, number of records
	for name, tc := range map[string]struct {
		from, next int64
		batches    batches
		gap        int64
		epoch      int32
	}{
		"nothing":                            {4, 4, nil, -1, noEpoch},
		"no gap":                             {4, 9, batches{{4, 5, 2}, {6, 6, 1}, {7, 8, 2}}, -1, 3},
		"asked for in the middle of a batch": {4, 8, batches{{2, 5, 4}, {6, 7, 2}}, -1, 2},
		"a batch below what was asked for":   {4, 6, batches{{1, 1, 0}, {4, 5, 2}}, -1, 2},
		"before the first":                   {4, 8, batches{{6, 7, 2}}, 4, 1},
		"between two":                        {4, 8, batches{{4, 4, 1}, {7, 7, 1}}, 5, 2},
		"in a batch":                         {4, 8, batches{{4, 4, 1}, {5, 7, 2}}, 5, 2},
		"in the batch asked for":             {4, 8, batches{{2, 7, 3}}, 4, 1},
		"an empty batch":                     {4, 8, batches{{4, 4, 1}, {5, 7, 0}}, 5, 2},
		"the first of two":                   {4, 9, batches{{5, 5, 1}, {8, 8, 1}}, 4, 2},
		"behind what counts":                 {4, 6, batches{{4, 5, 2}, {9, 9, 1}}, -1, 1},
	} {
		if epoch, gap := passed(headers(tc.batches...), tc.from, tc.next); gap != tc.gap || epoch != tc.epoch {
			t.Errorf("%s: gap %d, epoch %d, want %d, %d", name, gap, epoch, tc.gap, tc.epoch)
		}
	}
	old := headers([3]int64{9, 9, 1})
	old[headerMagic] = 1 // it may have what is from 4 to 9 in it
	if _, gap := passed(old, 4, 10); gap != 4 {
		t.Errorf("a message of an old format: gap %d, want 4: there may be one", gap)
	}
}

// A batch that can't be read proves nothing of the offsets before it. The client stays behind what
// it has read: the leader epoch that it has for its position is that of the last batch there, and
// may have ended before the damaged one.
func TestGapBeforeADamagedBatchIsNotPassed(t *testing.T) {
	large := make([]byte, 100<<10)
	for name, bad := range map[string]rawBatch{
		"claims more than it holds":   {at: 17, span: 1, records: 1, epoch: 2, claim: 100_000},
		"packed, claims more":         {at: 17, span: 1, records: 1, epoch: 2, claim: 100_000, codec: kgo.GzipCompression()},
		"decompresses to too much":    {at: 17, span: 20, records: 20, epoch: 2, value: large, codec: kgo.GzipCompression()},
		"packed by an unknown codec":  {at: 17, span: 1, records: 1, epoch: 2, bits: 6},
		"records out of their places": {at: 17, span: 2, records: 2, epoch: 2, deltas: []int32{1, 0}},
	} {
		d := plainDecoder()
		d.most = 1 << 20
		out, err := decodeOf(t, d, 10, rawBatch{at: 10, span: 2, records: 2, epoch: 1}, bad)
		if err == nil || out.next != 12 || out.epoch != 1 || out.gap != -1 || len(out.records) != 2 {
			t.Errorf("%s: next %d of epoch %d, gap %d, %d records, %v; want the batch before and an error", name, out.next, out.epoch, out.gap, len(out.records), err)
		}
		if err != nil && !strings.Contains(err.Error(), "offset 17") {
			t.Errorf("%s: %v, want the offset of the batch", name, err)
		}
		if out, err := decodeOf(t, d, 12, bad); err == nil || out.next != 12 || out.epoch != noEpoch {
			t.Errorf("%s, alone: next %d of epoch %d, %v; want an error and nothing passed", name, out.next, out.epoch, err)
		}
	}
	// The batch at 17 is for the next fetch.
	d := plainDecoder()
	d.most = 3 << 20
	first := rawBatch{at: 10, span: 20, records: 20, epoch: 1, value: large, codec: kgo.GzipCompression()}
	if out, err := decodeOf(t, d, 10, first, rawBatch{at: 37, span: 2, records: 2, epoch: 2, codec: kgo.GzipCompression()}); err != nil || out.next != 30 || out.epoch != 1 {
		t.Errorf("enough at a time: next %d of epoch %d, %v; want the batch before", out.next, out.epoch, err)
	}
}
