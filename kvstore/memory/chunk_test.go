package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// inChunks returns the bytes of chunks and of what is alive in them.
func inChunks(s *Storage) (total, live int) {
	if s.asked.Load() {
		return s.index.InChunks()
	}
	list, live := s.filling.Chunks()
	for _, c := range list {
		total += len(c.Bytes)
	}
	return total, live
}

// TestChunksAreGivenUp overwrites and deletes what a storage was filled with, before and
// after it is read for the first time, and after its order has been made.
func TestChunksAreGivenUp(t *testing.T) {
	const keys = 50_000
	ctx := context.Background()
	for _, read := range []string{"never", "by a Get", "by a Range"} {
		asked := read != "never"
		more := 0 // what bringing the order up to date gathers again immediately
		s := New()
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
		if _, live := inChunks(s); live < keys*(12+8) {
			t.Fatalf("%d bytes of chunks are alive, a storage that is filled has its %d items there", live, keys)
		}
		switch read {
		case "by a Get":
			s.ask()
		case "by a Range":
			more = keys * (12 + 8) / 8
			s.latest()
			runtime.GC() // what it was filled with is no more, and has not to be cleaned
			if _, live := s.index.InChunks(); live < keys*(12+8) {
				t.Fatalf("%d bytes of chunks are alive, the first order has its %d items there", live, keys)
			}
		}
		value := make([]uint64, keys)
		gone := make([]bool, keys)
		for i, k := range rand.New(rand.NewPCG(1, 2)).Perm(keys) {
			n := uint64(i + 1)
			if gone[k] = i%5 == 0; gone[k] {
				mustNot(t, s.Delete(ctx, key(k)))
			} else {
				value[k] = n
				mustNot(t, s.Set(ctx, key(k), binary.BigEndian.AppendUint64(nil, n)))
			}
			total, live := inChunks(s)
			if w, most := total-live*3/2, s.options.slack+chunk.Most+more; w > most {
				t.Fatalf("read %s: %d bytes of chunks are wasted after %d changes, want %d at most", read, w, i, most)
			}
		}
		if _, live := inChunks(s); asked && live != 0 {
			t.Errorf("%d bytes of chunks are alive after all keys have been written again", live)
		}
		for k := range keys {
			v, err := s.Get(ctx, key(k))
			if gone[k] != (err != nil) || !gone[k] && binary.BigEndian.Uint64(v) != value[k] {
				t.Fatalf("read %s: key %d = %x, %v; want %d, gone: %v", read, k, v, err, value[k], gone[k])
			}
		}
		checkNow(t, s, true)
	}
}

// TestSmallOrderHasSmallChunks makes the order of storages of a few keys.
func TestSmallOrderHasSmallChunks(t *testing.T) {
	for _, keys := range []int{1, 100, 1000} {
		s := New()
		mustNot(t, s.ApplyRecords(context.Background(), uniform(keys, 0)))
		s.ask()
		before, _ := inChunks(s)
		s.latest()
		total, live := inChunks(s)
		if got, most := total-before, chunk.BlockSize+2*live; got > most {
			t.Errorf("the order of %d keys has chunks of %d bytes, want %d at most", keys, got, most)
		}
	}
}

// TestChunksWithBlocksAreWalkedItemByItem gives up the chunks of a first order, whose items
// are of all sizes, large ones among them, and a few of which are overwritten.
func TestChunksWithBlocksAreWalkedItemByItem(t *testing.T) {
	const keys = 20_000
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(11, 12))
	want := make([][]byte, keys)
	s := New()
	var records []kvstore.Record
	for i := range keys {
		want[i] = bytes.Repeat([]byte{byte(i)}, rng.IntN(1+rng.IntN(chunk.Small+100)))
		records = append(records, kvstore.Record{Key: key(i), Value: want[i], Revision: int64(rng.IntN(1 << rng.IntN(60)))})
	}
	mustNot(t, s.ApplyRecords(ctx, records))
	s.latest()
	small := 0
	for i := range keys {
		if i%50 == 0 {
			want[i] = []byte("new")
			mustNot(t, s.Set(ctx, key(i), want[i]))
		} else if s.find(key(i)).Chunked() {
			small++
		}
	}
	if small < keys/2 {
		t.Fatalf("%d of %d items lie in chunks", small, keys)
	}
	s.index.Slack = math.MinInt / 2 // give all of them up
	moved := 0
	s.index.Clean(1<<40, func(*item.Item) { moved++ })
	if _, live := s.index.InChunks(); live != 0 || moved != small {
		t.Errorf("%d bytes of chunks are alive, %d items were moved; want 0 and %d", live, moved, small)
	}
	for i := range keys {
		it := s.find(key(i))
		if it == nil || it.Chunked() || it.Gathered() || !bytes.Equal(it.Value(), want[i]) {
			t.Fatalf("key %d is not the item that it was, with an allocation of its own", i)
		}
	}
}

// TestChunksAreGivenUpWhileItemsMove has writes give chunks up, readers order the items,
// which moves them too, and readers get them.
func TestChunksAreGivenUpWhileItemsMove(t *testing.T) {
	const keys, rounds = 20_000, 4
	ctx := context.Background()
	for range rounds {
		tidy := usual
		tidy.slack = 0
		s := open(tidy)
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, 1)))
		var readers sync.WaitGroup
		readers.Go(func() {
			for range 4 {
				n := 0
				for range s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					n++
				}
				if n < keys {
					t.Errorf("a range has %d keys of %d", n, keys)
				}
			}
		})
		readers.Go(func() {
			for i := range 2 * keys {
				if v, err := s.Get(ctx, key(i%keys)); err != nil || len(v) != 8 {
					t.Errorf("key %d = %x, %v", i%keys, v, err)
					return
				}
			}
		})
		for i := range uint64(40) { // new keys make the index grow
			mustNot(t, s.ApplyRecords(ctx, uniform(500, i+2)))
			for j := range 300 {
				mustNot(t, s.Set(ctx, append(key(int(i)*300+j), '+'), []byte("new")))
			}
		}
		readers.Wait()
		checkNow(t, s, true)
	}
}
