package memory

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// inChunks returns the bytes of chunks and of what is alive in them.
func inChunks(s *Storage) (total, live int) {
	if s.asked.Load() {
		return s.index.chunks.total, int(s.index.chunks.live.Load())
	}
	return s.filling.packed.total, s.filling.packed.live
}

// TestChunksAreGivenUp overwrites and deletes what a storage was filled with, before and
// after it is read for the first time.
func TestChunksAreGivenUp(t *testing.T) {
	const keys = 50_000
	ctx := context.Background()
	for _, asked := range []bool{false, true} {
		s := New()
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
		if _, live := inChunks(s); live < keys*(12+8) {
			t.Fatalf("%d bytes of chunks are alive, a storage that is filled has its %d items there", live, keys)
		}
		if asked {
			s.ask()
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
			if w := total - live*3/2; w > s.index.slack+mostChunk {
				t.Fatalf("%d bytes of chunks lie waste after %d changes, want %d at most", w, i, s.index.slack+mostChunk)
			}
		}
		if _, live := inChunks(s); asked && live != 0 {
			t.Errorf("%d bytes of chunks are alive after all keys have been written again", live)
		}
		for k := range keys {
			v, err := s.Get(ctx, key(k))
			if gone[k] != (err != nil) || !gone[k] && binary.BigEndian.Uint64(v) != value[k] {
				t.Fatalf("asked %v: key %d = %x, %v; want %d, gone: %v", asked, k, v, err, value[k], gone[k])
			}
		}
		checkNow(t, s, true)
	}
}

// TestChunksAreGivenUpWhileItemsMove has writes give chunks up, readers order the items,
// which moves them too, and readers get them.
func TestChunksAreGivenUpWhileItemsMove(t *testing.T) {
	const keys, rounds = 20_000, 4
	ctx := context.Background()
	for range rounds {
		s := New()
		s.index.slack = 0
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
