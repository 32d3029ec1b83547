package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// A leaf that is due to be gathered may be divided or merged by the same write, and its
// items overwritten in the nodes that take its place. To gather it anyway would put the old
// items into the index.
func TestIndexHoldsWhatTheTreeHoldsAfterWritesThatDivideAndMergeLeaves(t *testing.T) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(7, 7))
	s := New()
	if _, err := s.Snapshot(ctx); err != nil { // from now on there is a tree
		t.Fatal(err)
	}
	for round := range 300 {
		var records []kvstore.Record
		low := rng.IntN(1500)
		for i := range 400 {
			k := fmt.Appendf(nil, "key-%05d", low+rng.IntN(200))
			r := kvstore.Record{Key: k, Value: fmt.Appendf(nil, "%d-%d", round, i), Revision: int64(round*1000 + i)}
			if rng.IntN(1+round%4) > 0 {
				r = kvstore.Record{Key: k, Delete: true, Revision: r.Revision}
			}
			records = append(records, r)
		}
		if err := s.ApplyRecords(ctx, records); err != nil {
			t.Fatal(err)
		}
		for i := range 1700 {
			key := fmt.Appendf(nil, "key-%05d", i)
			want, got := s.latest().Get(key), s.index.Find(s.index.Hash(key), key)
			if (want == nil) != (got == nil) || want != nil && string(want.Value()) != string(got.Value()) {
				t.Fatalf("round %d: index and tree differ on %s", round, key)
			}
		}
	}
}
