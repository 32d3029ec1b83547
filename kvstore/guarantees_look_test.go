package kvstore_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// The log loses its tail while a write is on its way. The write is appended below what
// the client had read, or had searched before, nobody tells the client, and the
// broker forgets the producer. Whoever looks above the loss does not find the write.
func TestWriteInDoubtIsLookedForWhereTheLogLostItsTail(t *testing.T) {
	const read, left = 6, 2 // how long the log was when the write began, and is after the loss
	for _, tc := range []struct {
		name     string
		searched bool // one try is lost before, and the log was searched to its end for it
		grows    int  // records of others behind the write
	}{
		{"log ends below", false, 0},
		{"log has grown beyond", false, 8},
		{"searched before, log ends below", true, 0},
		{"searched before, log has grown beyond", true, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c, other := w.open("c"), w.open("other")
				for i := range read {
					w.put(c, fmt.Sprintf("a%d", i), "1")
				}
				lost := w.LoseRequests(1, "c")
				result := make(chan error, 1)
				go func() { result <- c.Put(t.Context(), []byte("k"), []byte("v")) }()
				lost.Wait(1)
				if tc.searched {
					for i := range 3 {
						w.put(other, fmt.Sprintf("b%d", i), "1")
					}
					lost = w.LoseRequests(1, "c")
					lost.Wait(1)
				}
				away := w.refuseDials("c")
				w.loseTail(left)
				w.forgetProducers() // else the write's sequence is not next behind what is left
				answer := w.LoseAnswers(1, "c")
				away.Undo()
				answer.Wait(1)
				away = w.refuseDials("c")
				w.forgetProducers()
				must(t, other.Sync(t.Context()))
				for i := range tc.grows {
					w.put(other, fmt.Sprintf("c%d", i), "1")
				}
				away.Undo()
				if err := <-result; err != nil && !errors.Is(err, kvstore.ErrOutcomeUnknown) {
					t.Errorf("Put = %v, want that it is in the log, or may be", err)
				}
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("the write is in the log %d times, want once", n)
				}
				must(t, c.Sync(t.Context()))
				w.want(c, "k", "v")
			})
		})
	}
}

// Deleting the start of the log also deletes the place where the search begins.
func TestWriteInDoubtIsLookedForBehindADeletedBegin(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c, other := w.open("c"), w.open("other")
		w.put(c, "warm", "up")
		lost := w.LoseRequests(1, "c")
		result := make(chan error, 1)
		go func() { result <- c.Put(t.Context(), []byte("k"), []byte("v")) }()
		lost.Wait(1)
		away := w.refuseDials("c")
		w.put(other, "a", "1")
		w.put(other, "b", "1")
		answer := w.LoseAnswers(1, "c")
		away.Undo()
		answer.Wait(1)
		away = w.refuseDials("c")
		w.DeleteRecords(3)
		w.forgetProducers()
		away.Undo()
		if err := <-result; err != nil {
			t.Errorf("Put = %v, want that it is in the log", err)
		}
		if n := w.countKeys()["k"]; n != 1 {
			t.Errorf("the write is in the log %d times, want once", n)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// forgetProducers makes the brokers forget their producers, and take any sequence.
func (w *world) forgetProducers() {
	w.t.Helper()
	w.ForgetProducers(kvstoretest.AcceptForgotten)
}

// A leader that answers a look with batches at offsets that can't be right is not believed: neither is
// the write at such an offset, nor is it known to be missing.
func TestLookBelievesNoImpossibleOffset(t *testing.T) {
	for name, lie := range changesOf(reflect.TypeFor[[]byte]()) {
		if name != "elsewhere" && name != "negative" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "first", "1")
				looks := 0
				a.set(func(r *reply) {
					f, ok := r.resp.(*kmsg.FetchResponse)
					if ok && r.req.(*kmsg.FetchRequest).IsolationLevel == 0 {
						looks++
						onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { lie(reflect.ValueOf(&p.RecordBatches).Elem()) })(f)
					}
				})
				w.LoseAnswers(1, "c")
				truth := time.AfterFunc(5*time.Second, func() { a.set(nil) })
				defer truth.Stop()
				if rev, err := c.PutRevision(w.within(time.Minute), []byte("k"), []byte("v")); err != nil || rev != 1 {
					t.Errorf("Put = %d, %v, want revision 1", rev, err)
				}
				if n := w.countKeys()["k"]; n != 1 || looks == 0 {
					t.Errorf("the write is in the log %d times, want once; %d looks", n, looks)
				}
			})
		})
	}
}

// A leader that has just been elected does not show yet all that its log has. A client that does not
// find its write there can't know that it is missing.
func TestWriteInDoubtIsLookedForUpToTheEndOfTheLog(t *testing.T) {
	inWorld(t, slow(2), func(t *testing.T, w *world) {
		c := w.open("c")
		w.moveLeader(0)
		w.put(c, "warm", "up")
		answer := w.LoseAnswers(1, "c")
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(time.Minute), []byte("k"), []byte("v")) }()
		answer.Wait(1)
		away := w.refuseDials("c")
		w.forgetProducers()
		older := w.OlderEnds(1000, 1)
		w.MoveLeader(1)
		away.Undo()
		time.Sleep(3 * time.Second)
		older.Undo()
		if err := <-result; err != nil {
			t.Errorf("Put = %v, want that it is found in the log", err)
		}
		if n := w.countKeys()["k"]; n != 1 {
			t.Errorf("the write is in the log %d times, want once", n)
		}
	})
}
