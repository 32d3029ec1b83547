package kvstore

import (
	"encoding/binary"
	"testing"
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
