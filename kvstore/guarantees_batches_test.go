package kvstore_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// bigBatch is a batch of n puts of small values.
func bigBatch(c *kvstore.Client, prefix string, n int) *kvstore.Batch {
	b := c.Batch()
	for i := range n {
		b.Put(fmt.Appendf(nil, "%s%06d", prefix, i), strconv.AppendInt(nil, int64(i), 10))
	}
	return b
}

// wantOneRecordBatch checks that the last record batch of the log is exactly
// the batch of n puts, in the order in which they were added.
func (w *world) wantOneRecordBatch(prefix string, n int) {
	w.t.Helper()
	bs := w.batches()
	if len(bs) == 0 {
		w.t.Fatal("the log is empty")
	}
	last := bs[len(bs)-1]
	if len(last.Records) != n {
		w.t.Fatalf("the last of %d record batches has %d records, want all %d", len(bs), len(last.Records), n)
	}
	for i, r := range last.Records {
		if want := fmt.Sprintf("%s%06d", prefix, i); string(r.Key) != want {
			w.t.Fatalf("record %d is %q, want %q", i, r.Key, want)
		}
		if want := last.FirstOffset + int64(i); r.Offset != want {
			w.t.Fatalf("record %d has offset %d, want %d", i, r.Offset, want)
		}
	}
}

// TestBatchIsOneRecordBatch: on a client that has never written, with the
// leader not known, after its connections were reset, with answers lost.
func TestBatchIsOneRecordBatch(t *testing.T) {
	n := 5000
	execute := func(w *world, c *kvstore.Client, prefix string) {
		w.t.Helper()
		rev, err := bigBatch(c, prefix, n).ExecuteRevision(w.within(time.Minute))
		if err != nil {
			w.t.Fatal(err)
		}
		w.wantOneRecordBatch(prefix, n)
		if end := w.End(); rev != end-1 {
			w.t.Errorf("ExecuteRevision = %d, want that of the last record, %d", rev, end-1)
		}
	}
	for name, run := range map[string]func(t *testing.T, w *world){
		"first write of a client": func(_ *testing.T, w *world) {
			n = 45000 // nearly what fits
			defer func() { n = 5000 }()
			for i := range 4 {
				execute(w, w.open(fmt.Sprint("c", i)), fmt.Sprint("a", i))
			}
		},
		"leader not known": func(t *testing.T, w *world) {
			c := w.open("c")
			w.MoveLeader(1)
			execute(w, c, "a")
			w.MoveLeader(2)
			execute(w, c, "b")
		},
		"broker away at first": func(t *testing.T, w *world) {
			c := w.open("c")
			w.StopBroker(0)
			var back sync.WaitGroup
			back.Go(func() {
				time.Sleep(3 * time.Second)
				w.StartBroker(0)
			})
			execute(w, c, "a")
			back.Wait()
		},
		"connections reset": func(t *testing.T, w *world) {
			c := w.open("c")
			execute(w, c, "a")
			w.DropConnections("c")
			execute(w, c, "b")
		},
		"answer lost": func(t *testing.T, w *world) {
			c := w.open("c")
			execute(w, c, "a")
			w.LoseAnswers(2, "c")
			execute(w, c, "b")
		},
		"request cut": func(t *testing.T, w *world) {
			c := w.open("c")
			w.On(produceOf("c")).CutFrames(2, 0)
			execute(w, c, "a")
		},
		"error before the append": func(t *testing.T, w *world) {
			c := w.open("c")
			w.FailProduces(3, kerr.NotEnoughReplicas)
			execute(w, c, "a")
		},
		"among other writes": func(t *testing.T, w *world) {
			c := w.open("c")
			hold := w.holdProduces()
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() { w.put(c, fmt.Sprint("single", i), "1") })
			}
			time.Sleep(10 * time.Millisecond)
			wg.Go(func() { execute(w, c, "a") })
			time.Sleep(10 * time.Millisecond)
			hold.Undo()
			wg.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) { inWorld(t, slow(3), run) })
		// Without latency a sender can overtake whoever fills the batch.
		t.Run(name+" without latency", func(t *testing.T) { inWorld(t, withTopic(3), run) })
	}
}

// TestBatchesAreNeverInterleaved: many batches of many clients at the same time, among
// single writes.
func TestBatchesAreNeverInterleaved(t *testing.T) {
	inWorld(t, slow(3), func(t *testing.T, w *world) {
		const clients, writers, each, size = 3, 4, 5, 30
		var wg sync.WaitGroup
		for n := range clients {
			c := w.open(fmt.Sprint("c", n))
			for m := range writers {
				wg.Go(func() {
					for i := range each {
						if err := bigBatch(c, fmt.Sprintf("b-%d-%d-%d-", n, m, i), size).Execute(w.within(time.Minute)); err != nil {
							t.Error(err)
						}
						w.put(c, fmt.Sprintf("s-%d-%d-%d-", n, m, i), "1")
					}
				})
			}
		}
		wg.Wait()
		var order []string // of batches, as they stand in the log
		counts := map[string]int{}
		for _, b := range w.batches() {
			within := map[string]int{} // a batch is in one record batch
			for _, r := range b.Records {
				key := string(r.Key)
				name, index, _ := strings.Cut(key[2:], "-0000")
				if strings.HasPrefix(key, "s") {
					order = append(order, "single")
					continue
				}
				if len(order) == 0 || order[len(order)-1] != name {
					order = append(order, name)
				}
				if i, err := strconv.Atoi(index); err != nil || i != within[name] {
					t.Fatalf("%q stands in its record batch as number %d of its batch", key, within[name])
				}
				within[name]++
			}
			for name, n := range within {
				if counts[name] += n; n != size {
					t.Errorf("batch %s has %d of its %d records in one record batch", name, n, size)
				}
			}
		}
		if len(counts) != clients*writers*each {
			t.Errorf("%d batches are in the log, want %d", len(counts), clients*writers*each)
		}
		seen := map[string]bool{}
		for _, name := range order {
			if name != "single" && seen[name] {
				t.Errorf("batch %s is interleaved with others", name)
			}
			seen[name] = true
		}
	})
}

// TestBatchIsVisibleAllAtOnce: a and z always change together. Whatever other
// clients read, at any moment, shows both or none: in a Range, in a Get of one
// after a Get of the other, and in a hook for the first record of the batch. The
// readers fetch less than one batch at a time, if they could.
func TestBatchIsVisibleAllAtOnce(t *testing.T) {
	filler := random(500)
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				writer := w.open("writer")
				var reader *kvstore.Client
				number := func(key string) int {
					v, err := reader.Get(t.Context(), []byte(key))
					if errors.Is(err, kvstore.ErrNotFound) {
						return 0
					}
					n, err2 := strconv.Atoi(string(v))
					if err != nil || err2 != nil {
						t.Errorf("Get(%s) = %q, %v", key, v, err)
					}
					return n
				}
				ready := make(chan struct{})
				hook := kvstore.WithOnSetHook(func(k, v []byte) {
					if <-ready; string(k) != "a" {
						return
					}
					if a, _ := strconv.Atoi(string(v)); number("z") < a {
						t.Errorf("a hook for a=%d reads z=%d", a, number("z"))
					}
				})
				reader = w.openOn("reader", yielding(storage()), hook, kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(100)))
				close(ready)
				const rounds = 200
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := 1; i <= rounds; i++ {
						n := strconv.AppendInt(nil, int64(i), 10)
						b := writer.Batch().Put([]byte("a"), n).Put([]byte("filler"), filler).Put([]byte("z"), n)
						if err := b.Execute(w.within(time.Minute)); err != nil {
							t.Error(err)
						}
					}
				})
				for z := 0; z < rounds && !t.Failed(); {
					a := number("a")
					time.Sleep(100 * time.Microsecond)
					if z = number("z"); z < a {
						t.Errorf("read a=%d and then z=%d", a, z)
					}
					time.Sleep(100 * time.Microsecond)
					if a = number("a"); a < z {
						t.Errorf("read z=%d and then a=%d", z, a)
					}
					got := map[string]string{}
					for kv, err := range reader.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						if err != nil {
							t.Fatal(err)
						}
						got[string(kv.Key)] = string(kv.Value)
						time.Sleep(100 * time.Microsecond)
					}
					if got["a"] != got["z"] {
						t.Errorf("a Range shows a=%s and z=%s", got["a"], got["z"])
					}
				}
				wg.Wait()
			})
		})
	}
}

func TestLargestBatchFitsAndOneByteMoreIsTooLarge(t *testing.T) {
	opts := slow(1, kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "10000"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
		value := random(10000)
		batch := func(n int) *kvstore.Batch {
			b := c.Batch().Delete([]byte("gone"))
			for i := range 200 { // offset deltas of one byte and of two
				b.Put(fmt.Append(nil, "key", i), nil)
			}
			return b.Put([]byte("last"), value[:n])
		}
		largest := largestThat(len(value), func(n int) error { return batch(n).Execute(t.Context()) })
		if got := w.largestBatch(); got != 10000 {
			t.Errorf("the largest record batch that was let through takes %d bytes, want exactly 10000", got)
		}
		end := w.End()
		err := batch(largest + 1).Execute(t.Context())
		wantOutcome(t, "Execute", err, kvstore.ErrRefused)
		var size *kvstore.SizeError
		if !errors.Is(err, kvstore.ErrBatchTooLarge) || errors.Is(err, kvstore.ErrValueTooLarge) || !errors.As(err, &size) {
			t.Fatalf("one byte more = %v, want ErrBatchTooLarge with a SizeError", err)
		}
		if *size != (kvstore.SizeError{Records: 202, Bytes: 10001, Limit: 10000, LimitedBy: "the topic's max.message.bytes"}) {
			t.Errorf("SizeError = %+v, want 202 records of 10001 bytes, limit 10000", *size)
		}
		for _, number := range []string{"202", "10001", "10000"} {
			if !strings.Contains(err.Error(), number) {
				t.Errorf("error %q does not say %s", err, number)
			}
		}
		if got := w.End(); got != end {
			t.Errorf("a refused batch moved the log's end from %d to %d", end, got)
		}
		if err := batch(largest).Execute(t.Context()); err != nil {
			t.Errorf("the largest batch after a refused one = %v", err)
		}
	})
}

// TestTooLargeBatchIsRefusedByTheBrokerToo: where the client can't read the
// limit.
func TestTooLargeBatchIsRefusedByTheBrokerToo(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.FailProduces(1, kerr.MessageTooLarge)
		err := bigBatch(c, "k", 100).Execute(t.Context())
		wantOutcome(t, "Execute", err, kvstore.ErrRefused)
		if !errors.Is(err, kvstore.ErrBatchTooLarge) || !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("Execute = %v, want ErrBatchTooLarge and the broker's error", err)
		}
		if end := w.End(); end != 0 {
			t.Errorf("the log ends at %d, want nothing in it", end)
		}
	})
}

// A batch of one change is a batch, whoever finds that it is too large.
func TestBatchOfOneChangeIsTooLargeAsABatch(t *testing.T) {
	inWorld(t, slow(1, kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "1000"})), func(t *testing.T, w *world) {
		c := w.open("c")
		check := func(what string, err error, batch bool) {
			t.Helper()
			wantOutcome(t, what, err, kvstore.ErrRefused)
			size, ok := errors.AsType[*kvstore.SizeError](err)
			if !ok || size.Records != 1 || !errors.Is(err, kvstore.ErrValueTooLarge) || errors.Is(err, kvstore.ErrBatchTooLarge) != batch {
				t.Errorf("%s = %v, want a SizeError of one record, of a batch: %t", what, err, batch)
			}
		}
		check("Put", c.Put(t.Context(), []byte("k"), random(2000)), false)
		check("Execute", c.Batch().Put([]byte("k"), random(2000)).Execute(t.Context()), true)
		check("Execute of a delete", c.Batch().Delete(random(2000)).Execute(t.Context()), true)
		w.FailProduces(1, kerr.MessageTooLarge)
		check("Execute that the broker refuses", c.Batch().Put([]byte("k"), nil).Execute(t.Context()), true)
	})
}

// TestTimestampsBeyond2262: a record that others wrote has the time that they gave it.
func TestTimestampsBeyond2262(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		want := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		w.Append(kvstoretest.Record{Key: []byte("a"), Value: []byte("v"), Time: want})
		c := w.open("c")
		if e, err := c.GetEntry(t.Context(), []byte("a")); err != nil || !e.Time.Equal(want) {
			t.Errorf("GetEntry = %+v, %v; want the time %v", e, err, want)
		}
	})
}

// TestBatchExecutesOnce: again, by many at the same time, and after a failure.
func TestBatchExecutesOnce(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		b := bigBatch(c, "k", 5)
		results := make([]error, 20)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = b.Execute(w.within(time.Minute)) })
		}
		wg.Wait()
		worked := 0
		for _, err := range results {
			if err == nil {
				worked++
				continue
			}
			wantOutcome(t, "second Execute", err, kvstore.ErrRefused)
			if !errors.Is(err, kvstore.ErrBatchExecuted) {
				t.Errorf("second Execute = %v, want ErrBatchExecuted", err)
			}
		}
		if worked != 1 {
			t.Errorf("%d calls of Execute worked, want 1", worked)
		}
		if err := b.Put([]byte("more"), nil).Execute(t.Context()); !errors.Is(err, kvstore.ErrBatchExecuted) {
			t.Errorf("Execute of a batch that got more = %v, want ErrBatchExecuted", err)
		}
		w.FailProduces(1, kerr.TopicAuthorizationFailed)
		failed := bigBatch(c, "x", 5)
		if err := failed.Execute(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Execute = %v, want TOPIC_AUTHORIZATION_FAILED", err)
		}
		if err := failed.Execute(t.Context()); !errors.Is(err, kvstore.ErrBatchExecuted) {
			t.Errorf("Execute after a failed one = %v, want ErrBatchExecuted", err)
		}
		if end := w.End(); end != 5 {
			t.Errorf("the log ends at %d, want the 5 records of one batch", end)
		}
	})
}

func TestEmptyBatchSucceedsAndWritesNothing(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		b := c.Batch()
		if rev, err := b.ExecuteRevision(t.Context()); rev != -1 || err != nil {
			t.Errorf("ExecuteRevision of an empty batch = %d, %v; want -1, nil", rev, err)
		}
		if err := b.Execute(t.Context()); !errors.Is(err, kvstore.ErrBatchExecuted) {
			t.Errorf("second Execute = %v, want ErrBatchExecuted", err)
		}
		if end := w.End(); end != 0 {
			t.Errorf("the log ends at %d, want nothing in it", end)
		}
	})
}

// TestBatchAppliesItsChangesInOrder: the last change of a key wins.
func TestBatchAppliesItsChangesInOrder(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.openOn("c", storage())
				b := c.Batch().Put([]byte("a"), []byte("1")).Delete([]byte("a")).Put([]byte("a"), []byte("2"))
				b.Put([]byte("b"), []byte("1")).Delete([]byte("b"))
				if err := b.Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := w.contents(c), "a=2 "; got != want {
					t.Errorf("contents = %q, want %q", got, want)
				}
			})
		})
	}
}
