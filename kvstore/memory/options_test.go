package memory

import (
	"context"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

// TestStructureThatIsLeftOutIsNotThere looks at what each storage does with its items, so that
// the tests of storages without a structure are not tests of one that has it.
func TestStructureThatIsLeftOutIsNotThere(t *testing.T) {
	const keys = 500
	ctx := context.Background()
	for _, o := range append([]lack{{"nothing", func(*options) {}}}, lacking...) {
		t.Run(o.what, func(t *testing.T) {
			o := o.options()
			s := open(o)
			for range 2 {
				mustNot(t, s.ApplyRecords(ctx, uniform(keys, 1)))
				if filled, want := !s.asked.Load(), o.filling && o.lag; filled != want {
					t.Errorf("the storage is being filled: %v, want %v", filled, want)
				}
				// Without an index the filling ends in the order.
				if tree, want := s.tree.Load() != nil, !o.lag || !o.index && !o.filling; tree != want {
					t.Errorf("there is an order before anybody asks for it: %v, want %v", tree, want)
				}
				if _, err := s.Get(ctx, key(1)); err != nil {
					t.Error(err)
				}
				if n := s.index.Len(); n != keys && o.index || n != 0 && !o.index {
					t.Errorf("the index has %d items of %d", n, keys)
				}
				s.latest()
				mustNot(t, s.Set(ctx, key(1), []byte("new")))
				if behind := s.tree.Load().last.number < s.version.Load()/2; behind != o.lag {
					t.Errorf("the order is behind the last write: %v, want %v", behind, o.lag)
				}
				shared := 0
				s.latest().Ascend(nil, nil, func(slots []order.Slot) bool {
					for _, s := range slots {
						if s.Item.Gathered() {
							shared++
						}
					}
					return true
				})
				if shared == 0 && o.blocks || shared > 0 && !o.blocks {
					t.Errorf("%d items lie in blocks", shared)
				}
				w, log := writing{list: true}, s.newLog(1)
				s.begin(log)
				s.apply(&w, []kvstore.Record{{Key: key(1), Value: []byte("newer")}}, true, log)
				logged := s.undo.Load() != nil
				s.follow(&w)
				s.end()
				if logged != o.undo {
					t.Errorf("the write had an undo log: %v, want %v", logged, o.undo)
				}
				mustNot(t, s.Reset(ctx))
			}
		})
	}
}
