package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// validate makes sure, whenever the leader may have changed, that the log still has what
// was read: a leader that was not in sync when elected may have lost it. This is I5, by the
// check of KIP-320.
func (t *tail) validate(ctx context.Context) error {
	doubts := t.part.doubt()
	l, err := t.part.lead(ctx)
	if err != nil || l == t.checked && doubts == t.doubts {
		return err
	}
	pos, epoch := t.extent()
	if l.naming != t.naming {
		return t.renamed(ctx, pos, epoch)
	}
	if err := t.part.holds(ctx, pos, epoch); err != nil {
		if lost, ok := errors.AsType[*lostError](err); ok {
			return t.lostBehind(ctx, lost.end, l.epoch, err)
		}
		return err
	}
	// What has been read before may be ahead of the rereading, and this leader may have lost more of it.
	if more, err := t.lostMore(ctx); more || err != nil {
		return err
	}
	if at, _ := t.reached(); at > pos { // up to where a hole ends
		if err := t.part.holds(ctx, at, -1); err != nil {
			if lost, ok := errors.AsType[*lostError](err); ok {
				return t.lost(ctx, lost.end, err)
			}
			return err
		}
	}
	if err := t.checkDebt(ctx); err != nil {
		if lost, ok := errors.AsType[*lostError](err); ok { // what was read is left, also if not all of it is shown yet
			return t.lostBehind(ctx, min(lost.end, t.unseen()), l.epoch, err)
		}
		return err
	}
	t.checked, t.doubts = l, doubts
	t.track.Trust(l.epoch)
	return nil
}

// renamed makes the next step reread the log, because the topic or its cluster has another
// id. What has been read up to pos, of the given leader epoch, may or may not be in it.
func (t *tail) renamed(ctx context.Context, pos int64, epoch int32) error {
	if why := t.part.unread(); why != nil {
		t.silence = silence{}
		t.rebuild, t.checked = newOpening(), noLeader
		t.rebuild.cause = why
		return nil //nolint:nilerr // the next step rereads the log because of it
	}
	resume := pos
	var lost *lostError
	if err := t.part.holds(ctx, pos, epoch); errors.As(err, &lost) {
		resume = min(pos, lost.end)
	} else if err != nil {
		return err
	}
	t.startOver(resume, t.part.otherLog(resume))
	t.rebuild.left = 0 // that was said of the log before
	return nil
}

// outOfRange finds out what an OFFSET_OUT_OF_RANGE error means.
func (t *tail) outOfRange(ctx context.Context, cause error) error {
	if more, err := t.lostMore(ctx); more || err != nil {
		return err
	}
	start, err := t.part.listOffset(ctx, atEarliest)
	if err != nil {
		return err
	}
	end, err := t.part.listOffset(ctx, atLatest)
	if err != nil {
		return err
	}
	at, _ := t.reached()
	switch {
	case t.pos < start:
		return t.lostStart(ctx, start, t.pos)
	case at > end:
		return t.lost(ctx, end, fmt.Errorf("%w: the log ends at offset %d, this client had read up to %d", ErrDataLoss, end, at))
	default:
		return cause // a replica that lags; ask again
	}
}

// lost makes the next step reread the log, if it is still that of the same topic: requests
// for offsets name the topic, and a recreated one has the same name.
func (t *tail) lost(ctx context.Context, end int64, cause error) error {
	if err := t.part.sameTopic(ctx); err != nil {
		return err
	}
	t.startOver(end, cause)
	return nil
}

// lostStart is lost when the log begins behind what had been read.
func (t *tail) lostStart(ctx context.Context, start, read int64) error {
	under := int32(-1)
	if rb := t.rebuild; rb != nil && rb.whole { // what had been read is left, except the start
		under = rb.seenEpoch
	}
	return t.lostBehind(ctx, t.unseen(), under, fmt.Errorf("%w: the log begins at offset %d, this client had read up to %d", ErrDataLoss, start, read))
}

// caughtUp evaluates how far the position has got after a fetch.
func (t *tail) caughtUp(ctx context.Context, f fetched) error {
	at, _ := t.reached()
	t.fresh.heard(f.sent, f.end, at, t.mayBeAway()/marksAway)
	t.health.sawEnd(f.end)
	t.track.SawEnd(f.end)
	if at < f.stable {
		if f.slow != nil {
			t.held(f.slow)
		} else {
			t.moving()
		}
		return t.finishRebuild(ctx, f) // enough may have been read, though not all
	}
	if f.stable < f.end {
		t.undecided(f)
	} else {
		t.moving()
		t.stable = -1
	}
	if err := t.checkEnd(ctx, f); err != nil {
		return err
	}
	return t.finishRebuild(ctx, f)
}

// lostBehind is lost when a leader has said where what had been read ends in its log, which up to
// there is the one that a leader of an epoch had.
func (t *tail) lostBehind(ctx context.Context, end int64, under int32, cause error) error {
	if err := t.lost(ctx, end, cause); err != nil {
		return err
	}
	if under >= 0 {
		t.rebuild.left, t.rebuild.leftUnder = end, under
	}
	return nil
}

// checkLeft handles a leader that names an end of the log below what is left of what was read,
// as one does that does not know yet how far the log is replicated. Reads would go back
// beyond the loss; so they wait, unless the leader says that the log lost more.
//
// Nor does the client go back behind what was decided there, unless the leader says for long that
// it is not any more: the log may have lost the end of a transaction.
func (t *tail) checkLeft(ctx context.Context, f fetched) (enough bool, err error) {
	rb := t.rebuild
	switch {
	case t.pos >= rb.left:
		return true, nil
	case f.end < rb.left:
		rb.undecided = time.Time{}
		if more, err := t.lostMore(ctx); more || err != nil {
			return false, err
		}
		t.held(fmt.Errorf("the leader says that the log ends at offset %d, and that it has what was read up to %d", f.end, rb.left))
		return false, nil
	case f.stable >= rb.left:
		rb.undecided = time.Time{}
		return true, nil
	case rb.undecided.IsZero():
		rb.undecided = f.got
	}
	if elapsed(rb.undecided, f.got) >= t.part.goneAfter {
		return true, nil
	}
	t.held(fmt.Errorf("the leader says that %w at offset %d, and that it has what was read up to %d (believed after %v)", ErrOpenTransaction, f.stable, rb.left, t.part.goneAfter))
	return false, nil
}

// lostMore asks whether the log still has what a loss has left of what had been read, while it is
// reread. If not, the next step rereads it. An end of the log that is named otherwise may lie behind
// what others have written since; so this comes first, or one loss would be found twice.
func (t *tail) lostMore(ctx context.Context) (bool, error) {
	rb := t.rebuild
	if rb == nil || t.pos >= rb.left {
		return false, nil
	}
	err := t.part.reaches(ctx, rb.left, rb.leftUnder)
	if lost, ok := errors.AsType[*lostError](err); ok {
		return true, t.lostBehind(ctx, lost.end, rb.leftUnder, err)
	}
	return false, err
}

// checkEnd handles a log that ends before a position that is waited for: the tail was lost,
// and with it the records up to there. The leader has to say so twice before it is
// believed.
func (t *tail) checkEnd(ctx context.Context, f fetched) error {
	want, came := t.track.Farthest()
	if t.rebuild != nil {
		want = max(want, t.rebuild.target)
	}
	owed := t.owed()
	want = max(want, owed)
	if want <= f.end {
		t.short = 0
		return nil
	}
	end, err := t.part.listOffset(ctx, atLatest)
	if err != nil {
		return err
	}
	if end >= want {
		t.short = 0
		return nil
	}
	if t.short++; t.short < 2 {
		return nil
	}
	if err := t.part.sameTopic(ctx); err != nil {
		return err
	}
	t.short = 0
	if end < owed {
		if more, err := t.lostMore(ctx); more || err != nil {
			return err
		}
		t.startOver(end, t.unpaid(end))
		return nil
	}
	t.track.Lost(end, came, fmt.Errorf("%w: the log ends at offset %d", ErrDataLoss, end))
	if t.rebuild != nil {
		t.rebuild.target = min(t.rebuild.target, end)
	}
	return nil
}
