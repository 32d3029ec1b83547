package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	track   *tracker
	recent  *recent
	gate    *gate
	health  *health
	log     *repeatLog
	limits  fetchLimits
	decode  kgo.ProcessFetchPartitionOpts
	codec   kgo.Decompressor
	backoff func(failures int) time.Duration
	haste   *failFast      // for the opening
	opened  func()         // called once the opening is over
	report  func(Progress) // may be nil

	settings *settings

	pos      int64 // next offset to fetch
	epoch    int32 // leader epoch of the last batch passed, -1 for none
	fresh    freshness
	silence  silence
	hole     *hole    // at the position or ahead of it, nil for none
	checked  leader   // the leader under which pos was last validated
	doubts   int      // of the partition, when pos was last validated
	ahead    *ahead   // not nil while the next fetch is under way
	rebuild  *rebuild // not nil while the view is brought up from the log's start
	rooms    []*room  // that no fetch uses
	short    int      // answers in a row that say that the log ends before what is waited for
	failures int

	stable int64     // last stable offset of the transaction that undecided saw last
	stood  time.Time // since when it is that
}

// run follows the log until ctx ends (and returns nil) or the topic is lost
// for good (and returns why).
func (t *tail) run(ctx context.Context) error {
	defer t.drop()
	for ctx.Err() == nil {
		if err := t.step(ctx); err == nil {
			t.failures = 0
			t.health.flowing()
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

// failed deals with an error of a step: it waits before the next try, or returns
// the error that ends the client.
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
	sleep(ctx, max(wait, t.backoff(t.failures)))
	return nil
}

// stall makes an error known: to the log, to Status and to those who wait.
func (t *tail) stall(err error) {
	if rb := t.rebuild; rb != nil && rb.cause != nil {
		err = fmt.Errorf("%w; rebuilding because of: %w", err, rb.cause)
	}
	t.held(err)
	t.health.stalled(err)
	t.log.warn("kvstore: reading the log failed, trying again", err)
}

// held makes known to Status and to those who wait why the position, or what can
// be read, stands still.
func (t *tail) held(err error) {
	t.track.because(err)
	t.health.readFailed(err)
}

// moving ends what held said.
func (t *tail) moving() {
	if rb := t.rebuild; rb != nil && rb.cause != nil {
		t.held(rb.cause) // what is read can't be shown yet
		return
	}
	t.track.because(nil)
	t.health.readFine()
}

// undecided makes an open transaction known that keeps what lies behind it from
// being shown. Somebody who writes in transactions all the time has one open at
// most moments: it is worth a message when one and the same lasts.
func (t *tail) undecided(f fetched) {
	if t.stable != f.stable {
		t.moving()
		t.stable, t.stood = f.stable, time.Now()
	}
	err := fmt.Errorf("an open transaction of another producer holds the log at offset %d; the high watermark is %d", f.stable, f.end)
	t.held(err)
	if time.Since(t.stood) >= repeatInterval {
		t.log.warn("kvstore: what is in the log can't be shown yet", err)
	}
}

// step makes one request more, or brings the view one fetch further.
func (t *tail) step(ctx context.Context) error {
	if t.rebuild != nil && !t.rebuild.begun {
		if err := t.beginRebuild(ctx); err != nil {
			return err
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
		limits.wait = 0 // there may be nothing to wait for
	}
	f, fetchErr := t.next(ctx, limits)
	if t.rebuild != nil && !t.rebuild.begun { // next found it to be reread
		t.giveRoom(f.room)
		return nil
	}
	if rb := t.rebuild; rb != nil && fetchErr == nil {
		rb.asked = true
	}
	if f.next > t.pos {
		wrong := t.fill(&f)
		if whole, err := t.complete(ctx, f); !whole {
			return err
		}
		if wrong != nil {
			t.mend(wrong, &f)
		}
		if err := t.apply(ctx, f); err != nil {
			return err
		}
	}
	t.giveRoom(f.room)
	if errors.Is(fetchErr, errThrottled) {
		return fetchErr // the leader is what it was
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

// validate makes sure, whenever the leader may have changed, that the log still
// has what was read: a leader elected out of sync may have lost it. This is I5, by the
// check of KIP-320.
func (t *tail) validate(ctx context.Context) error {
	doubts := t.part.doubt()
	l, err := t.part.lead(ctx)
	if err != nil || l == t.checked && doubts == t.doubts {
		return err
	}
	pos, epoch := t.extent()
	if err := t.part.holds(ctx, pos, epoch); err != nil {
		var lost *lostError
		if errors.As(err, &lost) {
			return t.lost(ctx, lost.end, err)
		}
		return err
	}
	if at, _ := t.reached(); at > pos { // up to where a hole ends
		if err := t.part.holds(ctx, at, -1); err != nil {
			var lost *lostError
			if errors.As(err, &lost) {
				return t.lost(ctx, min(lost.end, t.pos), err)
			}
			return err
		}
	}
	t.checked, t.doubts = l, doubts
	t.track.trust(l.epoch)
	return nil
}

// outOfRange finds out what an OFFSET_OUT_OF_RANGE means.
func (t *tail) outOfRange(ctx context.Context, cause error) error {
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
		resume := t.pos
		if rb := t.rebuild; rb != nil && !rb.compared {
			resume = rb.resume // what is left of the log below has been seen
		}
		return t.lost(ctx, resume, fmt.Errorf("%w: the log begins at offset %d, this client had read up to %d", ErrDataLoss, start, t.pos))
	case at > end:
		return t.lost(ctx, min(end, t.pos), fmt.Errorf("%w: the log ends at offset %d, this client had read up to %d", ErrDataLoss, end, at))
	default:
		return cause // a replica that lags; ask again
	}
}

// lost makes the next step reread the log, if it is still that of the same topic:
// questions for offsets name the topic, and one recreated has the same name.
func (t *tail) lost(ctx context.Context, resume int64, cause error) error {
	if err := t.part.sameTopic(ctx); err != nil {
		return err
	}
	t.startOver(resume, cause)
	return nil
}

// caughtUp looks at how far the position is after a fetch.
func (t *tail) caughtUp(ctx context.Context, f fetched) error {
	at, _ := t.reached()
	t.fresh.heard(f.sent, f.end, at, t.mayBeAway()/marksAway)
	t.health.sawEnd(f.end)
	t.track.sawEnd(f.end)
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

// checkEnd deals with a log that ends before what somebody waits for: the tail
// was lost, and with it the records that they wait for. The leader says so
// twice before it is believed.
func (t *tail) checkEnd(ctx context.Context, f fetched) error {
	want, came := t.track.farthest()
	if t.rebuild != nil {
		want = max(want, t.rebuild.target)
	}
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
	t.track.lost(end, came, fmt.Errorf("%w: the log ends at offset %d", ErrDataLoss, end))
	if t.rebuild != nil {
		t.rebuild.target = min(t.rebuild.target, end)
	}
	return nil
}

// apply brings one fetch into the view and calls the hooks.
func (t *tail) apply(ctx context.Context, f fetched) error {
	if f.skipped > 0 {
		t.health.skip(f.skipped)
		t.log.warn("kvstore: skipped records without a key", fmt.Errorf("%d in the fetch at offset %d", f.skipped, t.pos))
	}
	records := f.changes
	if rb := t.rebuild; rb != nil && !rb.compared {
		n := 0
		for n < len(records) && records[n].Revision < rb.resume {
			n++
		}
		if err := t.store(ctx, records[:n]); err != nil {
			return err
		}
		if f.next >= rb.resume {
			if err := t.compare(ctx); err != nil {
				return err
			}
		}
		records = records[n:]
	}
	if err := t.store(ctx, records); err != nil {
		return err
	}
	t.pos = f.next
	if f.epoch != noEpoch {
		t.epoch = f.epoch
	}
	t.show(f.sources)
	if t.hooks.any() {
		for _, r := range records {
			t.tell(r)
			t.advance(r.Revision + 1)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	t.advance(t.pos)
	if t.rebuild != nil {
		t.rebuild.records += int64(len(f.changes))
		t.progress(false)
	}
	return nil
}

// show makes what is applied count as readable, also as the client's own writes.
func (t *tail) show(sources []seen) {
	if rb := t.rebuild; rb.keeps() {
		for len(sources) > 0 && sources[0].offset < rb.seen { // known already
			sources = sources[1:]
		}
		t.recent.add(sources)
		return
	}
	t.recent.add(sources)
	t.track.show(t.pos, t.epoch)
}

// advance releases those who wait for a position, but not before reads show it.
func (t *tail) advance(done int64) {
	if !t.rebuild.keeps() {
		t.track.advance(done)
	}
}

// tell calls the hooks for a record.
func (t *tail) tell(r Record) {
	t.hooks.call(r)
	if t.rebuild != nil {
		delete(t.rebuild.gone, string(r.Key))
	}
}

// store applies records to the view and keeps trying until it worked or ctx
// ends. I1: an error of the storage skips no records.
func (t *tail) store(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	return t.insist(ctx, func() error { return t.view.apply(ctx, records) })
}

// insist repeats fn, which changes or reads the storage, until it works or the
// storage panics.
func (t *tail) insist(ctx context.Context, fn func() error) error {
	for failures := 1; ; failures++ {
		t.health.busyStorage(true)
		err := guarded("storage", fn)
		t.health.busyStorage(false)
		if isPanic(err) {
			return err
		}
		if err == nil {
			if failures > 1 {
				t.moving()
				t.health.flowing()
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.stall(fmt.Errorf("storage: %w", err))
		sleep(ctx, t.backoff(failures))
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
