package kvstore

import (
	"slices"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// checkStep holds the tail, between two steps, to I8: reads wait while the log is
// reread, and only then. An opening has no reads yet.
func (t *tail) checkStep() {
	shut, over := t.gate.Closed(), t.gate.Err() != nil
	switch rb := t.rebuild; {
	case over:
	case rb == nil:
		invariant.Check("I8", !shut, "reads wait at position %d, and nothing is rebuilt", t.pos)
	case !rb.opening:
		invariant.Check("I8", shut, "reads pass at position %d while the log is reread because of %v", t.pos, rb.cause)
	}
}

// checkFetched holds what is about to be applied to I1 and I5: it follows what was read,
// in order, and comes from a leader whose log is known to hold that.
func (t *tail) checkFetched(f *fetched) {
	invariant.Check("I5", t.checked != noLeader, "a fetch up to %d is applied at %d, and no leader was asked", f.next, t.pos)
	at := t.pos
	for _, r := range f.changes {
		invariant.Check("I1", r.Revision >= at && r.Revision < f.next, "the record at %d in a fetch from %d to %d, behind the one before %d", r.Revision, t.pos, f.next, at)
		at = r.Revision + 1
	}
	sorted := slices.IsSortedFunc(f.sources, func(a, b position.Source) int { return int(a.Offset - b.Offset) })
	invariant.Check("I20", sorted, "the last records of a fetch at %d are in no order: %v", t.pos, f.sources)
}

// checkApplied holds the position that callers see to I2 and I3: all that was applied
// counts, but while a log that lost nothing is reread they see what they saw before.
func (t *tail) checkApplied() {
	_, applied, done := t.track.Now()
	if rb := t.rebuild; rb.keeps() {
		invariant.Check("I3", applied == rb.floor, "the position is %d, and was %d when the rebuild began", applied, rb.floor)
		return
	}
	invariant.Check("I2", applied >= t.pos && done >= t.pos, "applied up to %d, readable up to %d, done up to %d", t.pos, applied, done)
}
