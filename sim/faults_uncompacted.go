package sim

import (
	"context"
	"fmt"
	"slices"
)

// UncompactedLeader makes another broker lead whose cleaner has not run yet. It has all that
// compaction had removed at the former leader: records, tombstones and markers. When the fault
// ends, its own cleaner catches up, and they are gone again, except for tombstones that it has met
// for the first time. With Back, the former leader leads again instead, and all of them are gone.
//
// If nothing has been removed yet, the present leader compacts the log first.
type UncompactedLeader struct {
	// Broker is the new leader; without it, the one after the present leader.
	Broker string `plan:"broker"`
	// Back makes the former leader lead again in the end.
	Back bool `plan:"back"`
	Span
}

// Kind implements Fault.
func (f UncompactedLeader) Kind() string { return "uncompacted-leader" }

// String implements Fault.
func (f UncompactedLeader) String() string { return line(f.Kind(), &f) }

func (f UncompactedLeader) check(p *Plan) error {
	if err := f.mustLast(); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Faults, func(o Fault) bool { h, ok := o.(HostileBatch); return ok && h.Removed == byCompact }) {
		return fmt.Errorf("a hostile-batch with removed=compact would be back, too: no client could open any more")
	}
	return p.needTwo()
}

func (f UncompactedLeader) start(ctx context.Context, w *world) (*effect, error) {
	var err error
	removed := func() bool {
		if err == nil && w.tap.removals() == 0 {
			_, err = w.compact()
		}
		return err != nil || w.tap.removals() > 0
	}
	if err := w.await(ctx, removed); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	former := w.broker(leaderName)
	n, err := f.lead(w)
	if err != nil {
		return nil, err
	}
	e := counted(n)
	e.undo = func(context.Context) error {
		if f.Back {
			return w.leadCompacted(former)
		}
		_, err := w.compact()
		return err
	}
	return e, nil
}

// leadCompacted makes a leader lead again, whose copy of the log is compacted.
func (w *world) leadCompacted(former int32) error {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.leadWith(func() error { return w.cluster.LeadCompacted(former) }, func() error {
		_, _, err := w.tap.compacted()
		return err
	})
}

// leadWith makes a broker lead that has another copy of the log, and notes how it differs. The
// caller holds logMu.
func (w *world) leadWith(lead, note func() error) error {
	if err := w.tap.sync(); err != nil {
		return err
	}
	inflight := w.inflight.count(opKind.writes)
	if err := lead(); err != nil {
		return err
	}
	err := note()
	w.moved(inflight)
	return err
}

// lead moves the leadership and returns how many records are back.
func (f UncompactedLeader) lead(w *world) (back int, err error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	if w.tap.removals() == 0 {
		return 0, nil
	}
	err = w.leadWith(func() error { return w.cluster.LeadUncompacted(w.successor(f.Broker)) }, func() (err error) {
		back, err = w.tap.uncompacted()
		return err
	})
	if back > 0 {
		w.sometimes.hit(sometimesUncompacted)
	}
	return back, err
}
