package kvstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidwall/btree"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// These benchmarks measure the reads of a client over the default storage, with
// their yardsticks as sub-benchmarks of the same run: 1,000,000 keys of 16
// random bytes with values of 100.

const benchKeys = 1_000_000

// benchKey is the i-th key. Its bytes are spread by a bijection, so that
// neighbours in number are none in order.
func benchKey(i int) []byte {
	k := make([]byte, 16)
	binary.BigEndian.PutUint64(k, uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(k[8:], uint64(i))
	return k
}

func benchRecords(from, to int) []kvstore.Record {
	rng := rand.NewChaCha8([32]byte{1})
	records := make([]kvstore.Record, 0, to-from)
	for i := from; i < to; i++ {
		v := make([]byte, 100)
		rng.Read(v)
		records = append(records, kvstore.Record{
			Key: benchKey(i), Value: v, Revision: int64(i), TimeMillis: 1_750_000_000_000 + int64(i/1000),
		})
	}
	return records
}

func benchStorage(tb testing.TB, keys int) *memory.Storage {
	tb.Helper()
	s := memory.New()
	for from := 0; from < keys; from += 1000 {
		if err := s.ApplyRecords(context.Background(), benchRecords(from, from+1000)); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// benchOrder is a ring of random keys, made before the clock runs.
func benchOrder() [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	ring := make([][]byte, 1<<20)
	for i := range ring {
		ring[i] = benchKey(rng.IntN(benchKeys))
	}
	return ring
}

func BenchmarkRead1M(b *testing.B) {
	ctx := context.Background()
	ring := benchOrder()
	b.Run("get-map", func(b *testing.B) {
		m := make(map[string][]byte)
		for i := range benchKeys {
			m[string(benchKey(i))] = make([]byte, 100)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if len(m[string(ring[i&(1<<20-1)])]) != 100 {
				b.Fatal("wrong value")
			}
		}
	})
	b.Run("get-map-copy", func(b *testing.B) {
		m := make(map[string][]byte)
		for i := range benchKeys {
			m[string(benchKey(i))] = make([]byte, 100)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if len(bytes.Clone(m[string(ring[i&(1<<20-1)])])) != 100 {
				b.Fatal("wrong value")
			}
		}
	})
	b.Run("range-btree", func(b *testing.B) {
		type pair struct {
			key   string
			value []byte
		}
		t := btree.NewBTreeG(func(a, b pair) bool { return a.key < b.key })
		for i := range benchKeys {
			t.Set(pair{string(benchKey(i)), make([]byte, 100)})
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n, bytes := 0, 0
			t.Ascend(pair{key: string(ring[i&(1<<20-1)])}, func(p pair) bool {
				bytes += len(p.key) + len(p.value)
				n++
				return n < 1000
			})
		}
	})
	s := benchStorage(b, benchKeys)
	c := kvstore.NewReader(s)
	if _, err := s.Snapshot(ctx); err != nil {
		b.Fatal(err)
	}
	b.Run("get-storage", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if v, err := s.Get(ctx, ring[i&(1<<20-1)]); err != nil || len(v) != 100 {
				b.Fatal("wrong value")
			}
		}
	})
	b.Run("get-client", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if v, err := c.Get(ctx, ring[i&(1<<20-1)]); err != nil || len(v) != 100 {
				b.Fatal("wrong value")
			}
		}
	})
	b.Run("get-clients", func(b *testing.B) { benchParallel(b, c, ring) })
	b.Run("get-clients, writes", func(b *testing.B) {
		records := benchRecords(0, 100_000)
		var stop atomic.Bool
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := 0; !stop.Load(); i++ {
				_ = s.ApplyRecords(ctx, records[i%1000*100:i%1000*100+100])
			}
		})
		benchParallel(b, c, ring)
		stop.Store(true)
		writer.Wait()
	})
	b.Run("range-client", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n, bytes := 0, 0
			for kv, err := range c.Range(ctx, kvstore.KeyConstraint{Start: ring[i&(1<<20-1)]}, kvstore.QueryOptions{Limit: 1000}) {
				if err != nil {
					b.Fatal(err)
				}
				bytes += len(kv.Key) + len(kv.Value)
				n++
			}
		}
	})
}

func benchParallel(b *testing.B, c *kvstore.Client, ring [][]byte) {
	ctx := context.Background()
	var offset atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := offset.Add(7919); pb.Next(); i++ {
			if v, err := c.Get(ctx, ring[i&(1<<20-1)]); err != nil || len(v) != 100 {
				panic("wrong value")
			}
		}
	})
}
