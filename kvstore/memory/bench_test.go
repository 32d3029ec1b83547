package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// The benchmarks run every operation on the storage ("memory") and on a Go map
// behind an RWMutex ("map"), the yardstick: the ratio of two lines of the same
// run says more than either on a machine nobody knows. The map is unordered and
// has neither snapshots nor revisions.

const benchKeys = 1_000_000

// yardstick is the map.
type yardstick struct {
	mu sync.RWMutex
	m  map[string][]byte
}

func (y *yardstick) get(key []byte) []byte {
	y.mu.RLock()
	defer y.mu.RUnlock()
	return y.m[string(key)]
}

func (y *yardstick) apply(records []kvstore.Record) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for i := range records {
		y.m[string(records[i].Key)] = bytes.Clone(records[i].Value)
	}
}

// ranged collects the first limit keys from start on in order, the only way that
// a map has.
func (y *yardstick) ranged(start []byte, limit int) []string {
	y.mu.RLock()
	defer y.mu.RUnlock()
	var keys []string
	for k := range y.m {
		if k >= string(start) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys[:min(limit, len(keys))]
}

// target is what a benchmark works on.
type target struct {
	get   func(key []byte) []byte
	apply func(records []kvstore.Record)
}

func memoryTarget(s *Storage) target {
	ctx := context.Background()
	return target{
		get: func(key []byte) []byte {
			v, err := s.Get(ctx, key)
			if err != nil {
				panic(err)
			}
			return v
		},
		apply: func(records []kvstore.Record) {
			if err := s.ApplyRecords(ctx, records); err != nil {
				panic(err)
			}
		},
	}
}

// onBoth runs the benchmark on both, filled with benchKeys pairs.
func onBoth(b *testing.B, run func(b *testing.B, t target)) {
	order := rand.New(rand.NewPCG(7, 8)).Perm(benchKeys)
	b.Run("memory", func(b *testing.B) {
		s := New()
		load(b, s, order, 1000)
		s.ask() // it has been filled
		run(b, memoryTarget(s))
	})
	b.Run("map", func(b *testing.B) {
		y := &yardstick{m: make(map[string][]byte, benchKeys)}
		for _, n := range order {
			y.m[string(pairKey(n))] = make([]byte, valueSize)
		}
		run(b, target{y.get, y.apply})
	})
}

// keyRing is a set of random keys made before the clock runs.
func keyRing(size int) [][]byte {
	rng := rand.New(rand.NewPCG(9, 10))
	ring := make([][]byte, size)
	for i := range ring {
		ring[i] = pairKey(rng.IntN(benchKeys))
	}
	return ring
}

func recordsOf(keys [][]byte) []kvstore.Record {
	value := make([]byte, valueSize)
	records := make([]kvstore.Record, len(keys))
	for i, k := range keys {
		records[i] = kvstore.Record{Key: k, Value: value, Revision: int64(i), TimeMillis: 1_750_000_000_000}
	}
	return records
}

// BenchmarkGet reads random keys on all processors with nobody writing.
func BenchmarkGet(b *testing.B) {
	onBoth(b, func(b *testing.B, t target) { getParallel(b, t) })
}

// BenchmarkGetWhileWriting reads random keys while one goroutine applies
// batches of 100 records without a pause.
func BenchmarkGetWhileWriting(b *testing.B) {
	onBoth(b, func(b *testing.B, t target) {
		records := recordsOf(keyRing(100))
		var stop atomic.Bool
		var writer sync.WaitGroup
		writer.Go(func() {
			for !stop.Load() {
				t.apply(records)
			}
		})
		getParallel(b, t)
		stop.Store(true)
		writer.Wait()
	})
}

func getParallel(b *testing.B, t target) {
	ring := keyRing(1 << 16)
	var offset atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := offset.Add(7919); pb.Next(); i++ {
			if len(t.get(ring[i%uint64(len(ring))])) != valueSize {
				panic("wrong value")
			}
		}
	})
	b.StopTimer()
}

// BenchmarkApplyRecords overwrites random keys in batches; ns/record is the cost of
// one.
func BenchmarkApplyRecords(b *testing.B) {
	for _, size := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			onBoth(b, func(b *testing.B, t target) {
				records := recordsOf(keyRing(100 * size))
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					from := i % 100 * size
					t.apply(records[from : from+size])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/record")
			})
		})
	}
}

// BenchmarkSet overwrites random keys one at a time.
func BenchmarkSet(b *testing.B) {
	s := New()
	load(b, s, rand.New(rand.NewPCG(7, 8)).Perm(benchKeys), 1000)
	ring, value := keyRing(1<<16), make([]byte, valueSize)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mustNot(b, s.Set(context.Background(), ring[i%len(ring)], value))
	}
}

// BenchmarkRange100 reads 100 neighbours from a random key on.
func BenchmarkRange100(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		s := New()
		load(b, s, rand.New(rand.NewPCG(7, 8)).Perm(benchKeys), 1000)
		ring := keyRing(1 << 16)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c := kvstore.KeyConstraint{Start: ring[i%len(ring)]}
			for kv, err := range s.Range(context.Background(), c, kvstore.QueryOptions{Limit: 100}) {
				if err != nil || len(kv.Value) != valueSize {
					b.Fatal(kv, err)
				}
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		y := &yardstick{m: map[string][]byte{}}
		for n := range benchKeys {
			y.m[string(pairKey(n))] = make([]byte, valueSize)
		}
		for b.Loop() {
			y.ranged(pairKey(benchKeys/2), 100)
		}
	})
}

// BenchmarkSnapshot takes snapshots of a large storage.
func BenchmarkSnapshot(b *testing.B) {
	s := New()
	load(b, s, sequence(benchKeys), 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Snapshot(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBootstrap fills an empty storage with a million records in batches of
// 1000; heap/live is the heap held over the bytes of live keys and values.
func BenchmarkBootstrap(b *testing.B) {
	random := rand.New(rand.NewPCG(7, 8)).Perm(benchKeys)
	for name, order := range map[string][]int{"random": random, "ascending": sequence(benchKeys)} {
		b.Run(name, func(b *testing.B) {
			bootstrap(b, func() (func([]kvstore.Record), any) {
				s := New()
				return memoryTarget(s).apply, s
			}, order)
		})
	}
	b.Run("map", func(b *testing.B) {
		bootstrap(b, func() (func([]kvstore.Record), any) {
			y := &yardstick{m: map[string][]byte{}}
			return y.apply, y
		}, random)
	})
}

func bootstrap(b *testing.B, open func() (apply func([]kvstore.Record), store any), order []int) {
	keys := make([][]byte, len(order))
	for i, n := range order {
		keys[i] = pairKey(n)
	}
	records := recordsOf(keys)
	var ratio float64
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		before := heapHeld()
		apply, store := open()
		b.StartTimer()
		for from := 0; from < len(records); from += 1000 {
			apply(records[from:min(from+1000, len(records))])
		}
		b.StopTimer()
		ratio = float64(heapHeld()-before) / float64(len(order)*(keySize+valueSize))
		runtime.KeepAlive(store)
		b.StartTimer()
	}
	b.ReportMetric(ratio, "heap/live")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(order)), "ns/record")
}
