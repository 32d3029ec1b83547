package kvstore

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// The guard against tombstones that were removed before this client read them. See
// freshness for why it is needed.

const (
	// pollsAway is the minimum number of fetches that a client that follows the log sends
	// in the time for which it may be away.
	pollsAway = 4

	// marksAway is how many ends of a busy log are remembered in that time.
	marksAway = 16
)

// mayBeAway returns how long this client may be away, by what is known of the topic.
func (t *tail) mayBeAway() time.Duration {
	return absence(t.settings.shortest(t.fresh.since))
}

// pollWait returns how long a fetch may wait for records: not so long that an idle client
// would seem to have been away.
func (t *tail) pollWait() time.Duration {
	return min(t.limits.wait, t.mayBeAway()/pollsAway)
}

// complete reports whether what a fetch brought may be applied (I9): whether the log, when the
// fetch was answered, still had every tombstone that this client has not read. If not,
// the log is to be reread.
//
// It is called for each answer that moves the position, with or without records: after
// that, nothing would reveal a missed tombstone any more.
func (t *tail) complete(ctx context.Context, f fetched) (bool, error) {
	away := elapsed(t.fresh.since, f.got)
	// The retention may have been shortened while the client could not ask. One that
	// follows the log learns of it within settingsInterval.
	if held := 2*t.pollWait() + time.Second; away > held {
		if err := t.catchUp(ctx, f, held); err != nil {
			return false, fmt.Errorf("after %v without a look at the end of the log: %w", away.Round(time.Millisecond), err)
		}
	}
	may := t.mayBeAway()
	if away <= may {
		if invariant.On {
			t.vetted.Swap(vetted{f.got, may})
		}
		err := t.otherCopy(&f)
		if err != nil {
			t.reread(err)
		}
		return err == nil, nil
	}
	if rb := t.rebuild; rb != nil {
		rb.expired++
	}
	t.reread(t.expired(away, may))
	return false, nil
}

// otherCopy returns why the log is to be reread if a part of it was read at another leader, whose
// cleaner may have been behind. Each replica compacts its own copy:
//
//	at broker 1   k=1 ... k deleted      reread up to "..."
//	at broker 0       ...                removed both long ago
//
// What was in the log when rereading began may be gone at any leader but the first. What came
// later stays for as long as tombstones do, wherever it is read.
func (t *tail) otherCopy(f *fetched) error {
	rb := t.rebuild
	if rb == nil || rb.records == 0 {
		return nil
	}
	rb.moved = rb.moved || t.checked != rb.under
	if !rb.moved || f.gap < 0 || f.gap >= rb.target {
		return nil
	}
	return fmt.Errorf("%w: a part of the log was read at broker %d, and broker %d, which leads now, has removed records from offset %d on", ErrTombstonesExpired, rb.under.node, t.checked.node, f.gap)
}

// catchUp asks for what may have changed while the client was blocked for longer than it
// takes a client that follows the log to learn of it.
func (t *tail) catchUp(ctx context.Context, f fetched, held time.Duration) error {
	if !t.settings.readWithin(held, f.got) {
		if err := t.settings.refresh(ctx); err != nil {
			return fmt.Errorf("how long does the topic keep tombstones: %w", err)
		}
	}
	if !f.byName {
		return nil
	}
	// Brokers before Kafka 3.1 know the topic's id and don't accept it in a fetch: a
	// recreated topic that has grown beyond the position looks like the old one.
	return t.part.sameTopic(ctx)
}

// expired describes why the log is to be reread.
func (t *tail) expired(away, may time.Duration) error {
	retention := t.settings.shortest(t.fresh.since)
	rb := t.rebuild
	switch {
	case rb == nil:
		return fmt.Errorf("%w: the end of the log was last seen %v ago, and tombstones stay for %v, which less a margin is %v", ErrTombstonesExpired, away.Round(time.Millisecond), retention, may)
	case rb.expired == 1:
		return fmt.Errorf("%w: reading the log has taken %v so far, and tombstones stay for %v, which less a margin is %v", ErrTombstonesExpired, away.Round(time.Millisecond), retention, may)
	default:
		return fmt.Errorf("%w: reading the log takes longer than delete.retention.ms, which is %v and less a margin %v, each of %d times: raise it, or this client never gets to the end", ErrTombstonesExpired, retention, may, rb.expired)
	}
}

// reread makes the next step reread the log, although it lost nothing: offsets still name
// the same records. So waiters go on waiting, and the position that the client shows stands
// still until it is reached again.
//
// Only while the client opens, when nobody waits and there are no reads, does the position
// go back, so that the reported progress is right.
func (t *tail) reread(cause error) {
	next := &rebuild{resume: t.unseen(), cause: cause, whole: true, seen: t.pos, seenEpoch: t.epoch}
	if rb := t.rebuild; rb != nil {
		next.opening, next.expired = rb.opening, rb.expired
		if t.pos < rb.seen {
			next.seen, next.seenEpoch, next.digest, next.digested = rb.seen, rb.seenEpoch, rb.digest, rb.digested
		}
	}
	if next.keeps() {
		next.floor, next.floorEpoch = t.track.Read()
	}
	t.begin(next)
}

// extent returns the offset up to which the log has to be the one that was read, and the
// leader epoch there. Where a rereading begins at that offset, it has not met an epoch yet.
func (t *tail) extent() (pos int64, epoch int32) {
	rb := t.rebuild
	if rb == nil || !rb.whole {
		return t.pos, t.epoch
	}
	switch most := max(rb.floor, rb.seen); {
	case t.pos > most || t.pos == most && t.epoch >= 0:
		return t.pos, t.epoch
	case rb.seen >= rb.floor: // no floor is set while the client opens
		return rb.seen, rb.seenEpoch
	default:
		return rb.floor, rb.floorEpoch
	}
}
