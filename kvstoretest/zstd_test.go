package kvstoretest_test

import (
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// TestZstdInABubbleOutlivesTheBubble has all kinds of clients read a log that is compressed
// with zstd: the store, a plain franz-go client and the kit. A finalizer of franz-go's
// decoders would end the whole process afterwards.
func TestZstdInABubbleOutlivesTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t, kvstoretest.WithClientOptions(
			kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.ZstdCompression()))))
		value := make([]byte, 1000)
		if err := kit.Client().Put(t.Context(), []byte("k"), value); err != nil {
			t.Fatal(err)
		}
		if got := kit.Snapshot(); len(got) != 1 {
			t.Errorf("the kit reads %d keys", len(got))
		}
		cl, err := kgo.NewClient(append(kit.KafkaOptions("plain"), kgo.ConsumeTopics(kit.Topic()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if fs := cl.PollFetches(t.Context()); fs.NumRecords() != 1 || fs.Err() != nil {
			t.Errorf("a plain client reads %d records, %v", fs.NumRecords(), fs.Err())
		}
	})
	finalize()
}

// finalize returns when all finalizers have run of what nobody refers to. A sync.Pool
// refers to what is in it for two collections more.
func finalize() {
	for range 3 {
		ran := make(chan struct{})
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(ran) })
		runtime.GC()
		<-ran
	}
}
