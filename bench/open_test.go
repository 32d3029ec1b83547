package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// growthEnv adds a size to those of the rows about growth, such as 10000000, which needs
// about 8 GB of memory.
const growthEnv = "KVSIM_BENCH_GROWTH"

// eachSize runs a benchmark with topics of different sizes, which nobody writes into.
func eachSize(b *testing.B, run func(b *testing.B, c *cluster, topic string, keys int)) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if n, err := strconv.Atoi(os.Getenv(growthEnv)); err == nil {
		sizes = append(sizes, n)
	}
	c := brokers(b, 0)
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			n := max(n/small(), 10)
			run(b, c, c.filled(b, "still", n), n)
		})
	}
}

// BenchmarkBootstrap opens a store, or reads the same topic to its end with kgo and keeps
// nothing. Before each, all memory that is free goes back to the system: who opens a
// store is usually a new process, whose memory is new too.
func BenchmarkBootstrap(b *testing.B) {
	eachSize(b, func(b *testing.B, c *cluster, topic string, keys int) {
		run := func(once func(b *testing.B, all tally)) func(b *testing.B) {
			return func(b *testing.B) {
				all := tally{}
				for b.Loop() {
					debug.FreeOSMemory()
					once(b, all)
				}
				all.report(b)
			}
		}
		beside(b,
			side{"store", run(func(b *testing.B, all tally) { c.open(b, topic, keys, all) })},
			side{"poll", run(func(b *testing.B, all tally) { c.poll(b, topic, keys, all) })})
	})
}

// open opens a store and reads from it for the first time.
//
// The heap is what its objects take beyond those before the opening. The peak is the
// most while the store opens, garbage that is not swept included, or until its first
// Range has ended too. What is live is what a collection leaves after that Range: an order
// that is built when it is first asked for is not for free.
func (c *cluster) open(b *testing.B, topic string, keys int, all tally) {
	before, n := liveHeap(), float64(keys)
	peak := watchHeap()
	began, cpu := time.Now(), cpuTime()
	kv, err := c.store(b.Context(), topic)
	if err != nil {
		b.Fatal(err)
	}
	defer kv.Close()
	ready := time.Now()
	if _, err := kv.Get(b.Context(), keyOf(0)); err != nil { // it ends what the opening began, see package memory
		b.Fatal(err)
	}
	all.opened(began, cpu, n)
	all.add("first-get-ns", nanos(ready))
	most := peak() - before
	all.add("peak-B/key", most/n)
	peak, began = watchHeap(), time.Now()
	if err := drain(kv.Range(b.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{Limit: rangeLen})); err != nil {
		b.Fatal(err)
	}
	all.add("first-range-ns", nanos(began))
	all.add("peak-range-B/key", max(most, peak()-before)/n)
	live := liveHeap() - before
	all.add("live-B", live)
	all.add("live-B/key", live/n)
}

// opened notes how long it took to read so many records.
func (t tally) opened(began time.Time, cpu time.Duration, records float64) {
	took := nanos(began)
	t.add("ns/op", took)
	t.add("records/s", records/took*1e9)
	if used := cpuTime() - cpu; used > 0 {
		t.add("cpu-ns/record", float64(used)/records)
	}
}

// poll reads a topic to its end with kgo and keeps nothing.
func (c *cluster) poll(b *testing.B, topic string, keys int, all tally) {
	began, cpu := time.Now(), cpuTime()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	for n := 0; n < keys; {
		f := cl.PollFetches(b.Context())
		if err := f.Err(); err != nil {
			b.Fatal(err)
		}
		n += f.NumRecords()
	}
	all.opened(began, cpu, float64(keys))
}

// BenchmarkScan reads all pairs of a store, and 1,000 from somewhere on.
func BenchmarkScan(b *testing.B) {
	eachSize(b, func(b *testing.B, c *cluster, topic string, keys int) {
		kv := c.readStore(b, topic)
		scan := func() error { return drain(kv.Range(b.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{})) }
		warmUp(b, 2, scan) // the first puts all keys in order
		all, at := tally{}, 0
		for b.Loop() {
			all.add("scan-ns", meanOf(max(1, 1_000_000/small()/keys), scan, b))
			for range 20 {
				at = (at + 7919) % keys
				all.add("range-ns", meanOf(1, func() error {
					return drain(kv.Range(b.Context(), kvstore.KeyConstraint{Start: keyOf(at)}, kvstore.QueryOptions{Limit: rangeLen}))
				}, b))
			}
			all.add("get-ns", meanOf(1000, func() error {
				at = (at + 7919) % keys
				_, err := kv.Get(b.Context(), keyOf(at))
				return err
			}, b))
		}
		all.report(b)
	})
}

// meanOf is the mean time of n calls: of short ones, since a clock takes time too.
func meanOf(n int, do func() error, b *testing.B) float64 {
	b.Helper()
	began := time.Now()
	for range n {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	return nanos(began) / float64(n)
}

func drain[K any](pairs func(func(K, error) bool)) (failed error) {
	pairs(func(_ K, err error) bool {
		failed = err
		return err == nil
	})
	return failed
}
