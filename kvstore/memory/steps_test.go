package memory

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// reads returns what the reads that are there show: a Get of key 0 and of key 1, and
// the number of keys of a Range, with the value of the first one.
func reads(t *testing.T, s *Storage) (get0, get1 string, keys int, first string) {
	t.Helper()
	get := func(k []byte) string {
		v, err := s.Get(context.Background(), k)
		if err != nil {
			return ""
		}
		return string(v)
	}
	for kv, err := range s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		mustNot(t, err)
		if keys++; keys == 1 {
			first = string(kv.Value)
		}
	}
	return get(key(0)), get(key(1)), keys, first
}

func expect(t *testing.T, when string, s *Storage, get0, get1 string, keys int, first string) {
	t.Helper()
	if a, b, n, f := reads(t, s); a != get0 || b != get1 || n != keys || f != first {
		t.Errorf("%s: gets show %q and %q, a range %d keys and %q first; want %q, %q, %d, %q",
			when, a, b, n, f, get0, get1, keys, first)
	}
}

// TestReadsBetweenTheStepsOfAWrite does by hand what write does, and reads after each
// step: a write becomes visible with its last one, for all reads together.
func TestReadsBetweenTheStepsOfAWrite(t *testing.T) {
	ctx := context.Background()
	for _, ordered := range []bool{true, false} {
		s := New()
		mustNot(t, s.Set(ctx, key(0), []byte("old")))
		if ordered {
			s.latest()
			mustNot(t, s.Set(ctx, key(0), []byte("old"))) // the tree is behind
		}
		s.ask()
		records := []kvstore.Record{
			{Key: key(1), Value: []byte("new")},
			{Key: key(0), Delete: true},
			{Key: key(0), Value: []byte("between")},
			{Key: key(1), Delete: true},
			{Key: key(1), Value: []byte("newer")},
			{Key: key(0), Value: []byte("new")},
		}
		look := func(when string) {
			t.Helper()
			if ordered && when != "a step on" { // else the first Range would wait for the write
				expect(t, when, s, "old", "", 1, "old")
			} else if v, err := s.Get(ctx, key(0)); err != nil || string(v) != "old" {
				t.Errorf("%s: get shows %q, %v, want what was there before", when, v, err)
			}
		}
		b := undo.New(len(records))
		s.begin(b)
		w := writing{list: true}
		for i := range records {
			s.apply(&w, records[i:i+1], false, b)
			look("a step on")
		}
		s.follow(&w)
		look("in the list")
		s.end()
		expect(t, "done", s, "new", "newer", 2, "new")
	}
}

// TestReadsBetweenTheStepsOfAReset does the same for what Reset does.
func TestReadsBetweenTheStepsOfAReset(t *testing.T) {
	s := New()
	mustNot(t, s.Set(context.Background(), key(0), []byte("old")))
	expect(t, "before", s, "old", "", 1, "old")
	s.begin(undo.Everything(s.index.Kept()))
	s.index.Clear()
	expect(t, "begun", s, "old", "", 1, "old")
	s.tree.Store(nil)
	s.last = nil
	s.refill()
	s.end()
	expect(t, "done", s, "", "", 0, "")
}

// TestFirstRangeSeesNoHalfBatch has storage after storage ranged over for the first time
// in the midst of a long batch for few keys.
func TestFirstRangeSeesNoHalfBatch(t *testing.T) { withAndWithout(t, firstRangeSeesNoHalfBatch) }

func firstRangeSeesNoHalfBatch(t *testing.T, o options) {
	const keys = 10
	ctx := context.Background()
	var batch []kvstore.Record
	for n := range uint64(500) {
		for _, r := range uniform(keys, n+1) {
			batch = append(batch, kvstore.Record{Key: r.Key, Delete: true}, r)
		}
	}
	for range o.times(40) {
		s := open(o)
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
		var writer sync.WaitGroup
		writer.Go(func() {
			for range 3 {
				if err := s.ApplyRecords(ctx, batch); err != nil {
					t.Error(err)
				}
			}
		})
		for s.version.Load() < 3 {
			runtime.Gosched()
		}
		seen, err := readRange(s, keys)
		if err != nil || seen != 0 && seen != 500 {
			t.Fatalf("the first range shows %d, %v; want all keys as 0 or as 500", seen, err)
		}
		writer.Wait()
	}
}
