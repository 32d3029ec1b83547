package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// A write was appended and its answer lost. Before its client can look for it, the place
// where it lies is gone from the log, and the broker has forgotten the producer: it would
// append the write once more, behind the newer one of another client.
func TestWriteInDoubtIsNotSentAgainWhereTheLogDoesNotShowAll(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lags   bool // the client has not read what others wrote before the write
		looked bool // a try was lost before, and the log was searched to its end for it
		gone   func(w *world, at int64)
	}{
		{"log begins behind it", false, false, func(w *world, at int64) { w.DeleteRecords(at + 1) }},
		{"log begins behind it, client lags", true, false, func(w *world, at int64) { w.DeleteRecords(at + 1) }},
		{"log begins behind it, searched before", false, true, func(w *world, at int64) { w.DeleteRecords(at + 1) }},
		{"log begins at its end", false, false, func(w *world, _ int64) { w.DeleteRecords(w.End()) }},
		{"compacted away", false, false, func(w *world, _ int64) { w.Compact() }},
		{"compacted away, client lags", true, false, func(w *world, _ int64) { w.Compact() }},
		{"compacted away, searched before", false, true, func(w *world, _ int64) { w.Compact() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				read := make(chan struct{})
				c := w.open("c", kvstore.WithOnSetHook(func(key, _ []byte) {
					if string(key) == "b0" {
						<-read
					}
				}))
				other := w.open("other")
				w.put(c, "warm", "up")
				if tc.lags {
					for i := range 3 {
						w.put(other, fmt.Sprintf("b%d", i), "1")
					}
				}
				first := w.LoseAnswers
				if tc.looked {
					first = w.LoseRequests
				}
				lost := first(1, "c")
				result := make(chan error, 1)
				go func() { result <- c.Put(w.within(time.Minute), []byte("k"), []byte("old")) }()
				lost.Wait(1)
				if tc.looked { // one more is lost, which was sent after a look
					w.put(other, "b", "1")
					w.LoseRequests(1, "c").Wait(1)
					w.put(other, "b", "2")
					w.LoseAnswers(1, "c").Wait(1)
				}
				away := w.refuseDials("c")
				at := w.End() - 1
				w.put(other, "k", "new")
				w.put(other, "z", "1")
				w.forgetProducers()
				tc.gone(w, at)
				away.Undo()
				err := <-result
				close(read)
				if !errors.Is(err, kvstore.ErrOutcomeUnknown) {
					t.Errorf("Put = %v, want an unknown outcome", err)
				}
				w.want(other, "k", "new")
				w.put(other, "last", "1")
				if n := w.countKeys()["k"]; n > 1 {
					t.Errorf("the log has k %d times, want at most the newer one", n)
				}
			})
		})
	}
}

// What the log lacks elsewhere does not matter: a write that was not appended is sent again.
func TestWriteInDoubtIsSentAgainWhereTheLogShowsThatItIsNotThere(t *testing.T) {
	for _, tc := range []struct {
		name   string
		looked bool // the log was searched to its end before
		gone   func(w *world, from int64)
	}{
		{"log begins where the search does", false, func(w *world, from int64) { w.DeleteRecords(from) }},
		{"log begins in what was searched", true, func(w *world, from int64) { w.DeleteRecords(from + 1) }},
		{"log begins where the last search ended", true, func(w *world, from int64) { w.DeleteRecords(from + 2) }},
		{"compacted below", false, func(w *world, _ int64) { w.Compact() }},
		{"too little was compacted away", false, func(w *world, _ int64) {
			other := w.open("another")
			w.put(other, "c", "1")
			w.put(other, "c", "2")
			w.put(other, "c", "3")
			w.forgetProducers()
			w.Compact()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c, other := w.open("c"), w.open("other")
				w.put(other, "a", "1")
				w.put(other, "a", "2")
				w.put(c, "warm", "up")
				from := w.End()
				lost := w.LoseRequests(1, "c")
				result := make(chan error, 1)
				go func() {
					result <- c.Batch().Put([]byte("k"), []byte("v")).Put([]byte("l"), []byte("v")).Put([]byte("m"), []byte("v")).Execute(w.within(time.Minute))
				}()
				lost.Wait(1)
				if tc.looked {
					w.put(other, "b", "1")
					w.put(other, "b", "2")
					w.LoseRequests(1, "c").Wait(1)
				}
				away := w.refuseDials("c")
				w.forgetProducers()
				tc.gone(w, from)
				away.Undo()
				if err := <-result; err != nil {
					t.Errorf("Put = %v, want that it was sent again", err)
				}
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("the write is in the log %d times, want once", n)
				}
			})
		})
	}
}

// A write is made while its client rereads a log that has lost its tail. What was compacted away
// below the loss, before the write was made, does not matter; what a further loss changes does.
func TestWriteInDoubtDuringARebuildIsLookedForWhereTheLossWas(t *testing.T) {
	keys := []string{"x", "x", "a", "y", "y", "b", "c", "d"} // what the log had
	const left = 6                                           // is left after the loss
	for _, tc := range []struct {
		name  string
		again int64  // not 0: the log loses what is behind this, too, before the write is appended
		stop  string // the key before which the client stops to read again
		lost  bool   // the only try is lost on its way
	}{
		{"lost, nothing reread", 0, "x", true},
		{"lost, some reread", 0, "y", true},
		{"appended, nothing reread", 0, "x", false},
		{"appended, some reread", 0, "y", false},
		{"appended below a further loss, nothing reread", 3, "x", false},
		{"appended below a further loss, some reread", 3, "y", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var rereading atomic.Bool
				reread, goOn := make(chan struct{}), make(chan struct{})
				release := sync.OnceFunc(func() { close(goOn) })
				defer release()
				storage := &pausingStorage{plainStorage: newPlain(), before: func(key string) {
					if rereading.Load() && key == tc.stop {
						rereading.Store(false)
						close(reread)
						<-goOn
					}
				}}
				c, other := w.openOn("c", storage, kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(1))), w.open("other") // one batch a fetch
				for i, key := range keys {
					w.put(other, key, fmt.Sprint(i))
				}
				must(t, c.Sync(t.Context()))
				w.Compact() // offsets 0 and 3
				rereading.Store(true)
				w.loseTail(left)
				<-reread
				lost := w.LoseRequests(1, "c")
				result := make(chan error, 1)
				go func() { result <- c.Put(w.within(time.Minute), []byte("k"), []byte("v")) }()
				lost.Wait(1)
				if !tc.lost {
					away := w.refuseDials("c")
					if tc.again > 0 {
						w.loseTail(tc.again)
					}
					w.forgetProducers() // else the write's sequence is not next
					answer := w.LoseAnswers(1, "c")
					away.Undo()
					answer.Wait(1)
					away = w.refuseDials("c")
					w.forgetProducers()
					must(t, other.Sync(w.within(time.Minute)))
					for i := range len(keys) {
						w.put(other, fmt.Sprintf("c%d", i), "1")
					}
					away.Undo()
				}
				time.AfterFunc(20*time.Second, release)
				if err := <-result; err != nil {
					t.Errorf("Put = %v, want that it is in the log\n%s", err, w.Log())
				}
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("the write is in the log %d times, want once", n)
				}
			})
		})
	}
}

// pausingStorage calls a function before it sets a key.
type pausingStorage struct {
	*plainStorage
	before func(key string)
}

func (s *pausingStorage) Set(ctx context.Context, key, value []byte) error {
	s.before(string(key))
	return s.plainStorage.Set(ctx, key, value)
}

// The log lost its tail, a write went to where others were before, and then the start of the
// log was deleted beyond it. Kafka forgets the epochs that ended below the start: it says that
// the last one of these ended there, wherever the tail was lost.
func TestWriteInDoubtIsNotSentAgainWhereALossWasDeleted(t *testing.T) {
	const read, left = 6, 2 // how long the log was when the write began, and is after the loss
	for start := int64(left + 1); start <= read+2; start++ {
		t.Run(fmt.Sprintf("log begins at %d", start), func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c, other := w.open("c"), w.open("other")
				for i := range read {
					w.put(c, fmt.Sprintf("a%d", i), "1")
				}
				lost := w.LoseRequests(1, "c")
				result := make(chan error, 1)
				go func() { result <- c.Put(t.Context(), []byte("k"), []byte("v")) }()
				lost.Wait(1)
				away := w.refuseDials("c")
				w.loseTail(left)
				w.forgetProducers() // else the write's sequence is not next behind what is left
				answer := w.LoseAnswers(1, "c")
				away.Undo()
				answer.Wait(1)
				away = w.refuseDials("c")
				w.forgetProducers()
				must(t, other.Sync(t.Context()))
				for i := range read {
					w.put(other, fmt.Sprintf("c%d", i), "1")
				}
				w.DeleteRecords(start)
				away.Undo()
				if err := <-result; !errors.Is(err, kvstore.ErrOutcomeUnknown) {
					t.Errorf("Put = %v, want an unknown outcome", err)
				}
				if n := w.countKeys()["k"]; n > 0 {
					t.Errorf("the write was appended, deleted, and is in the log %d times", n)
				}
			})
		})
	}
}
