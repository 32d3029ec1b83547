package kvstore

import (
	"errors"
	"fmt"
	"iter"
)

// ownEnds is how long the log is known to be, from this client's own writes.
type ownEnds struct {
	end  int64  // of the log after what was acknowledged in term, 0 for nothing
	term uint64 // of the position
	by   leader // the leader that acknowledged it
}

// begin notes the term in which the next batch is sent.
func (o *ownEnds) begin(term uint64) {
	if term != o.term {
		o.end, o.term = 0, term
	}
}

// from notes the leader that acknowledged a batch. Another leader may have lost what this
// client wrote before, so its log may end, and continue, below that.
func (o *ownEnds) from(l leader) {
	if o.by != l {
		o.end, o.by = 0, l
	}
}

// result is the result of a group's batch, and everything else that the outcomes of its
// writes depend on.
type result struct {
	delivered
	who   sender    // under which the batch was produced
	by    leader    // which acknowledged it
	term  uint64    // in which it was sent
	known int64     // the log was at least that long before
	limit byteLimit // of a batch, as far as this client knows
}

// outcomes yields the result of each write of a group, in order. It depends on nothing but
// its arguments. An acknowledged write gets its own revision: that of its last record. What
// may be in the log is never reported as refused or not written: the outcome is that of the
// batch, and trial.judge says when that is definite.
func (r result) outcomes(group []*write) iter.Seq2[*write, written] {
	return func(yield func(*write, written) bool) {
		last, end := r.offset-1, r.offset
		for _, wr := range group {
			end += int64(len(wr.changes))
		}
		for _, wr := range group {
			last += int64(len(wr.changes))
			res := r.failed(wr)
			if r.outcome == nil {
				res = r.acknowledged(last)
				res.last = end - 1
			}
			if !yield(wr, res) {
				return
			}
		}
	}
}

// acknowledged is the result of a write whose batch is in the log, with its last record at
// last if the offset is known.
func (r result) acknowledged(last int64) written {
	res := written{revision: last, who: r.who, epoch: r.by.epoch, term: r.term}
	switch {
	case r.offset < 0:
		// A duplicate that the broker recognised, but whose offset it has
		// forgotten: in the log, at an unknown place.
		res.revision = -1
	case last < r.known:
		// The log is not the one that this client reads, or wrote to before: it was
		// recreated or truncated since, and the tail has yet to find out.
		res.below = fmt.Errorf("%w: acknowledged at offset %d, below position %d", ErrDataLoss, last, r.known)
	}
	return res
}

// failed is the result of a write whose batch is not in the log, or may not be.
func (r result) failed(wr *write) written {
	res := written{revision: -1, outcome: r.outcome, cause: r.cause}
	if errors.Is(r.outcome, ErrRefused) && tooLarge(r.cause) {
		res.cause = fmt.Errorf("%w: %w", refusedSize(wr.changes, r.limit), r.cause)
	}
	return res
}

// refusedSize says that a write is too large for the broker. The limit is 0 when the one
// that this client knows can't be the one that the broker applied.
func refusedSize(changes []change, limit byteLimit) *SizeError {
	e := newSizeError(changes, limit)
	if e.Bytes <= e.Limit {
		e.Limit, e.LimitedBy = 0, ""
	}
	return e
}

// awaits reports whether a write with this outcome ends only once it is visible.
func (res written) awaits() bool { return res.outcome == nil && res.revision >= 0 && res.below == nil }

// settle gives each write of a group its outcome. Those in the log at a known offset get it
// once they are visible.
func (w *writer) settle(group []*write, r result) {
	if errors.Is(r.cause, ErrDeliveryTimeout) {
		w.log.warn("kvstore: gave up writes", fmt.Errorf("%d writes: %w: %w", len(group), r.outcome, r.cause))
	}
	for wr, res := range r.outcomes(group) {
		if !res.awaits() {
			wr.end(res)
			continue
		}
		wr.res = res
		w.track.Enlist(&wr.visible, res.revision+1, res.term)
	}
}
