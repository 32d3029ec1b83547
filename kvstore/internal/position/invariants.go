package position

import "github.com/kvsim/kvsim/kvstore/internal/invariant"

// place is where a tracker was when it was last checked.
type place struct {
	term          uint64
	applied, done int64
}

// mostChecked bounds how many waiters are looked at in one check.
const mostChecked = 64

// check checks I2, that nothing counts as done that can't be read, I3, that the position
// only advances within a term, that each waiter still has something to wait for, and that
// gaps are in order (I25). mu is held.
func (t *Tracker) check() {
	invariant.Check("I2", t.done <= t.applied, "done up to %d, readable up to %d", t.done, t.applied)
	now := place{t.term, t.applied, t.done}
	was := t.seen.Swap(now)
	forward := now.term == was.term && now.applied >= was.applied && now.done >= was.done
	invariant.Check("I3", forward || now.term > was.term, "the position went from %+v to %+v", was, now)
	invariant.Check("nobody waits for a position that is dead", t.dead == nil || len(t.waiters) == 0, "%d wait", len(t.waiters))
	complete := t.completeLocked(t.done)
	for i, w := range t.waiters[:min(len(t.waiters), mostChecked)] {
		invariant.Check("whoever waits has something to wait for", w.target > complete && w.index == i,
			"waiter %d, at place %d, waits for %d, and the position is %d, complete up to %d", i, w.index, w.target, t.done, complete)
	}
	last := int64(-1)
	for _, g := range t.gaps {
		invariant.Check("I25", g.upTo > t.done && g.upTo > g.from && g.from >= last, "a gap from %d, which matters up to %d, behind one up to %d and at position %d", g.from, g.upTo, last, t.done)
		last = g.upTo
	}
}

// checkOnce checks that a waiter gets only one outcome: sending a second one would block.
func (w *Waiter) checkOnce() {
	invariant.Check("a waiter gets one outcome", len(w.ready) == 0, "there is another one for target %d", w.target)
}

// check checks that the ring is ordered by offset, as its search requires (I20). mu is
// held.
func (r *Recent) check(next Source) {
	if len(r.ring) == 0 {
		return
	}
	last := r.ring[(r.next+len(r.ring)-1)%len(r.ring)]
	invariant.Check("I20", last.Offset < next.Offset, "the record at %d is remembered behind that at %d", next.Offset, last.Offset)
}
