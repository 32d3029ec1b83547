package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
)

// checkIndex returns how the index differs from the tree, nil when it has the
// same items.
func checkIndex(s *Storage) error {
	root := s.root()
	n := 0
	var err error
	root.ascend(nil, func(slots []slot) bool {
		n += len(slots)
		for _, sl := range slots {
			if key := sl.item.Key(); s.index.find(s.index.hash(key), key) != sl.item {
				err = fmt.Errorf("the index has not the tree's item of %q", key)
			}
		}
		return true
	})
	if got := items(&s.index); err == nil && got != n {
		err = fmt.Errorf("the index has %d items, the tree %d", got, n)
	}
	weighed, chunked := 0, 0
	for sg := range s.index.all {
		for it := range sg.items() {
			weighed += it.Weight()
			if it.Chunked() {
				chunked += chunk.Align(it.Size())
			}
		}
		if got := len(slices.Collect(sg.items())); err == nil && got != sg.count {
			err = fmt.Errorf("a segment has %d items and counts %d", got, sg.count)
		}
	}
	if live := int(s.index.old.Live.Load()); err == nil && chunked != live {
		err = fmt.Errorf("%d bytes of items lie in chunks, the index says %d", chunked, live)
	}
	if err == nil && weighed != s.index.weight {
		err = fmt.Errorf("the items weigh %d, the index says %d", weighed, s.index.weight)
	}
	return err
}

func put(x *index, key []byte) {
	x.apply(&writing{}, source{1, func(int) *kvstore.Record { return &kvstore.Record{Key: key} }, false}, nil)
}

func remove(x *index, key []byte) {
	x.apply(&writing{}, source{1, func(int) *kvstore.Record { return &kvstore.Record{Key: key, Delete: true} }, false}, nil)
}

// items returns the number of items by the segments' own counts.
func items(x *index) (n int) {
	for s := range x.all {
		n += s.count
	}
	return n
}

// TestIndexGrowsAndShrinks fills an index until its segments have been divided
// several times, takes most items out again and puts them back.
func TestIndexGrowsAndShrinks(t *testing.T) {
	const size = 100_000
	s := New()
	x := &s.index
	rng := rand.New(rand.NewPCG(11, 12))
	there := map[int]bool{}
	check := func() {
		t.Helper()
		if got := items(x); got != len(there) {
			t.Fatalf("index has %d items, want %d", got, len(there))
		}
		for i := range size {
			if got := x.find(x.hash(pairKey(i)), pairKey(i)); (got != nil) != there[i] {
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

// TestGetBeforeTheFirstRange reads a storage that has no tree yet, and has the
// tree built beside writes.
func TestGetBeforeTheFirstRange(t *testing.T) {
	ctx := context.Background()
	s := New()
	load(t, s, sequence(20_000), 1000)
	mustNot(t, s.Delete(ctx, pairKey(7)))
	if s.tree.Load() != nil {
		t.Fatal("writes have built a tree")
	}
	if _, err := s.Get(ctx, pairKey(7)); err != kvstore.ErrNotFound {
		t.Errorf("Get of a deleted key = %v, want %v", err, kvstore.ErrNotFound)
	}
	if v, err := s.Get(ctx, pairKey(8)); err != nil || len(v) != valueSize {
		t.Errorf("Get = %d bytes, %v, want %d", len(v), err, valueSize)
	}
	checkNow(t, s, true)
	if s.tree.Load() == nil {
		t.Fatal("a snapshot has built no tree")
	}
	if n := len(keysOf(s.root())); n != 19_999 {
		t.Errorf("%d keys, want 19999", n)
	}
	load(t, s, reversed(sequence(20_000)), 100)
	checkNow(t, s, true)
	mustNot(t, s.Reset(ctx))
	if _, err := s.Get(ctx, pairKey(8)); err != kvstore.ErrNotFound {
		t.Errorf("Get after Reset = %v, want %v", err, kvstore.ErrNotFound)
	}
	checkNow(t, s, true)
}

// TestOwnedRangeIsTheCallers compares RangeOwned with Range and then does to its
// slices what an owner may.
func TestOwnedRangeIsTheCallers(t *testing.T) {
	ctx := context.Background()
	s := New()
	records := make([]kvstore.Record, 3000)
	for i := range records {
		// Small and large items, gathered ones and others, lie side by side.
		size := []int{0, 1, 100, 100, 100, 400, 2000}[i%7]
		records[i] = kvstore.Record{Key: pairKey(i * 31 % 3000), Value: make([]byte, size), Revision: int64(i), TimeMillis: int64(i)}
	}
	mustNot(t, s.ApplyRecords(ctx, records[:2500]))
	s.root()
	mustNot(t, s.ApplyRecords(ctx, records[2400:]))
	snapshot, err := s.Snapshot(ctx)
	mustNot(t, err)
	for _, c := range []kvstore.KeyConstraint{{}, {Start: pairKey(100), End: pairKey(2200)}, {Start: pairKey(2999)}, {End: []byte{}}} {
		for _, limit := range []int{0, 1, 8, 63, 64, 500} {
			opts := kvstore.QueryOptions{Limit: limit}
			var want, got []kvstore.Entry
			for e, err := range snapshot.Range(ctx, c, opts) {
				mustNot(t, err)
				want = append(want, e)
			}
			for e, err := range snapshot.(kvstore.OwnedRanger).RangeOwned(ctx, c, opts) {
				mustNot(t, err)
				if cap(e.Key) != len(e.Key) || cap(e.Value) != len(e.Value) || e.Value == nil {
					t.Fatalf("%q: capacity beyond the length, or nil", e.Key)
				}
				got = append(got, e)
			}
			if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
				t.Fatalf("RangeOwned(%q, %d) yields %d entries, Range %d, or others", c, limit, len(got), len(want))
			}
			i := 0
			for kv, err := range snapshot.(kvstore.OwnedRanger).PairsOwned(ctx, c, opts) {
				mustNot(t, err)
				if i >= len(want) || string(kv.Key) != string(want[i].Key) || string(kv.Value) != string(want[i].Value) {
					t.Fatalf("PairsOwned(%q, %d) yields %q as number %d", c, limit, kv.Key, i)
				}
				i++
			}
			if i != len(want) {
				t.Fatalf("PairsOwned(%q, %d) yields %d pairs, want %d", c, limit, i, len(want))
			}
			before := fmt.Sprint(want)
			for _, e := range got {
				clear(e.Key)
				clear(e.Value)
				e.Value = append(e.Value, 0xff)
			}
			if fmt.Sprint(want) != before {
				t.Fatal("a change of an owned slice changed the storage")
			}
		}
	}
}
