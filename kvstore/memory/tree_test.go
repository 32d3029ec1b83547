package memory

import (
	"context"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

func keysOf(t order.Tree) []string {
	var keys []string
	t.Ascend(nil, nil, func(slots []order.Slot) bool {
		for _, s := range slots {
			keys = append(keys, string(s.Item.Key()))
		}
		return true
	})
	return keys
}

// TestWriteWithAnEndedContextLeavesNoTrace tries every write.
func TestWriteWithAnEndedContextLeavesNoTrace(t *testing.T) {
	s := New()
	mustNot(t, s.Set(context.Background(), []byte("old"), []byte("value")))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, err := range map[string]error{
		"Set":          s.Set(ended, []byte("new"), nil),
		"Delete":       s.Delete(ended, []byte("old")),
		"ApplyBatch":   s.ApplyBatch(ended, []kvstore.KeyValue{{Key: []byte("new")}, {Key: []byte("old")}}),
		"ApplyRecords": s.ApplyRecords(ended, []kvstore.Record{{Key: []byte("new")}}),
		"Reset":        s.Reset(ended),
	} {
		if err != context.Canceled {
			t.Errorf("%s with a context that has ended = %v, want %v", name, err, context.Canceled)
		}
	}
	if got := keysOf(s.latest()); len(got) != 1 || got[0] != "old" {
		t.Errorf("%d keys after writes that were refused, want the one that was there", len(got))
	}
}

func checkNow(t *testing.T, s *Storage, now bool) {
	t.Helper()
	if !now {
		return
	}
	if err := checkIndex(s); err != nil {
		t.Fatal(err)
	}
}

func mustNot(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func reversed(s []int) []int {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
	return s
}

// TestOneEditInsertsAndRemovesBelowANode has the same batch insert a key below
// each inner node, which then uses the separators of the version before, and
// delete the keys of whole leaves, which removes separators. The version before
// has to stay as it was.
func TestOneEditInsertsAndRemovesBelowANode(t *testing.T) {
	const keys, gap = 4000, 300
	ctx := context.Background()
	s := New()
	mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
	before, err := s.Snapshot(ctx)
	mustNot(t, err)
	var batch []kvstore.Record
	for i := 0; i < keys; i += gap {
		batch = append(batch, kvstore.Record{Key: append(key(i), '+'), Value: []byte("new")})
	}
	for i := range keys {
		if i/gap%2 == 1 {
			batch = append(batch, kvstore.Record{Key: key(i), Delete: true})
		}
	}
	mustNot(t, s.ApplyRecords(ctx, batch))
	checkNow(t, s, true) // brings the tree up to the batch
	for i := range keys {
		if _, err := before.GetEntry(ctx, key(i)); err != nil {
			t.Fatalf("key %d of the version before the batch: %v", i, err)
		}
	}
}
