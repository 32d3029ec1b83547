package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

// checkIndex returns how the index differs from the tree, nil when it has the
// same items.
func checkIndex(s *Storage) error {
	tree := s.latest()
	s.index.Check()
	tree.Check()
	if !s.options.index {
		if n := s.index.Len(); n > 0 {
			return fmt.Errorf("an index that is not there has %d items", n)
		}
		return nil
	}
	n := 0
	var err error
	tree.Ascend(nil, nil, func(slots []order.Slot) bool {
		n += len(slots)
		for _, sl := range slots {
			if key := sl.Item.Key(); s.index.Find(s.index.Hash(key), key) != sl.Item {
				err = fmt.Errorf("the index has not the tree's item of %q", key)
			}
		}
		return true
	})
	if got := s.index.Len(); err == nil && got != n {
		err = fmt.Errorf("the index has %d items, the tree %d", got, n)
	}
	return err
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
	if n := len(keysOf(s.latest())); n != 19_999 {
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
	s.latest()
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
