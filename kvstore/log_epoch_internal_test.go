package kvstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// rawBatch describes a record batch of the log, which begins at offset at, spans so
// many offsets, and still has so many records.
type rawBatch struct {
	at       int64
	span     int32
	records  int32
	epoch    int32
	producer int64 // of a transaction, 0 for none
	control  bool
	codec    kgo.CompressionCodec

	bits   int16   // of the attributes
	claim  int32   // how many records the header says there are, 0 for as many as there are, claimNone for 0
	deltas []int32 // the records' offsets, counted from at; nil for the last ones of the span
	value  []byte  // nil for one of a byte
}

// claimNone is the claim of a batch whose header says that it holds no record.
const claimNone = -1 << 20

func (b rawBatch) bytes(t testing.TB) []byte {
	t.Helper()
	batch := kmsg.RecordBatch{
		FirstOffset: b.at, PartitionLeaderEpoch: b.epoch, Magic: 2, LastOffsetDelta: b.span - 1,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: b.records,
	}
	if b.producer > 0 {
		batch.ProducerID, batch.ProducerEpoch, batch.Attributes = b.producer, 0, 0x10
	}
	key := []byte("k")
	batch.Attributes |= b.bits
	if b.control {
		batch.Attributes |= 0x20
		key = []byte{0, 0, 0, 0} // an abort marker
	}
	if b.value == nil {
		b.value = []byte("v")
	}
	if b.claim != 0 {
		batch.NumRecords = b.claim
	}
	if b.claim == claimNone {
		batch.NumRecords = 0
	}
	for i := range b.records {
		r := kmsg.NewRecord()
		r.OffsetDelta, r.Key, r.Value = b.span-b.records+i, key, b.value
		if b.deltas != nil {
			r.OffsetDelta = b.deltas[i]
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		batch.Records = r.AppendTo(batch.Records)
	}
	compressor, err := kgo.DefaultCompressor(b.codec)
	if err != nil {
		t.Fatal(err)
	}
	if compressor != nil {
		packed, codec := compressor.Compress(bytes.NewBuffer(nil), batch.Records)
		batch.Records, batch.Attributes = slices.Clone(packed), batch.Attributes|int16(codec)
	}
	return recordlog.Seal(batch.AppendTo(nil))
}

// oldMessage is a message in the format before record batches.
func oldMessage(at int64) []byte {
	m := kmsg.MessageV1{Offset: at, Magic: 1, Key: []byte("k"), Value: []byte("v")}
	raw := m.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[headerLength:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[12:], crc32.ChecksumIEEE(raw[16:]))
	return raw
}

// The epoch of the position is that of the last batch passed, whatever that batch holds
// for the reader.
func TestEpochIsThatOfTheLastBatchPassed(t *testing.T) {
	plain := rawBatch{at: 10, span: 2, records: 2, epoch: 3}
	flipped := func(raw []byte, at int) []byte { raw[at] ^= 0xff; return raw }
	for name, tc := range map[string]struct {
		from    int64
		raw     [][]byte
		aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction
		next    int64
		epoch   int32
		fails   error
		records int // 0 for any number
	}{
		"records":                    {from: 10, raw: [][]byte{plain.bytes(t)}, next: 12, epoch: 3},
		"several epochs":             {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 5}.bytes(t)}, next: 13, epoch: 5},
		"aborted, without marker":    {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 4, producer: 7}.bytes(t)}, aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 12}}, next: 13, epoch: 4},
		"aborted, with its marker":   {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 4, producer: 7}.bytes(t), rawBatch{at: 13, span: 1, records: 1, epoch: 6, producer: 7, control: true}.bytes(t)}, aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 12}}, next: 14, epoch: 6},
		"marker alone":               {from: 10, raw: [][]byte{rawBatch{at: 10, span: 1, records: 1, epoch: 4, producer: 7, control: true}.bytes(t)}, next: 11, epoch: 4},
		"emptied":                    {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 4, epoch: 4}.bytes(t)}, next: 16, epoch: 4},
		"emptied, with a codec":      {from: 10, raw: [][]byte{rawBatch{at: 10, span: 4, epoch: 4, bits: 1}.bytes(t), rawBatch{at: 14, span: 4, epoch: 5, bits: 2}.bytes(t)}, next: 18, epoch: 5},
		"an aborted one named twice": {from: 10, raw: [][]byte{rawBatch{at: 10, span: 1, records: 1, epoch: 4, producer: 7}.bytes(t), rawBatch{at: 11, span: 1, records: 1, epoch: 4, producer: 7, control: true}.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 4, producer: 7}.bytes(t)}, aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 10}, {ProducerID: 8, FirstOffset: 1}, {ProducerID: 7, FirstOffset: 10}}, next: 13, epoch: 4, records: 2},
		"emptied alone":              {from: 10, raw: [][]byte{rawBatch{at: 10, span: 4, epoch: 4}.bytes(t)}, next: 14, epoch: 4},
		"compressed":                 {from: 10, raw: [][]byte{rawBatch{at: 10, span: 2, records: 2, epoch: 3, codec: kgo.GzipCompression()}.bytes(t), rawBatch{at: 12, span: 2, records: 2, epoch: 4, codec: kgo.SnappyCompression()}.bytes(t)}, next: 14, epoch: 4},
		"begins before the fetch":    {from: 11, raw: [][]byte{plain.bytes(t)}, next: 12, epoch: 3},
		"ends before the fetch":      {from: 12, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 5}.bytes(t)}, next: 13, epoch: 5},
		"a part of the next":         {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 5}.bytes(t)[:40]}, next: 12, epoch: 3},
		"no epochs":                  {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: -1}.bytes(t)}, next: 13, epoch: -1},
		"old format":                 {from: 10, raw: [][]byte{plain.bytes(t), oldMessage(12)}, next: 13, epoch: -1},
		"damaged tail":               {from: 10, raw: [][]byte{plain.bytes(t), flipped(rawBatch{at: 12, span: 1, records: 1, epoch: 5}.bytes(t), 65)}, next: 12, epoch: 3, fails: errCorrupt},
		"damaged first":              {from: 10, raw: [][]byte{flipped(plain.bytes(t), 65)}, next: 10, epoch: noEpoch, fails: errCorrupt},
		"unknown format":             {from: 10, raw: [][]byte{plain.bytes(t), flipped(rawBatch{at: 12, span: 1, records: 1, epoch: 5}.bytes(t), headerMagic)}, next: 12, epoch: 3, fails: errForeign},
		"a part":                     {from: 10, raw: [][]byte{plain.bytes(t)[:40]}, next: 10, epoch: noEpoch, fails: errPartial},
		"unknown codec":              {from: 10, raw: [][]byte{plain.bytes(t), rawBatch{at: 12, span: 1, records: 1, epoch: 5, bits: 5}.bytes(t)}, next: 12, epoch: 3, fails: errForeign},
		"nothing":                    {from: 10, next: 10, epoch: noEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			part := &kmsg.FetchResponseTopicPartition{HighWatermark: 16, LastStableOffset: 10, AbortedTransactions: tc.aborted}
			for _, raw := range tc.raw {
				part.RecordBatches = append(part.RecordBatches, raw...)
			}
			out := fetched{next: tc.from, stable: 10, end: 16}
			err := plainDecoder().decode(&out, part, tc.from, &room{})
			if tc.records > 0 && len(out.records) != tc.records {
				t.Errorf("%d records, want %d", len(out.records), tc.records)
			}
			if out.next != tc.next || out.epoch != tc.epoch || !errors.Is(err, tc.fails) {
				t.Errorf("decode = next %d, epoch %d, %v; want next %d, epoch %d, %v", out.next, out.epoch, err, tc.next, tc.epoch, tc.fails)
			}
		})
	}
}

func TestLeadersAnswerForAnEpochIsJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		pos                 int64
		epoch, leads, known int32
		end                 int64
		lost                int64 // -1 for not
	}{
		"the epoch goes on":                  {20, 3, 3, 3, 20, -1},
		"the epoch ended behind":             {20, 3, 5, 3, 25, -1},
		"the epoch ended before":             {20, 3, 5, 3, 15, 15},
		"another epoch in its place":         {20, 3, 5, 2, 25, 20},
		"another epoch that ended before":    {20, 3, 5, 2, 15, 15},
		"a leader without a list of epochs":  {20, 3, 5, -1, -1, -1},
		"a leader of an older epoch":         {20, 3, 1, -1, -1, 20},
		"leaders that have no epochs at all": {20, 3, -1, -1, -1, -1},
	} {
		err := epochLost(tc.pos, tc.epoch, tc.leads, tc.known, tc.end)
		var lost *lostError
		if tc.lost < 0 && err != nil || tc.lost >= 0 && (!errors.As(err, &lost) || lost.end != tc.lost) {
			t.Errorf("%s: epochLost = %v, want a loss from offset %d on (-1: none)", name, err, tc.lost)
		}
	}
}
