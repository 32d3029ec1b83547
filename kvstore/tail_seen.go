package kvstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A client that rereads a log which lost nothing has shown records of it before. When the
// leader then answers without records somewhere below, it may be that compaction has removed
// the last of them: deletions, or what later deletions have deleted. Or the leader withholds
// them. Believing the wrong one would take back what was shown:
//
//	log             a=1 | a=2       the client has shown a=2, and rereads
//	answers at "|"  nothing         for half a minute: a=1 must not be shown
//
// So it is believed there only if it changes nothing (I10): if the storage holds what it held
// before. Otherwise reads wait until the leader has answered with records that prove it.

// digest identifies what a storage holds: its keys, and the revision of each.
type digest [sha256.Size]byte

// digest reads the storage and keeps trying until that works or ctx ends.
func (t *tail) digest(ctx context.Context) (d digest, err error) {
	err = t.insist(ctx, func() error {
		entries, err := t.view.scan(ctx, KeyConstraint{}, QueryOptions{})
		if err != nil {
			return err
		}
		h := sha256.New()
		var numbers [16]byte
		for e, err := range entries {
			if err != nil {
				return err
			}
			binary.BigEndian.PutUint64(numbers[:8], uint64(e.Revision))
			binary.BigEndian.PutUint64(numbers[8:], uint64(len(e.Key)))
			_, _ = h.Write(numbers[:])
			_, _ = h.Write(e.Key)
		}
		h.Sum(d[:0])
		return nil
	})
	return d, err
}

// recall makes the client go on where it had read before, although there were no records from
// the position on for long enough to be believed. It returns an error, with the one of the
// fetch in it, if that would take back what was shown. When the log is read for the first time
// there is nothing to take back.
func (t *tail) recall(ctx context.Context, nothing error) error {
	rb, s := t.rebuild, &t.silence
	if !rb.keeps() || t.pos >= rb.seen {
		return nil
	}
	if s.upTo < rb.seen { // a leader that does not know yet how far the log is replicated
		*s = silence{}
		return nothing
	}
	if !s.denied {
		now, err := t.digest(ctx)
		if err != nil {
			return err
		}
		s.denied = now != rb.digest
	}
	if s.denied {
		return fmt.Errorf("%w, and it is not believed that nothing is left there: that would take back what this client has read, up to offset %d", nothing, rb.seen)
	}
	t.pos, t.epoch = rb.seen, rb.seenEpoch
	return nil
}
