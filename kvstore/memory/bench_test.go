package memory

import (
	"context"
	"math/rand/v2"
	"testing"
)

// What is measured beside a yardstick is in the bench module.

const benchKeys = 1_000_000

// BenchmarkSet overwrites random keys one at a time.
func BenchmarkSet(b *testing.B) {
	s, rng := New(), rand.New(rand.NewPCG(7, 8))
	load(b, s, rng.Perm(benchKeys), 1000)
	value, keys := make([]byte, valueSize), make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = pairKey(rng.IntN(benchKeys))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mustNot(b, s.Set(context.Background(), keys[i%len(keys)], value))
	}
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
