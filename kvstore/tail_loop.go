package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// tail follows the log and applies it to the view. One goroutine owns it.
//
// I1, and I2, the order of events for a record:
//
//	fetched -> applied to the storage -> readable -> hooks return -> waiters released
//
// (docs/design.md has these invariants, each with the history that breaks it.) Its
// position is the offset that the next fetch asks for. It is taken from the
// batches' headers and not from records, because transaction markers, aborted
// records and what compaction removed move the position without any record.
type tail struct {
	part    *partition
	view    view
	hooks   *hooks
	track   *position.Tracker
	recent  *position.Recent
	gate    *position.Gate
	health  *health
	log     *repeatLog
	limits  fetchLimits
	decoder *decoder
	backoff func(failures int) time.Duration
	haste   *failFast      // for the opening
	opened  func()         // called once the opening is over
	report  func(Progress) // may be nil

	settings *settings

	pos      int64 // next offset to fetch
	epoch    int32 // leader epoch of the last batch passed, -1 for none
	fresh    freshness
	silence  silence
	hole     *hole // at the position or ahead of it, nil for none
	debt     debt
	vetted   invariant.Last[vetted]
	of       invariant.Last[[16]byte] // the id of the topic whose log is read
	checked  leader                   // the leader under which pos was last validated
	doubts   int                      // of the partition, when pos was last validated
	naming   int                      // under which this log is read, see renaming
	ahead    *ahead                   // not nil while the next fetch is under way
	rebuild  *rebuild                 // not nil while the view is brought up from the log's start
	rooms    []*room                  // not used by a fetch
	short    int                      // consecutive answers by which the log ends before what is waited for
	failures int

	brake   brake
	braking bool          // the last step was one too many
	why     error         // what holds the tail up, apart from its brake, nil for nothing
	waited  time.Duration // the longest that the fetch of the last step might wait

	stable int64     // last stable offset of the transaction that undecided saw last
	stood  time.Time // since when stable has that value
}

// run follows the log until ctx ends (and returns nil) or the topic is lost
// permanently (and returns why).
func (t *tail) run(ctx context.Context) error {
	defer t.drop()
	for ctx.Err() == nil {
		began, pos, rb := time.Now(), t.pos, t.rebuild
		if err := t.step(ctx); err == nil {
			t.failures = 0
			t.health.flowing()
			t.slowDown(ctx, t.stepCosts(began, pos, rb))
		} else if err := t.failed(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// runGuarded is run, and returns what a callback panicked with.
func (t *tail) runGuarded(ctx context.Context) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *PanicError:
			err = p
		default:
			panic(p)
		}
	}()
	return t.run(ctx)
}

// failed handles an error of a step: it waits before the next try, or returns the error
// that ends the client.
func (t *tail) failed(ctx context.Context, err error) error {
	if isPanic(err) || errors.Is(err, ErrTopicRecreated) || errors.Is(err, ErrTopicDeleted) {
		return err
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is the reason, and no error
	}
	t.stall(err)
	var wait time.Duration
	if rb := t.rebuild; rb != nil && rb.opening {
		var end error
		if wait, end = t.haste.final(ctx, err); end != nil {
			return end
		}
	}
	t.failures++
	t.part.rest(ctx, max(wait, t.backoff(t.failures)))
	return nil
}

// stall reports an error: in the log, in Status and to waiters.
func (t *tail) stall(err error) {
	if rb := t.rebuild; rb != nil && rb.cause != nil {
		err = fmt.Errorf("%w; rebuilding because of: %w", err, rb.cause)
	}
	t.held(err)
	t.health.stalled(err)
	t.log.warn("kvstore: reading the log failed, trying again", err)
}

// held reports in Status and to waiters why the position, or what can be read, stands
// still.
func (t *tail) held(err error) {
	t.why = err
	t.say(err)
}

// say makes Status and waiters name err, nil for nothing.
func (t *tail) say(err error) {
	if err == nil {
		t.track.Because(nil)
		t.health.note(&t.health.reading, nil)
		return
	}
	t.track.Because(err)
	t.health.note(&t.health.reading, err)
}

// moving takes back what held reported. While the client slows itself down, that is what is named.
func (t *tail) moving() {
	t.why = nil
	if rb := t.rebuild; rb != nil {
		t.why = rb.cause // what is read can't be shown yet
	}
	if !t.braking {
		t.say(t.why)
	}
}

// undecided reports an open transaction that keeps what is behind it from being shown. A
// producer that always writes in transactions has one open most of the time: only one that
// lasts is worth a message.
func (t *tail) undecided(f fetched) {
	if t.stable != f.stable {
		t.moving()
		t.stable, t.stood = f.stable, time.Now()
	}
	err := fmt.Errorf("%w at offset %d; the high watermark is %d", ErrOpenTransaction, f.stable, f.end)
	t.held(err)
	if time.Since(t.stood) >= repeatInterval {
		t.log.warn("kvstore: what is in the log can't be shown yet", err)
	}
}

// step makes one more request, or advances the view by one fetch.
func (t *tail) step(ctx context.Context) error {
	if invariant.On {
		t.checkStep()
	}
	if t.rebuild != nil && !t.rebuild.begun {
		if err := t.beginRebuild(ctx); err != nil {
			return err
		}
		if !t.rebuild.begun { // it found another cluster
			return nil
		}
	}
	if err := t.validate(ctx); err != nil {
		return err
	}
	if t.rebuild != nil && !t.rebuild.begun { // validate found the log truncated
		return nil
	}
	limits := t.limits
	limits.wait = t.pollWait()
	if rb := t.rebuild; rb != nil && !rb.asked {
		limits.wait = 0 // the log may have nothing more
	}
	t.waited = limits.wait
	f, fetchErr := t.next(ctx, limits)
	if t.rebuild != nil && !t.rebuild.begun { // next found that the log has to be reread
		t.giveRoom(f.room)
		return nil
	}
	if fetchErr == nil {
		if err := t.confirm(&f); err != nil {
			t.giveRoom(f.room)
			return err
		}
	}
	if f.next > t.pos {
		if invariant.On {
			t.checkFetched(&f)
		}
		h := t.hole
		wrong := t.fill(&f)
		if whole, err := t.complete(ctx, f); !whole {
			if err != nil {
				t.hole = h // f counts for nothing: the next fetch from here tells the same
			}
			return err
		}
		if wrong != nil {
			t.disproved(wrong, &f)
		}
		if err := t.apply(ctx, f); err != nil {
			return err
		}
		if invariant.On {
			t.checkApplied()
		}
	}
	t.giveRoom(f.room)
	if errors.Is(fetchErr, ErrThrottled) {
		return fetchErr // the leader has not changed
	}
	if fetchErr != nil {
		t.checked = noLeader
		if errors.Is(fetchErr, kerr.OffsetOutOfRange) {
			return t.outOfRange(ctx, fetchErr)
		}
		return fetchErr
	}
	return t.caughtUp(ctx, f)
}
