package kvstore

import (
	"slices"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// checkStep checks I8 between two steps: reads wait while the log is reread, and only then.
// An opening has no reads yet.
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

// checkFetched checks I1, I5 and I26 for what is about to be applied: it follows what was
// read, in order, and comes from a leader whose log is known to have that, of the same topic.
func (t *tail) checkFetched(f *fetched) {
	if of, was, none := f.of.Value(), t.of.Value(), [16]byte{}; of != none && was != none {
		invariant.Check("I26", of == was, "a fetch of topic %x is applied at %d, and what is below was of topic %x", of, t.pos, was)
	}
	invariant.Check("I5", t.checked != noLeader, "a fetch up to %d is applied at %d, and no leader was asked", f.next, t.pos)
	at := t.pos
	for _, r := range f.changes {
		invariant.Check("I1", r.Revision >= at && r.Revision < f.next, "the record at %d in a fetch from %d to %d, behind the one before %d", r.Revision, t.pos, f.next, at)
		at = r.Revision + 1
	}
	sorted := slices.IsSortedFunc(f.sources, func(a, b position.Source) int { return int(a.Offset - b.Offset) })
	invariant.Check("I20", sorted, "the last records of a fetch at %d are in no order: %v", t.pos, f.sources)
}

// vetted is what complete found out about a fetch.
type vetted struct {
	got time.Time     // when the fetch was answered
	may time.Duration // how long the client was allowed to be away then
}

// checkFresh checks I9 for what is about to count as read: complete has accepted this very
// fetch, and by what it knew the client was not away for too long.
func (t *tail) checkFresh(f *fetched) {
	v := t.vetted.Value()
	invariant.Check("I9", v.got.Equal(f.got), "the fetch answered at %v counts, and the one at %v was looked at", f.got, v.got)
	away := elapsed(t.fresh.since, f.got)
	invariant.Check("I9", away <= v.may, "a fetch counts after %v away, and %v are allowed", away, v.may)
}

// checkBehind checks I10 for what is about to be applied: it was fetched from the position,
// no hole begins there, and what is below the position that callers see is applied only
// while reads wait.
func (t *tail) checkBehind(f *fetched) {
	from := f.from.Value()
	invariant.Check("I10", from == t.pos, "a fetch from %d is applied at %d", from, t.pos)
	invariant.Check("I10", t.hole == nil || t.hole.at != t.pos, "a fetch is applied at %d, where nothing is believed to be", t.pos)
	if _, shown, _ := t.track.Now(); t.rebuild == nil && len(f.changes) > 0 {
		at := f.changes[0].Revision
		invariant.Check("I10", at >= shown, "the record at %d is applied, and reads at %d count it as read", at, shown)
	}
}

// checkSeen checks I10 when reads are about to pass again: a client that rereads a log which
// lost nothing has all that it had read before.
func (t *tail) checkSeen() {
	if rb := t.rebuild; rb.keeps() {
		invariant.Check("I10", t.pos >= rb.seen, "reads pass at %d, and records up to %d had been read", t.pos, rb.seen)
	}
}

// checkEpoch checks I4 for a fetch: the leader epoch of what was passed is not below that
// of a record in it. -1 stands for messages in an old format.
func (f *fetched) checkEpoch() {
	for _, r := range f.records {
		invariant.Check("I4", f.epoch == -1 || r.LeaderEpoch <= f.epoch, "the record at %d has epoch %d, and what was passed up to %d has %d", r.Offset, r.LeaderEpoch, f.next, f.epoch)
	}
}

// checkApplied checks I2, I3 and I25 for the position that callers see: everything that was
// applied counts, but while a log that lost nothing is reread the position is the one from
// before, and behind a gap it is not complete before what superseded removed records was read.
// After a loss nothing counts as done before the hooks were told of what differs.
func (t *tail) checkApplied() {
	_, applied, done := t.track.Now()
	if rb := t.rebuild; rb.keeps() {
		invariant.Check("I3", applied == rb.floor, "the position is %d, and was %d when the rebuild began", applied, rb.floor)
		return
	}
	if owed := t.owed(); owed >= 0 {
		_, complete, _ := t.track.Complete()
		invariant.Check("I25", complete < t.pos, "all up to %d counts as complete, and up to %d has to be read for that", complete, owed)
	}
	if rb := t.rebuild; rb != nil && !rb.compared {
		invariant.Check("I2", applied >= t.pos && done <= rb.start, "applied up to %d, readable up to %d, and done up to %d though the hooks have yet to be told of a loss", t.pos, applied, done)
		return
	}
	invariant.Check("I2", applied >= t.pos && done >= t.pos, "applied up to %d, readable up to %d, done up to %d", t.pos, applied, done)
}
