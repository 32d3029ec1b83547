package memory

import (
	"context"

	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
)

// Revisions calls fn with the revision of each key, -1 if it was written without a record, in no
// order. It needs no order of the keys, and makes none. Writes wait meanwhile, so fn must not write.
func (s *Storage) Revisions(ctx context.Context, fn func(revision int64)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.asked.Load():
		for _, it := range s.filling.All {
			fn(it.Revision())
		}
	case s.options.index:
		for it := range s.index.All {
			fn(it.Revision())
		}
	default:
		s.treeMu.Lock()
		defer s.treeMu.Unlock()
		s.catchUp().Ascend(nil, nil, func(slots []order.Slot) bool {
			for _, slot := range slots {
				fn(slot.Item.Revision())
			}
			return true
		})
	}
	return nil
}
