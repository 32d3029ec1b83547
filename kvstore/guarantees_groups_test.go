package kvstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// putter returns a Put for goroutines beside the test's.
func putter(t *testing.T, c *kvstore.Client) func(key, value string) {
	return func(key, value string) {
		if err := c.Put(t.Context(), []byte(key), []byte(value)); err != nil {
			t.Error(err)
		}
	}
}

// TestWritersThatWaitTogetherWriteTogether: writers that write again as soon as they are
// answered share one record batch a round, not two that take turns.
func TestWritersThatWaitTogetherWriteTogether(t *testing.T) {
	for _, n := range []int{2, 8} {
		inWorld(t, slow(1), func(t *testing.T, w *world) {
			const rounds = 50
			c := w.open("c")
			put := putter(t, c)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					for r := range rounds {
						put(fmt.Sprint(i), fmt.Sprint(r))
					}
				})
				time.Sleep(100 * time.Microsecond) // the first ones go alone
			}
			wg.Wait()
			if got := len(w.batches()); got > rounds*3/2 {
				t.Errorf("%d writers made %d record batches of %d writes, want about %d: %d if they took turns", n, got, n*rounds, rounds, 2*rounds)
			}
		})
	}
}

// TestSlowHooksHoldNoGroupBack: what queues while hooks run goes into the log soon after
// the group before it, though that is not visible yet.
func TestSlowHooksHoldNoGroupBack(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithOnSetHook(func(_, _ []byte) { time.Sleep(10 * time.Second) }))
		put := putter(t, c)
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 3 { // alone, and two together
			wg.Go(func() { put(fmt.Sprint(i), "v") })
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(5 * time.Millisecond)
		wg.Go(func() { put("3", "v") })
		w.eventually("the last write is in the log", func() bool { return w.End() == 4 })
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("it was there after %v, want soon: a round trip takes 2ms, a hook 10s", d)
		}
		wg.Wait()
	})
}
