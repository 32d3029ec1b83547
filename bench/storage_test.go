package main

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
	"github.com/kvsim/kvsim/kvstore/memory"
)

// storage is what the benchmarks of the storage alone work on.
type storage interface {
	get(key []byte) []byte
	apply(records []kvstore.Record)
}

// memoryStorage is the default storage, without a client.
type memoryStorage struct{ *memory.Storage }

func (s memoryStorage) get(key []byte) []byte {
	v, err := s.Get(context.Background(), key)
	if err != nil {
		panic(err)
	}
	return v
}

func (s memoryStorage) apply(records []kvstore.Record) {
	if err := s.ApplyRecords(context.Background(), records); err != nil {
		panic(err)
	}
}

// lockedMap is the yardstick: a Go map behind a lock. It has neither order nor snapshots
// nor revisions, and hands out its own slices.
type lockedMap struct {
	mu    sync.RWMutex
	pairs map[string][]byte
}

func (m *lockedMap) get(key []byte) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.pairs[string(key)]
}

func (m *lockedMap) apply(records []kvstore.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.pairs[string(r.Key)] = bytes.Clone(r.Value)
	}
}

// storages are the two sides, filled and read once.
func storages(run func(b *testing.B, s storage)) []side {
	filled := func(open func() storage) func(b *testing.B) {
		return func(b *testing.B) {
			s := open()
			fill(s, inChance(heldKeys()))
			s.get(keyOf(0))
			runtime.GC()
			run(b, s)
		}
	}
	return []side{
		{"memory", filled(func() storage { return memoryStorage{memory.New()} })},
		{"map", filled(func() storage { return &lockedMap{pairs: map[string][]byte{}} })},
	}
}

// inChance are the records of n keys in an order without order.
func inChance(n int) []kvstore.Record {
	value, records := newValues(8).next(), make([]kvstore.Record, n)
	for i, k := range rand.New(rand.NewPCG(7, 8)).Perm(n) {
		records[i] = kvstore.Record{Key: keyOf(k), Value: value, Revision: int64(i), TimeMillis: 1_750_000_000_000}
	}
	return records
}

// fill applies records in batches of 1,000.
func fill(s storage, records []kvstore.Record) {
	for from := 0; from < len(records); from += 1000 {
		s.apply(records[from:min(from+1000, len(records))])
	}
}

// BenchmarkStorageGet reads random keys on all processors.
func BenchmarkStorageGet(b *testing.B) { beside(b, storages(getParallel)...) }

func getParallel(b *testing.B, s storage) {
	keys := newRing(heldKeys())
	var readers atomic.Int32
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		mine := keys.part(int(readers.Add(1))-1, runtime.GOMAXPROCS(0))
		for pb.Next() {
			if len(s.get(mine.next())) != valueSize {
				panic(errYardstick)
			}
		}
	})
	b.StopTimer()
}

// BenchmarkStorageGetWhileWriting reads random keys while one goroutine applies batches
// of 100 records without a pause.
func BenchmarkStorageGetWhileWriting(b *testing.B) {
	beside(b, storages(func(b *testing.B, s storage) {
		records := inChance(heldKeys())[:100]
		var stop atomic.Bool
		var writer sync.WaitGroup
		writer.Go(func() {
			for !stop.Load() {
				s.apply(records)
			}
		})
		getParallel(b, s)
		stop.Store(true)
		writer.Wait()
	})...)
}

// BenchmarkStorageApply overwrites random keys in batches.
func BenchmarkStorageApply(b *testing.B) {
	for _, size := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("records=%d", size), func(b *testing.B) {
			beside(b, storages(func(b *testing.B, s storage) {
				records := inChance(heldKeys())
				size, at := min(size, len(records)), 0
				for b.Loop() {
					if at+size > len(records) {
						at = 0
					}
					s.apply(records[at : at+size])
					at += size
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/record")
			})...)
		})
	}
}

// BenchmarkStorageFill fills an empty storage, in the order of the keys or in none.
func BenchmarkStorageFill(b *testing.B) {
	n := heldKeys()
	loop := func(open func() storage, records func() []kvstore.Record) func(b *testing.B) {
		return func(b *testing.B) {
			all, took := records(), tally{}
			for b.Loop() {
				s := open()
				runtime.GC()
				took.add("ns/record", meanOf(1, func() error { fill(s, all); return nil }, b)/float64(n))
			}
			took.report(b)
		}
	}
	store := func() storage { return memoryStorage{memory.New()} }
	sorted := func() []kvstore.Record {
		records := inChance(n)
		slices.SortFunc(records, func(a, b kvstore.Record) int { return bytes.Compare(a.Key, b.Key) })
		return records
	}
	chance := func() []kvstore.Record { return inChance(n) }
	beside(b,
		side{"memory", loop(store, chance)},
		side{"memory-sorted", loop(store, sorted)},
		side{"map", loop(func() storage { return &lockedMap{pairs: map[string][]byte{}} }, chance)})
}
