package kvstore

import (
	"context"
	"fmt"
	"hash/maphash"
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

// digest identifies what a storage holds of one log: the number of its keys, and two sums over
// their revisions. A revision names a record, and so key and value. The sums are of numbers that
// nobody outside of the process knows.
type digest struct {
	keys int
	sums [2]uint64
}

// digestSeeds make what is added for a revision differ from process to process.
var digestSeeds = [2]uint64{maphash.Comparable(maphash.MakeSeed(), 0), maphash.Comparable(maphash.MakeSeed(), 1)}

func (d *digest) add(revision int64) {
	d.keys++
	for i, seed := range digestSeeds {
		d.sums[i] += scattered(uint64(revision) ^ seed)
	}
}

// scattered is Stafford's mix 13, the last step of splitmix64: each bit of x changes half of them.
func scattered(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// digest reads the storage and keeps trying until that works or ctx ends.
func (t *tail) digest(ctx context.Context) (d digest, err error) {
	var revisions func(func(int64)) error
	err = t.insist(ctx, func() (err error) {
		revisions, err = t.view.revisions(ctx)
		return err
	})
	if err != nil {
		return d, err
	}
	err = t.insist(ctx, func() error {
		d = digest{}
		return revisions(d.add)
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
