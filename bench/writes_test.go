package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// store opens a store on a topic of the cluster.
func (c *cluster) store(ctx context.Context, topic string, opts ...kvstore.ClientOption) (*kvstore.Client, error) {
	return kvstore.NewClient(ctx, topic, memory.New(), append(opts, kvstore.WithBrokers(c.addrs...))...)
}

// readStore opens a store and reads it once: until then the default storage takes writes
// for less, and a store that nobody reads is not what the rows are about. It is closed
// when b ends.
func (c *cluster) readStore(b *testing.B, topic string, opts ...kvstore.ClientOption) *kvstore.Client {
	b.Helper()
	kv, err := c.store(b.Context(), topic, opts...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = kv.Close() }) // always nil
	if _, err := kv.Get(b.Context(), keyOf(0)); err != nil && !errors.Is(err, kvstore.ErrNotFound) {
		b.Fatal(err)
	}
	return kv
}

// A write writes pairs, all or nothing, and returns when they are where they have to be.
type write func(ctx context.Context, pairs []kvstore.KeyValue) error

// writeSides are the store and what it is measured against, each with a topic and
// clients of its own.
func writeSides(c *cluster, run func(b *testing.B, w write)) []side {
	return []side{
		{"store", func(b *testing.B) {
			kv := c.readStore(b, c.topic(b, "store"))
			run(b, func(ctx context.Context, pairs []kvstore.KeyValue) error {
				if len(pairs) == 1 {
					return kv.Put(ctx, pairs[0].Key, pairs[0].Value)
				}
				batch := kv.Batch()
				for _, p := range pairs {
					batch.Put(p.Key, p.Value)
				}
				return batch.Execute(ctx)
			})
		}},
		{"raw", func(b *testing.B) {
			raw := c.producer(b, c.topic(b, "raw"))
			run(b, func(ctx context.Context, pairs []kvstore.KeyValue) error {
				return raw.ProduceSync(ctx, recordsOf(pairs)...).FirstErr()
			})
		}},
		{"seen", func(b *testing.B) {
			log := c.seenLog(b)
			run(b, func(ctx context.Context, pairs []kvstore.KeyValue) error {
				return log.write(ctx, recordsOf(pairs)...)
			})
		}},
	}
}

func recordsOf(pairs []kvstore.KeyValue) []*kgo.Record {
	records := make([]*kgo.Record, len(pairs))
	for i, p := range pairs {
		records[i] = &kgo.Record{Key: p.Key, Value: p.Value}
	}
	return records
}

// eachDelay runs a benchmark with brokers on this machine, and with brokers that are
// 1 ms away, each way.
func eachDelay(b *testing.B, run func(b *testing.B, c *cluster)) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		b.Run("delay="+delay.String(), func(b *testing.B) { run(b, brokers(b, delay)) })
	}
}

// BenchmarkPut is one goroutine that makes one write after the other. Keys come again
// after 10,000.
func BenchmarkPut(b *testing.B) {
	eachDelay(b, func(b *testing.B, c *cluster) {
		beside(b, writeSides(c, func(b *testing.B, w write) {
			val, n := newValues(1), 0
			put := func() error {
				n++
				return w(b.Context(), []kvstore.KeyValue{{Key: keyOf(n % 10_000), Value: val.next()}})
			}
			warmUp(b, 20, put)
			eachCall(b, "p50-ns", 1, put)
		})...)
	})
}

func warmUp(b *testing.B, n int, do func() error) {
	b.Helper()
	for range n {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPuts64 is 64 goroutines with 50 writes each, one after the other.
func BenchmarkPuts64(b *testing.B) {
	const writers, each = 64, 50
	eachDelay(b, func(b *testing.B, c *cluster) {
		beside(b, writeSides(c, func(b *testing.B, w write) {
			all := func() error {
				var group sync.WaitGroup
				errs := make([]error, writers)
				for g := range errs {
					group.Go(func() {
						v := newValues(byte(g)).next()
						for i := 0; i < each && errs[g] == nil; i++ {
							errs[g] = w(b.Context(), []kvstore.KeyValue{{Key: keyOf(g*each + i), Value: v}})
						}
					})
				}
				group.Wait()
				return errors.Join(errs...)
			}
			warmUp(b, 1, all)
			for b.Loop() {
				if err := all(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*writers*each)/b.Elapsed().Seconds(), "puts/s")
		})...)
	})
}

// BenchmarkBatch is one batch after the other.
func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("pairs=%d", n), func(b *testing.B) {
			beside(b, writeSides(brokers(b, 0), func(b *testing.B, w write) {
				pairs, val := make([]kvstore.KeyValue, n), newValues(1)
				for i := range pairs {
					pairs[i] = kvstore.KeyValue{Key: keyOf(i), Value: val.next()}
				}
				batch := func() error { return w(b.Context(), pairs) }
				warmUp(b, 2, batch)
				eachCall(b, "p50-ns/pair", n, batch)
			})...)
		})
	}
}

// BenchmarkPutHeld overwrites keys of a store that holds many, and of one that holds few.
func BenchmarkPutHeld(b *testing.B) {
	c := brokers(b, 0)
	for _, keys := range []int{1_000_000, 1000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			held := max(keys/small(), 10)
			kv := c.readStore(b, c.filled(b, "written", held))
			val, i := newValues(4), 0
			put := func() error {
				i += 7919
				return kv.Put(b.Context(), keyOf(i%held), val.next())
			}
			warmUp(b, 20, put)
			eachCall(b, "p50-ns", 1, put)
		})
	}
}

// BenchmarkFirstPut is what a program does that starts on a cluster without its topic: the
// store creates the topic and opens, and two pairs are written.
func BenchmarkFirstPut(b *testing.B) {
	c, val, all := brokers(b, 0), newValues(3), tally{}
	fresh := func(all tally) {
		topic, began := c.unmade("fresh"), time.Now()
		kv, err := c.store(b.Context(), topic)
		if err != nil {
			b.Fatal(err)
		}
		defer kv.Close()
		all.add("open-ns", nanos(began))
		if err := kv.Put(b.Context(), keyOf(1), val.next()); err != nil {
			b.Fatal(err)
		}
		all.add("first-put-ns", nanos(began))
		began = time.Now()
		if err := kv.Put(b.Context(), keyOf(2), val.next()); err != nil {
			b.Fatal(err)
		}
		all.add("second-put-ns", nanos(began))
	}
	fresh(tally{}) // to warm up
	for b.Loop() {
		fresh(all)
	}
	all.report(b)
}
