package kvstore_test

import (
	"context"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// It is not parallel: allocations are counted for the whole process.
func TestGetAllocatesOnlyWhatItHandsOut(t *testing.T) {
	ctx, s := context.Background(), memory.New()
	if err := s.ApplyRecords(ctx, []kvstore.Record{{Key: []byte("k"), Value: []byte("value")}}); err != nil {
		t.Fatal(err)
	}
	c := kvstore.NewReader(s)
	for name, want := range map[string]float64{"k": 1, "absent": 0} {
		key := []byte(name)
		got := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, key) })
		if got != want {
			t.Errorf("Get(%q) makes %v allocations, want %v", name, got, want)
		}
	}
}
