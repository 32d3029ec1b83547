package realkafka_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

func TestReadYourWrites(t *testing.T) {
	w := newWorld(t)
	c := w.open()
	for i := range 50 {
		w.put(c, "k", fmt.Sprint(i))
		if got, err := c.Get(t.Context(), []byte("k")); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("Get after Put %d = %q, %v", i, got, err)
		}
	}
	if err := c.Delete(w.within(patience), []byte("k")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), []byte("k")); !errors.Is(err, kvstore.ErrNotFound) {
		t.Errorf("Get after Delete = %q, %v; want ErrNotFound", got, err)
	}
}

func TestRevisionIsTheOffset(t *testing.T) {
	w := newWorld(t)
	c := w.open()
	for want := range int64(3) {
		if rev := w.put(c, "k", "v"); rev != want {
			t.Errorf("PutRevision = %d, want %d", rev, want)
		}
	}
	rev, err := c.Batch().Put([]byte("x"), nil).Delete([]byte("k")).ExecuteRevision(w.within(patience))
	if err != nil || rev != 4 {
		t.Errorf("ExecuteRevision = %d, %v; want 4, the offset of its last record", rev, err)
	}
	e, err := c.GetEntry(t.Context(), []byte("x"))
	log := w.k.ReadLog(w.topic)
	if got, want := text(log), "0:k=v 1:k=v 2:k=v 3:x=,4:k"; got != want {
		t.Fatalf("log = %q, want %q", got, want)
	}
	if err != nil || e.Revision != 3 || !e.Time.Equal(log[3].Records[0].Timestamp) {
		t.Errorf("GetEntry = %+v, %v; want revision 3 at %v", e, err, log[3].Records[0].Timestamp)
	}
	w.wantAtEnd(c)
}

func TestSyncShowsWhatWasAcknowledgedToAnyone(t *testing.T) {
	w := newWorld(t)
	writer, reader := w.open(), w.open()
	for i := range 50 {
		rev := w.put(writer, "k", fmt.Sprint(i))
		if i%2 == 0 {
			if err := reader.Sync(w.within(patience)); err != nil {
				t.Fatal(err)
			}
		} else if err := reader.WaitRevision(w.within(patience), rev); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.Get(t.Context(), []byte("k")); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("the other client's Get after its Sync %d = %q, %v", i, got, err)
		}
	}
}

func TestOnlyCommittedDataIsVisible(t *testing.T) {
	w := newWorld(t)
	c := w.open()
	w.put(c, "a", "1")
	commit := w.transaction(record("a", "2"), record("b", "2"))
	// Sync waits for the transaction, so what it shows is not waited for here.
	err := c.Put(w.within(2*time.Second), []byte("c"), []byte("1"))
	var we *kvstore.WriteError
	if !errors.As(err, &we) || !errors.Is(err, kvstore.ErrNotVisible) || we.Revision != 3 {
		t.Fatalf("Put behind an open transaction = %v, want ErrNotVisible at revision 3", err)
	}
	if !strings.Contains(err.Error(), "open transaction") {
		t.Errorf("error %q does not name the open transaction", err)
	}
	w.wantContents(c, "a=1")
	commit(true)
	if err := c.WaitRevision(w.within(patience), we.Revision); err != nil {
		t.Fatal(err)
	}
	w.wantContents(c, "a=2 b=2 c=1")
	w.transaction(record("a", "aborted"))(false)
	if err := c.Sync(w.within(patience)); err != nil {
		t.Fatal(err)
	}
	w.wantContents(c, "a=2 b=2 c=1")
	w.wantAtEnd(c)
}

func TestBatchIsOneRecordBatch(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for n := range 3 {
		c := w.open()
		wg.Go(func() {
			for i := range 20 {
				b := c.Batch()
				for j := range 50 {
					b.Put(fmt.Appendf(nil, "%d-%d", n, j), fmt.Appendf(nil, "%d", i))
				}
				if err := b.Execute(w.within(patience)); err != nil {
					t.Errorf("batch %d of client %d: %v", i, n, err)
				}
			}
		})
	}
	wg.Wait()
	seen := 0
	for _, b := range w.k.ReadLog(w.topic) {
		// Batches that wait for their turn may share a record batch; each is
		// whole and next to none but whole ones.
		if len(b.Records)%50 != 0 {
			t.Fatalf("record batch at %d has %d records: a batch was split", b.FirstOffset, len(b.Records))
		}
		for i, r := range b.Records {
			client, _, _ := strings.Cut(string(b.Records[i/50*50].Key), "-")
			if want := fmt.Sprintf("%s-%d", client, i%50); string(r.Key) != want {
				t.Fatalf("record %d of the batch at %d is %q, want %q: batches are interleaved", i, b.FirstOffset, r.Key, want)
			}
		}
		seen += len(b.Records) / 50
	}
	if seen != 60 {
		t.Errorf("%d batches are in the log, want 60", seen)
	}
}

func TestReadersSeeBatchesWhole(t *testing.T) {
	w := newWorld(t)
	writer, reader := w.open(), w.open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			v := fmt.Appendf(nil, "%d", i)
			b := writer.Batch().Put([]byte("a"), v).Put([]byte("m"), bytes.Repeat([]byte("x"), 50_000)).Put([]byte("z"), v)
			if err := b.Execute(w.within(patience)); err != nil {
				t.Errorf("batch %d: %v", i, err)
				return
			}
		}
	}()
	for looks := 0; ; looks++ {
		select {
		case <-done:
			t.Logf("%d looks", looks)
			return
		default:
		}
		var values []string
		for kv, err := range reader.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(kv.Key) != "m" {
				values = append(values, string(kv.Value))
			}
		}
		if len(values) == 1 || len(values) == 2 && values[0] != values[1] {
			t.Fatalf("range shows a and z as %q: half of a batch", values)
		}
	}
}

// The client refuses what the broker would, to the byte.
func TestSizeLimitIsTheBrokersOwn(t *testing.T) {
	k := realkafka.Start(t)
	const limit = 20_000
	w := &world{t: t, k: k, topic: k.Topic(map[string]string{"max.message.bytes": fmt.Sprint(limit), "min.compaction.lag.ms": "3600000"})}
	c := w.open(kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
	size := largestThatFits(t, func(n int) error { return c.Put(w.within(patience), []byte("k"), bytes.Repeat([]byte("v"), n)) })

	// Another program's producer, which does not look at the size, asks the
	// broker itself.
	other := plain(t, k, w.topic, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(1<<20))
	send := func(n int) error {
		return other.ProduceSync(w.within(patience), kgo.KeySliceRecord([]byte("k"), bytes.Repeat([]byte("v"), n))).FirstErr()
	}
	if err := send(size); err != nil {
		t.Errorf("the broker refuses the largest value that the client takes, %d bytes: %v", size, err)
	}
	if err := send(size + 1); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("the broker's answer to one byte more = %v, want MESSAGE_TOO_LARGE", err)
	}

	err := c.Put(w.within(patience), []byte("k"), bytes.Repeat([]byte("v"), size+1))
	var se *kvstore.SizeError
	if !errors.As(err, &se) || se.Bytes != limit+1 || se.Limit != limit || !errors.Is(err, kvstore.ErrValueTooLarge) {
		t.Errorf("one byte too large = %v, want a SizeError of %d over %d", err, limit+1, limit)
	}
}

// largestThatFits finds the largest size that put takes; the others must be
// refused as too large.
func largestThatFits(t *testing.T, put func(int) error) int {
	t.Helper()
	low, high := 1, 1<<20
	for low < high {
		mid := (low + high + 1) / 2
		switch err := put(mid); {
		case err == nil:
			low = mid
		case errors.Is(err, kvstore.ErrValueTooLarge) && errors.Is(err, kvstore.ErrRefused):
			high = mid - 1
		default:
			t.Fatalf("put of %d bytes = %v", mid, err)
		}
	}
	return low
}

func TestBatchSizeLimitIsExactAndWritesNothing(t *testing.T) {
	k := realkafka.Start(t)
	const limit = 30_000
	w := &world{t: t, k: k, topic: k.Topic(map[string]string{"max.message.bytes": fmt.Sprint(limit), "min.compaction.lag.ms": "3600000"})}
	c := w.open(kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
	batch := func(last int) error {
		b := c.Batch()
		for i := range 200 {
			b.Put(fmt.Appendf(nil, "%03d", i), bytes.Repeat([]byte("v"), 100))
		}
		return b.Put([]byte("last"), bytes.Repeat([]byte("v"), last)).Execute(w.within(patience))
	}
	var se *kvstore.SizeError
	// From here to what fits, the varints of the lengths take two bytes.
	const tooMuch = 8_000
	if err := batch(tooMuch); !errors.As(err, &se) || !errors.Is(err, kvstore.ErrBatchTooLarge) {
		t.Fatalf("a batch too large = %v, want a SizeError", err)
	}
	if end := w.end(); end != 0 {
		t.Fatalf("a refused batch wrote %d records", end)
	}
	fits := tooMuch - (se.Bytes - se.Limit)
	if err := batch(fits + 1); !errors.As(err, &se) || se.Bytes != limit+1 {
		t.Errorf("a batch one byte too large = %v", err)
	}
	if err := batch(fits); err != nil {
		t.Errorf("a batch of exactly %d bytes = %v", limit, err)
	}
	if log := w.k.ReadLog(w.topic); len(log) != 1 || len(log[0].Records) != 201 {
		t.Errorf("the log has %d record batches, want one of 201 records", len(log))
	}
}

func TestRecordWithoutKeyIsSkipped(t *testing.T) {
	k := realkafka.Start(t)
	// A compacted topic takes no such record, but it may not always have been
	// compacted.
	w := &world{t: t, k: k, topic: k.Topic(map[string]string{"cleanup.policy": "delete", "retention.ms": "-1"})}
	w.produce(record("a", "1"), &kgo.Record{Value: []byte("no key")}, record("b", "1"))
	k.AlterTopic(w.topic, map[string]string{"cleanup.policy": "compact"})
	c := w.open(kvstore.WithTopicValidation(kvstore.TopicValidationSkip))
	w.put(c, "c", "1")
	w.wantContents(c, "a=1 b=1 c=1")
	if got := c.Status().SkippedRecords; got != 1 {
		t.Errorf("SkippedRecords = %d, want 1", got)
	}
}

func TestKeysAndValuesOfAnyBytes(t *testing.T) {
	w := newWorld(t)
	c, other := w.open(), w.open()
	keys := [][]byte{{0}, {0, 0}, {0xff}, []byte("a\x00b"), bytes.Repeat([]byte{7}, 5000)}
	for i, key := range keys {
		if err := c.Put(w.within(patience), key, []byte{byte(i), 0, 0xff}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(w.within(patience), []byte{0}); err != nil {
		t.Fatal(err)
	}
	if err := other.Sync(w.within(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), []byte{0}); !errors.Is(err, kvstore.ErrNotFound) {
		t.Errorf("Get of the deleted key = %v, want ErrNotFound", err)
	}
	for i, key := range keys[1:] {
		got, err := other.Get(t.Context(), key)
		if err != nil || !bytes.Equal(got, []byte{byte(i + 1), 0, 0xff}) {
			t.Errorf("Get(%.10q) = %q, %v", key, got, err)
		}
	}
	for _, key := range [][]byte{nil, {}} {
		if err := c.Put(w.within(patience), key, nil); !errors.Is(err, kvstore.ErrInvalidKey) {
			t.Errorf("Put(%v) = %v, want ErrInvalidKey", key, err)
		}
	}
}
