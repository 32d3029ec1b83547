package kvstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// keepWriting writes a record each millisecond until the returned function is
// called.
func (w *world) keepWriting() (stop func()) {
	w.t.Helper()
	other := w.kafka("busy", kgo.ProducerBatchCompression(kgo.NoCompression()))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			other.Produce(w.t.Context(), record(fmt.Sprint(i%50), fmt.Sprint(i)), nil)
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		_ = other.Flush(w.t.Context())
	})
}

func TestSyncIsNotHeldUpByTheWritesOfOthers(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		stop := w.keepWriting()
		defer stop()
		time.Sleep(time.Second)
		for range 50 {
			d := took(func() {
				if err := c.Sync(w.within(time.Minute)); err != nil {
					t.Fatal(err)
				}
			})
			if d > 50*time.Millisecond {
				t.Fatalf("Sync took %v on a log that others write to, with a round trip of 2ms", d)
			}
		}
		if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 0 {
			t.Errorf("status = %+v, want live without rebuilds", s)
		}
	})
}

// The client takes longer for a record than others need to write one: the end of
// the log runs away from it.
func TestOpenReturnsAtTheEndAsItStoodWhenOpeningBegan(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		stop := w.keepWriting()
		defer stop()
		time.Sleep(time.Second)
		d := took(func() {
			w.open("c",
				kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(2000)),
				kvstore.WithOnSetHook(func(_, _ []byte) { time.Sleep(3 * time.Millisecond) }))
		})
		if d > 10*time.Second {
			t.Errorf("opening took %v; reading what was there when it began takes 3s", d)
		}
	})
}
