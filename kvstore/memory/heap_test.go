package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
)

const (
	valueSize = 100
	keySize   = 20
)

// pairKey is the i-th key, of keySize bytes.
func pairKey(i int) []byte {
	return fmt.Appendf(make([]byte, 0, keySize), "customer/%011d", i)
}

// heapHeld is the number of bytes of all live objects.
func heapHeld() int64 {
	runtime.GC()
	runtime.GC() // the first one may only finish a collection under way
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// load applies pairs in the given order, in batches whose keys and values
// alias one buffer that is used again, as those of a fetch do.
func load(tb testing.TB, s *Storage, order []int, batch int) {
	tb.Helper()
	buffer := make([]byte, 0, batch*(keySize+valueSize))
	records := make([]kvstore.Record, 0, batch)
	for from := 0; from < len(order); from += batch {
		buffer, records = buffer[:0], records[:0]
		for i, n := range order[from:min(from+batch, len(order))] {
			start := len(buffer)
			buffer = fmt.Appendf(buffer, "customer/%011d", n)
			key := buffer[start:]
			for len(buffer) < start+keySize+valueSize {
				buffer = append(buffer, byte(n+len(buffer)))
			}
			records = append(records, kvstore.Record{
				Key: key, Value: buffer[start+keySize:],
				Revision: int64(from + i), TimeMillis: 1_750_000_000_000 + int64(i),
			})
		}
		mustNot(tb, s.ApplyRecords(context.Background(), records))
	}
}

// TestHeapStaysWithinTwiceTheLiveData holds the promise of the package
// documentation: at 20 byte keys and 100 byte values the heap held is at most
// twice the live bytes. It is about 1.4 times, whatever the order.
func TestHeapStaysWithinTwiceTheLiveData(t *testing.T) {
	if testing.Short() {
		t.Skip("loads some millions of keys; not with -short")
	}
	const size = 1_000_000
	rng := rand.New(rand.NewPCG(5, 6))
	random := rng.Perm(size)
	for _, c := range []struct {
		name string
		live int
		load func(s *Storage)
		both bool // run it also with a tree from the start, and without one
	}{
		{"random order, batches of 1000", size, func(s *Storage) { load(t, s, random, 1000) }, false},
		{"random order, one by one", size / 5, func(s *Storage) { load(t, s, random[:size/5], 1) }, false},
		{"ascending", size / 5, func(s *Storage) { load(t, s, sequence(size/5), 500) }, false},
		{"descending", size / 5, func(s *Storage) { load(t, s, reversed(sequence(size/5)), 500) }, false},
		{"overwritten twice", size / 5, func(s *Storage) {
			for range 3 {
				load(t, s, random[:size/5], 300)
			}
		}, true},
		{"two thirds deleted at random", size / 15, func(s *Storage) {
			load(t, s, random[:size/5], 1000)
			for _, n := range random[size/15 : size/5] {
				mustNot(t, s.Delete(context.Background(), pairKey(n)))
			}
		}, true},
		{"ordered, then overwritten", size / 5, func(s *Storage) {
			load(t, s, random[:size/5], 1000)
			s.latest()
			load(t, s, random[:size/10], 300)
		}, false},
		{"ordered, then two thirds deleted", size / 15, func(s *Storage) {
			load(t, s, random[:size/5], 1000)
			s.latest()
			for _, n := range random[size/15 : size/5] {
				mustNot(t, s.Delete(context.Background(), pairKey(n)))
			}
		}, false},
		{"ordered, then all but the first of fifty neighbours deleted", size / 50, func(s *Storage) {
			load(t, s, random, 1000)
			s.latest()
			for n := range size {
				if n%50 != 0 {
					mustNot(t, s.Delete(context.Background(), pairKey(n)))
				}
			}
		}, false},
		{"written under snapshots that are gone", size / 5, func(s *Storage) {
			for from := 0; from < size/5; from += size / 50 {
				if _, err := s.Snapshot(context.Background()); err != nil {
					t.Fatal(err)
				}
				load(t, s, random[from:from+size/50], 1000)
			}
		}, false},
	} {
		for _, ordered := range []string{"in the end", "from the start", "never"} {
			if ordered != "in the end" && !c.both {
				continue // it would be the same again
			}
			t.Run(fmt.Sprintf("%s, ordered %s", c.name, ordered), func(t *testing.T) {
				before := heapHeld()
				s := New()
				if ordered == "from the start" {
					s.latest()
				}
				c.load(s)
				if ordered != "never" {
					s.latest()
				}
				held, live := heapHeld()-before, int64(c.live*(keySize+valueSize))
				if n := len(keysOf(s.latest())); n != c.live {
					t.Fatalf("%d keys, want %d", n, c.live)
				}
				t.Logf("%d bytes held for %d live: %.2f times", held, live, float64(held)/float64(live))
				if held > 2*live {
					t.Errorf("heap held = %d bytes, want at most twice the %d live ones", held, live)
				}
				runtime.KeepAlive(s)
			})
		}
	}
	runtime.KeepAlive(random)
}

// TestLaggingTreeKeepsLittleAlive overwrites one key with large values again and again
// behind the back of a tree that nobody asks for any more.
func TestLaggingTreeKeepsLittleAlive(t *testing.T) {
	const size, writes = 100_000, 1000
	ctx := context.Background()
	before := heapHeld()
	s := New()
	mustNot(t, s.Set(ctx, []byte("hot"), make([]byte, size)))
	s.latest()
	for range writes {
		mustNot(t, s.Set(ctx, []byte("hot"), make([]byte, size)))
	}
	if held := heapHeld() - before; held > 5*size {
		t.Errorf("%d bytes held for one value of %d", held, size)
	}
	runtime.KeepAlive(s)
}

// TestHeldValueKeepsOnlyItsChunk holds a few values of a large storage that is
// dropped.
func TestHeldValueKeepsOnlyItsChunk(t *testing.T) {
	const size, hold = 50_000, 10
	before := heapHeld()
	s := New()
	load(t, s, sequence(size), 1000)
	var held [][]byte
	for i := range hold {
		v, err := s.Get(context.Background(), pairKey(i*size/hold))
		mustNot(t, err)
		held = append(held, v)
	}
	s = nil
	if got, most := heapHeld()-before, int64((hold+1)*chunk.Most); got > most {
		t.Errorf("%d held values keep %d bytes alive, want less than %d", hold, got, most)
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(s)
}
