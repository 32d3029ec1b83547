package kvstore_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// heapHeld returns the bytes on the heap that are in use.
func heapHeld() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held on to
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLiveDataDoesNotPinFetchBuffers: most of the log is overwritten, in record
// batches of a thousand, so that nearly every batch holds a little live data. A
// client that keeps a slice of a batch keeps the batch.
func TestLiveDataDoesNotPinFetchBuffers(t *testing.T) {
	const (
		live    = 100_000 // keys that stay
		waste   = 4       // records that go for each one that stays
		size    = 100     // bytes of a value
		batches = 200
	)
	kit := kvstoretest.New(t)
	ctx := t.Context()
	producer, err := kgo.NewClient(append(kit.KafkaOptions("producer"),
		kgo.DefaultProduceTopic(topic), kgo.ManualFlushing(), kgo.MaxBufferedRecords(1<<20))...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	value := random(size)
	data := int64(0)
	for b := range batches {
		for i := range live / batches {
			for j := range waste {
				producer.Produce(ctx, kgo.KeySliceRecord(fmt.Appendf(nil, "waste-%d", j), value), nil)
			}
			key := fmt.Appendf(nil, "key-%04d-%06d", b, i)
			data += int64(len(key) + size)
			producer.Produce(ctx, kgo.KeySliceRecord(key, value), nil)
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	before := heapHeld()
	store, err := kvstore.NewClient(ctx, topic, memory.New(), kit.ClientOptions("store")...)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	held := heapHeld() - before
	n := 0
	for _, err := range store.Range(ctx, kvstore.Prefix("key-"), kvstore.QueryOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != live {
		t.Fatalf("the store has %d keys, want %d", n, live)
	}
	t.Logf("%d bytes of live data, %d on the heap: %.2f times", data, held, float64(held)/float64(data))
	if held > 2*data {
		t.Errorf("%d bytes of live keys and values hold %d bytes of heap, more than twice", data, held)
	}
}
