package kvstore

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A leader that does not name the last stable offset is believed up to the first batch of a
// transaction: which of those are decided it does not say.
func TestWithoutALastStableOffsetTransactionsAreNotPassed(t *testing.T) {
	plain := rawBatch{at: 10, span: 2, records: 2}
	part := rawBatch{at: 12, span: 1, records: 1, producer: 7}
	marker := rawBatch{at: 12, span: 1, records: 1, producer: 7, control: true}
	behind := rawBatch{at: 13, span: 1, records: 1}
	for name, tc := range map[string]struct {
		from    int64
		batches []rawBatch
		next    int64
		stable  int64
		open    bool
	}{
		"no transaction":                  {10, []rawBatch{plain, behind}, 14, 14, false},
		"nothing":                         {14, nil, 14, 14, false},
		"a transaction":                   {10, []rawBatch{plain, part, behind}, 12, 12, true},
		"a transaction at once":           {12, []rawBatch{part, behind}, 12, 12, true},
		"a marker":                        {10, []rawBatch{plain, marker, behind}, 12, 12, true},
		"one that was passed before":      {13, []rawBatch{part, behind}, 14, 14, false},
		"one before, in the same answer ": {13, []rawBatch{plain, part, behind}, 14, 14, false},
	} {
		answer := &kmsg.FetchResponseTopicPartition{HighWatermark: 14, LastStableOffset: unknownOffset}
		for _, b := range tc.batches {
			answer.RecordBatches = append(answer.RecordBatches, b.bytes(t)...)
		}
		open := settled(answer, tc.from)
		out := fetched{next: tc.from, stable: answer.LastStableOffset, end: 14}
		err := plainDecoder().decode(&out, answer, tc.from, &room{})
		if err != nil || out.next != tc.next || out.stable != tc.stable || (open != nil) != tc.open {
			t.Errorf("%s: next %d, stable %d, %v, %v; want %d, %d, open: %t", name, out.next, out.stable, open, err, tc.next, tc.stable, tc.open)
		}
	}
}
