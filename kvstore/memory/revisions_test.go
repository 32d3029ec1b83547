package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// Revisions are those of all keys, whether the storage is being filled, has been read, or has its
// keys in order, and with any of its structures missing. The order is not made for it.
func TestRevisionsAreThoseOfAllKeys(t *testing.T) {
	all := append([]lack{{"nothing", func(*options) {}}}, lacking...)
	for _, l := range all {
		for _, read := range []string{"", "get", "range"} {
			t.Run(fmt.Sprintf("without %s, read by %q", l.what, read), func(t *testing.T) {
				s, next := open(l.options()), int64(0)
				want := map[string]int64{}
				write := func(n int) {
					var records []kvstore.Record
					for i := range n {
						key := fmt.Sprintf("k%d", (i*7+int(next))%200)
						records = append(records, kvstore.Record{Key: []byte(key), Value: []byte("v"), Delete: i%5 == 0, Revision: next})
						if want[key] = next; i%5 == 0 {
							delete(want, key)
						}
						next++
					}
					if err := s.ApplyRecords(t.Context(), records); err != nil {
						t.Fatal(err)
					}
				}
				write(500)
				switch read {
				case "get":
					_, _ = s.Get(t.Context(), []byte("k1"))
				case "range":
					for range s.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						break
					}
				}
				write(300)
				if err := s.Set(t.Context(), []byte("set"), nil); err != nil {
					t.Fatal(err)
				}
				want["set"] = -1
				ordered := s.tree.Load() != nil
				var got, revisions []int64
				if err := s.Revisions(t.Context(), func(r int64) { got = append(got, r) }); err != nil {
					t.Fatal(err)
				}
				for _, r := range want {
					revisions = append(revisions, r)
				}
				slices.Sort(got)
				slices.Sort(revisions)
				if !slices.Equal(got, revisions) || len(got) < 20 {
					t.Errorf("Revisions = %d of %d: %v, want %v", len(got), len(revisions), got, revisions)
				}
				if now := s.tree.Load() != nil; now != ordered {
					t.Errorf("the keys are in order: %t, and were before: %t", now, ordered)
				}
			})
		}
	}
}

func TestRevisionsHeedTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New().Revisions(ctx, func(int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Revisions = %v, want context.Canceled", err)
	}
}
