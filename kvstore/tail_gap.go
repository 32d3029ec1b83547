package kvstore

import (
	"context"
	"fmt"
)

// debt is what a client owes its readers that has passed offsets at which compaction left no
// record. Until it has read what superseded those records, it shows an older value of their
// keys, or none.
//
// I25: whatever a record was removed for was decided, and in the log, before a leader
// answered without the record. So a client that has read everything that was decided when it
// got that answer owes nothing more, unless it has met other gaps on the way: what superseded
// a record can be removed in turn.
//
// It does not know whether a gap matters: a tombstone may have been there that had expired,
// or the marker of a transaction. So it waits, but only for what is in the log already.
type debt struct {
	upTo  int64 // has to be read
	under int32 // leader epoch of the log that had so much
}

// owed returns up to where the client has to read for what it shows to be complete, -1 if it
// is.
func (t *tail) owed() int64 {
	if t.debt.upTo > t.pos {
		return t.debt.upTo
	}
	return -1
}

// missing notes the gap in what is about to count as read.
func (t *tail) missing(f *fetched) {
	if f.gap < 0 {
		return
	}
	// A leader notes the last stable offset first, then reads the log, maybe beyond.
	upTo := max(min(f.stable, f.end), f.next)
	if upTo > t.debt.upTo {
		t.debt = debt{upTo, t.checked.epoch}
	}
	if rb := t.rebuild; rb != nil && rb.target < upTo {
		rb.target = upTo
		t.health.setTarget(upTo)
	}
	if !t.rebuild.keeps() {
		t.track.Missing(f.gap, upTo)
	}
}

// checkDebt makes sure, under another leader than before, that the log still has what the
// client has to read, which it has not seen yet. If not, a record that was removed for
// something in the lost tail may be in the log again.
func (t *tail) checkDebt(ctx context.Context) error {
	if t.owed() < 0 {
		return nil
	}
	return t.part.reaches(ctx, t.debt.upTo, t.debt.under)
}

// unpaid returns the error for a log that ends before what the client has to read.
func (t *tail) unpaid(end int64) error {
	return fmt.Errorf("%w: the log ends at offset %d, and went up to %d when it was seen without records that compaction had removed", ErrDataLoss, end, t.debt.upTo)
}
