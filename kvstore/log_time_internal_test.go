package kvstore

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTimestampsOfAllYearsAreThoseOfTheRecords(t *testing.T) {
	for _, want := range []int64{
		0, 1, -1, 1_790_000_000_000, 9_223_372_036_854, 9_223_372_036_855, -9_223_372_036_856,
		time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(),
		1<<57 - 1, -1 << 57,
	} {
		if got := millisOf(time.Unix(0, want*1e6)); got != want {
			t.Errorf("a record of %d ms has the timestamp %d ms", want, got)
		}
	}
}

// TestFranzGoCountsTimestampsInNanoseconds fails when franz-go does not any more; then millisOf can
// go.
func TestFranzGoCountsTimestampsInNanoseconds(t *testing.T) {
	want := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	record := kmsg.Record{Key: []byte("a")}
	raw := record.AppendTo(nil)[1:] // the length is set below; one byte of it stands for none
	record.Length = int32(len(raw))
	raw = record.AppendTo(nil)
	batch := kmsg.RecordBatch{
		Length: int32(49 + len(raw)), Magic: 2, FirstTimestamp: want, MaxTimestamp: want, NumRecords: 1, Records: raw,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.RecordBatches = 1, batch.AppendTo(nil)
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{DisableCRCValidation: true}, &p, nil, nil)
	if len(got.Records) != 1 {
		t.Fatalf("%d records, error %v; want 1", len(got.Records), got.Err)
	}
	ts := got.Records[0].Timestamp
	if millisOf(ts) != want || ts.UnixMilli() == want {
		t.Errorf("the record of %d ms has the timestamp %v", want, ts)
	}
}
