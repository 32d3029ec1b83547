package kvstore_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// Writes that compaction removed before their client read them become visible at one
// instant, and each has to ask whether it was in the log: they ask together.
func TestWritesThatWereCompactedAwayAreConfirmedTogether(t *testing.T) {
	const writers = 50
	var asked atomic.Int64
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		dial := w.Dialer("c")
		c := w.open("c", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return metadataSpy{conn, func(*kmsg.MetadataRequest) { asked.Add(1) }}, err
		})))
		w.put(c, "a", "1")
		hold := w.On(onlyFetches("c")).Stall()
		revisions := make([]int64, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { revisions[i] = w.put(c, fmt.Sprint("k", i), "mine") })
		}
		w.eventually("all are appended", func() bool { return w.End() == writers+1 })
		for range 2 { // the last batch of a producer stays
			for i := range writers {
				w.Append(kvstoretest.Set(fmt.Sprint("k", i), "theirs"))
			}
		}
		w.put(w.open("d"), "z", "1")
		w.Compact()
		before := asked.Load()
		hold.Undo()
		wg.Wait()
		synctest.Wait()
		if n := asked.Load() - before; n > 3 {
			t.Errorf("%d writes asked for metadata %d times to be confirmed", writers, n)
		}
		slices.Sort(revisions)
		if revisions[0] < 1 || len(slices.Compact(revisions)) != writers {
			t.Errorf("revisions %v, want %d of them", revisions, writers)
		}
		w.want(c, "k0", "theirs")
	})
}
