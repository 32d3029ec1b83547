package kvstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Batches of two records each, by the offsets in their headers. What can't be the order of a log
// is an error, and what is passed before it is what lies below for certain.
func TestBatchesOutOfOrderAreNotPassed(t *testing.T) {
	for _, tc := range []struct {
		at   []int64 // fetched from offset 0 on, high watermark 10
		next int64
		bad  bool
	}{
		{at: []int64{0, 2, 4}, next: 6},
		{at: []int64{0, 5, 8}, next: 10}, // compaction leaves gaps
		{at: []int64{0, 6, 4}, next: 2, bad: true},
		{at: []int64{0, 2, 2}, next: 2, bad: true},
		{at: []int64{0, 2, 1}, next: 0, bad: true},
		{at: []int64{4, 2}, next: 0, bad: true},
		{at: []int64{0, 100, 4}, next: 2, bad: true},
		{at: []int64{0, 9}, next: 11}, // the high watermark moved on while the broker read
		{at: []int64{10}, next: 12},
	} {
		var raw []byte
		for i, at := range tc.at {
			b := appendBatch(nil, time.UnixMilli(1), []change{{key: fmt.Append(nil, i)}, {key: []byte("k")}})
			stamp(b, sender{id: 1})
			binary.BigEndian.PutUint64(b, uint64(at))
			raw = append(raw, b...)
		}
		part := kmsg.FetchResponseTopicPartition{HighWatermark: 10, LastStableOffset: 10, RecordBatches: raw}
		out := fetched{next: 0, stable: 10, end: 10}
		err := plainDecoder().decode(&out, &part, 0, &room{})
		if errors.Is(err, errOutOfPlace) != tc.bad || errors.Is(err, errCorrupt) || (err != nil) != tc.bad || out.next != tc.next {
			t.Errorf("batches at %v: next offset %d, error %v; want %d, error %v", tc.at, out.next, err, tc.next, tc.bad)
		}
		for _, r := range out.records {
			if r.Offset >= tc.next {
				t.Errorf("batches at %v: a record at offset %d", tc.at, r.Offset)
			}
		}
	}
}
