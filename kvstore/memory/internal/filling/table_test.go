package filling

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

func newTable() *Table { return New(maphash.MakeSeed(), chunk.Most, chunk.Small) }

func key(i int) []byte { return fmt.Appendf(nil, "key/%08d", i) }

// TestFillingFindsKeysWhoseHashesCollide gives keys few hashes, all of them at the start or
// the end of the table, so that searches go around it.
func TestFillingFindsKeysWhoseHashesCollide(t *testing.T) {
	hashes := []uint32{0, 1, 1 << 31, ^uint32(0), ^uint32(0) - 1}
	rapid.Check(t, func(t *rapid.T) {
		f := newTable()
		there := map[string]bool{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			n := rapid.IntRange(0, 30).Draw(t, "key")
			k, h := key(n), hashes[n%len(hashes)]
			if gone := rapid.Bool().Draw(t, "delete"); gone {
				f.Delete(h, k)
				delete(there, string(k))
			} else {
				f.Put(h, k, nil, item.Stamp{})
				there[string(k)] = true
			}
			f.Check()
		}
		for n := range 31 {
			if _, found := f.locate(hashes[n%len(hashes)], key(n)); found != there[string(key(n))] {
				t.Fatalf("key %d is there: %v, want %v", n, found, there[string(key(n))])
			}
		}
	})
}

// TestTableKeepsWhatIsAliveWhileItIsCleaned overwrites keys with values of all sizes, which has
// chunks cleaned all the time.
func TestTableKeepsWhatIsAliveWhileItIsCleaned(t *testing.T) {
	const keys, writes = 300, 20_000
	for _, small := range []int{chunk.Small, 0} {
		f := New(maphash.MakeSeed(), 0, small)
		rng := rand.New(rand.NewPCG(5, 6))
		want := map[int]*item.Item{}
		for i := range writes {
			n := rng.IntN(keys)
			k := key(n)
			h := item.Hash(f.seed, k)
			f.Fetch([]uint32{h, h + 1})
			if rng.IntN(4) == 0 {
				f.Delete(h, k)
				delete(want, n)
			} else {
				value := bytes.Repeat([]byte{byte(i)}, rng.IntN(1+rng.IntN(chunk.Small+50)))
				s := item.Stamp{Revision: int64(i), Known: true}
				f.Put(h, k, value, s)
				want[n] = item.Pack(k, value, s)
			}
			f.Clean()
			if i%100 == 0 {
				f.Check()
			}
		}
		weight, count := 0, 0
		for h, it := range f.All {
			var n int
			if _, err := fmt.Sscanf(string(it.Key()), "key/%d", &n); err != nil || want[n] == nil || !it.Same(want[n]) || h != item.Hash(f.seed, it.Key()) {
				t.Fatalf("the table has %q, which is not what was put: %v", it.Key(), err)
			}
			weight += it.Weight()
			count++
		}
		if f.Len() != len(want) || count != len(want) || f.Weight() != weight {
			t.Errorf("%d keys that weigh %d, want %d and %d", f.Len(), f.Weight(), len(want), weight)
		}
		list, live := f.Chunks()
		if total := f.packed.total; live > total || total > live*5/4+3*chunk.Most || (len(list) == 0) != (small == 0) {
			t.Errorf("%d chunks of %d bytes, %d of them alive, of items up to %d bytes", len(list), total, live, small)
		}
	}
}

// TestTableHasRoomWhileThereAreNumbersForChunks fills a table whose items lie alone.
func TestTableHasRoomWhileThereAreNumbersForChunks(t *testing.T) {
	f := New(maphash.MakeSeed(), 0, 0)
	if !f.HasRoom(mostChunks-10) || f.HasRoom(mostChunks) {
		t.Fatalf("room in an empty table is not that for %d chunks", mostChunks)
	}
	n := 0
	for ; f.HasRoom(1); n++ {
		f.Put(item.Hash(f.seed, key(n)), key(n), nil, item.Stamp{})
	}
	if n < mostChunks-10 || n > mostChunks {
		t.Errorf("room for %d items that lie alone, want %d or a few less", n, mostChunks)
	}
	for i := range 20 {
		f.Delete(item.Hash(f.seed, key(i)), key(i))
	}
	if !f.HasRoom(10) || f.Len() != n-20 {
		t.Error("no room where items were deleted")
	}
}

// TestFillingShrinks deletes what a storage was filled with.
func TestFillingShrinks(t *testing.T) {
	const keys = 1000
	f := newTable()
	for i := range keys {
		f.Put(item.Hash(f.seed, key(i)), key(i), make([]byte, 8), item.Stamp{})
	}
	for _, k := range rand.New(rand.NewPCG(5, 6)).Perm(keys) {
		f.Delete(item.Hash(f.seed, key(k)), key(k))
		f.Check()
	}
	if n := len(f.places); n != leastPlaces || f.count != 0 {
		t.Errorf("%d keys in %d places, want none in %d", f.count, n, leastPlaces)
	}
}
