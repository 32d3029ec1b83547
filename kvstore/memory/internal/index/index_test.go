package index

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/filling"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

func newIndex() *Index {
	x := &Index{Seed: maphash.MakeSeed(), Slack: chunk.Most}
	x.Clear()
	return x
}

func pairKey(i int) []byte { return fmt.Appendf(nil, "customer/%011d", i) }

func put(x *Index, key []byte) {
	x.Put(x.Hash(key), item.Pack(key, nil, item.Stamp{}), false, nil)
}

func remove(x *Index, key []byte) {
	x.Put(x.Hash(key), item.Pack(key, nil, item.Stamp{}), true, nil)
}

// TestIndexGrowsAndShrinks fills an index until its segments have been divided
// several times, takes most items out again and puts them back.
func TestIndexGrowsAndShrinks(t *testing.T) {
	const size = 100_000
	x := newIndex()
	rng := rand.New(rand.NewPCG(11, 12))
	there := map[int]bool{}
	check := func() {
		t.Helper()
		if got := x.Len(); got != len(there) {
			t.Fatalf("index has %d items, want %d", got, len(there))
		}
		for i := range size {
			if got := x.Find(x.Hash(pairKey(i)), pairKey(i)); (got != nil) != there[i] {
				t.Fatalf("find(%d) = %v, want an item: %v", i, got, there[i])
			}
		}
	}
	for range 3 {
		for _, i := range rng.Perm(size) {
			put(x, pairKey(i))
			there[i] = true
		}
		check()
		for _, i := range rng.Perm(size)[:size*99/100] {
			remove(x, pairKey(i))
			delete(there, i)
		}
		check()
		x.Check()
	}
	if d := x.dir.Load(); d.depth < 4 {
		t.Errorf("directory of depth %d: the test divides too few segments", d.depth)
	}
	buckets := 0
	for sg := range x.all {
		buckets += len(sg.buckets)
	}
	if buckets > 2*len(there) {
		t.Errorf("%d buckets for %d items", buckets, len(there))
	}
}

// TestIndexHasWhatItWasFilledWith fills indexes of one segment and of many.
func TestIndexHasWhatItWasFilledWith(t *testing.T) {
	for _, size := range []int{0, 1, 100, maxBuckets * (perBucket - 2), 60_000} {
		x := newIndex()
		f := filling.New(x.Seed, x.Slack, chunk.Small)
		for i := range size {
			f.Put(x.Hash(pairKey(i)), pairKey(i), fmt.Append(nil, i), item.Stamp{})
		}
		weight := f.Weight()
		x.Fill(f)
		x.Check()
		if x.Len() != size || x.Weight() != weight || len(slices.Collect(x.All)) != size {
			t.Errorf("%d items that weigh %d, want %d and %d", x.Len(), x.Weight(), size, weight)
		}
		for i := range size {
			if it := x.Find(x.Hash(pairKey(i)), pairKey(i)); it == nil || string(it.Value()) != fmt.Sprint(i) {
				t.Fatalf("%d items: find(%d) = %v", size, i, it)
			}
		}
	}
}

// TestReplacedItemsAreInTheLog puts and removes keys that are there and others, and clears
// the index in the end.
func TestReplacedItemsAreInTheLog(t *testing.T) {
	x := newIndex()
	for i := range 10 {
		put(x, pairKey(i))
	}
	old := func(i int) *item.Item { return x.Find(x.Hash(pairKey(i)), pairKey(i)) }
	for i := range 20 {
		want := old(i)
		for _, gone := range []bool{false, true} {
			l := undo.New(1)
			x.Put(x.Hash(pairKey(i)), item.Pack(pairKey(i), nil, item.Stamp{}), gone, l)
			if got, ok := l.Find(x.Hash(pairKey(i)), pairKey(i)); got != want || !ok {
				t.Errorf("key %d, gone %v: the log has %v, %v, want what was there: %v", i, gone, got, ok, want)
			}
			want = old(i)
		}
	}
	put(x, pairKey(3))
	kept, want := x.Kept(), old(3)
	x.Clear()
	if it := kept(x.Hash(pairKey(3)), pairKey(3)); it != want || old(3) != nil || x.Len() != 0 || x.Weight() != 0 {
		t.Errorf("after Clear: kept %v, found %v, %d items", it, old(3), x.Len())
	}
}

// TestItemIsMovedIfTheIndexStillHasIt moves items of which some have been replaced or removed.
func TestItemIsMovedIfTheIndexStillHasIt(t *testing.T) {
	x := newIndex()
	f := filling.New(x.Seed, x.Slack, chunk.Small)
	for i := range mostMoved {
		f.Put(x.Hash(pairKey(i)), pairKey(i), nil, item.Stamp{})
	}
	x.Fill(f)
	var before []*item.Item
	for i := range mostMoved {
		before = append(before, x.Find(x.Hash(pairKey(i)), pairKey(i)))
	}
	after := slices.Clone(before)
	b := chunk.Blocks{Shared: true}
	b.Gather(after[:60])
	put(x, pairKey(1))
	remove(x, pairKey(2))
	x.Move(before, after)
	x.Join(b.Chunks())
	x.Check()
	for i := range mostMoved {
		it := x.Find(x.Hash(pairKey(i)), pairKey(i))
		switch {
		case i == 1 && (it == before[i] || it == after[i]), i == 2 && it != nil, i != 1 && i != 2 && it != after[i]:
			t.Errorf("item %d is %p, was %p, and was moved to %p", i, it, before[i], after[i])
		}
	}
	x.Slack = -1 << 30
	moved := map[string]bool{}
	x.Clean(1<<20, func(it *item.Item) { moved[string(it.Key())] = true })
	x.Check()
	if total, live := x.InChunks(); total != 0 || live != 0 || len(moved) != mostMoved-2 {
		t.Errorf("%d bytes of chunks, %d alive, after %d items of %d were moved out", total, live, len(moved), mostMoved-2)
	}
	runtime.KeepAlive(before)
}

func TestSegmentThatIsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(*segment){
		"counts too many": func(s *segment) { s.count++ },
		"an item where nobody looks for it": func(s *segment) {
			for i := range s.buckets {
				s.buckets[i].tags.Store(0)
			}
		},
	} {
		x := newIndex()
		for i := range 3 {
			put(x, pairKey(i))
		}
		if got := invariant.Broken(x.Check); got != "" {
			t.Fatalf("%s: %q before anything is wrong", name, got)
		}
		for s := range x.all {
			wrong(s)
			break
		}
		if got := invariant.Broken(x.Check); got != "I24" {
			t.Errorf("%s: %q, want I24", name, got)
		}
	}
}

func TestIndexThatCountsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(*Index){
		"weight":          func(x *Index) { x.weight-- },
		"bytes in chunks": func(x *Index) { x.old.Live.Add(4) },
	} {
		x := newIndex()
		put(x, pairKey(1))
		if wrong(x); invariant.Broken(x.Check) != "index" {
			t.Errorf("%s: not found out", name)
		}
	}
}
