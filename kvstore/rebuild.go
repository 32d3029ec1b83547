package kvstore

import (
	"context"
	"time"
)

// rebuild brings the view up from the begin of the log: when the client opens,
// and when the log lost records that the client had applied.
//
// What has been applied since a truncated offset can't be taken back one by
// one: the values that those records replaced are not in the storage any more.
// They are in the log, or compaction removed them. So the storage is emptied
// and the log read anew. Reads wait meanwhile; they would go back in time.
//
//	log before   a=1 b=1 a=2 c=1           hooks have seen a=2 b=1 c=1
//	log after    a=1 b=1 | d=1             truncated at "|", then written to
//	hooks get    delete c, set a=1         up to the truncation: what differs
//	             set d=1                   from there on: each record
type rebuild struct {
	// resume is the offset from which on no record has been seen before.
	// Up to there records are applied without hooks, then the state is
	// compared with the one before.
	resume   int64
	compared bool
	before   held

	cause   error
	begun   bool
	asked   bool // the first fetch was sent
	started time.Time
	target  int64 // the high watermark when the rebuild began
	opening bool
	records int64
}

// newOpening is the rebuild that a client begins with: there is nothing to
// compare, and all records go to the hooks.
func newOpening() *rebuild { return &rebuild{opening: true, compared: true} }

// startOver makes the next step read the log anew. Records from resume on have
// not been seen before.
func (t *tail) startOver(resume int64, cause error) {
	t.log.warn("kvstore: rebuilding from the log", cause)
	next := &rebuild{resume: resume, cause: cause}
	if rb := t.rebuild; rb != nil {
		next.opening = rb.opening
		if !rb.compared { // the hooks still have the state before the first loss
			next.before, next.resume = rb.before, min(rb.resume, resume)
		}
	}
	t.gate.shut()
	if !next.opening {
		t.health.set(StateRebuilding, cause)
	}
	t.rebuild = next
	t.checked = noLeader
	t.track.trust(-1)
	t.short = 0
}

// beginRebuild empties the view and goes to the begin of the log.
func (t *tail) beginRebuild(ctx context.Context) error {
	rb := t.rebuild
	start, err := t.part.listOffset(ctx, atEarliest)
	if err != nil {
		return err
	}
	end, err := t.part.listOffset(ctx, atLatest)
	if err != nil {
		return err
	}
	if rb.cause != nil {
		t.track.rollback(start, rb.cause)
		t.track.because(rb.cause)
		t.recent.reset()
	}
	err = t.insist(ctx, func() error {
		before, err := t.view.reset(ctx, !rb.compared && t.hooks.any())
		// A reset that fails may have removed a part: what was there is
		// what the first try found.
		if before != nil && rb.before == nil {
			rb.before = before
		}
		return err
	})
	if err != nil {
		return err
	}
	t.pos, t.epoch, t.checked = start, -1, noLeader
	t.track.advance(start)
	rb.begun, rb.started, rb.target = true, time.Now(), end
	t.health.sawEnd(end)
	t.health.setTarget(end)
	if !rb.compared && start >= rb.resume {
		if err := t.compare(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finishRebuild lets reads pass once the view equals the log.
//
// An opening client waits for all that was in the log, also behind a
// transaction that is still open. A rebuild waits only for what is decided:
// the client had not shown more before.
func (t *tail) finishRebuild(ctx context.Context, f fetched) error {
	rb := t.rebuild
	if rb == nil || !rb.begun {
		return nil
	}
	enough := rb.target
	if !rb.opening {
		enough = min(enough, f.stable)
	}
	if t.pos < enough {
		return nil
	}
	if !rb.compared { // the log ends even before resume
		if err := t.compare(ctx); err != nil {
			return err
		}
	}
	t.progress(true)
	t.rebuild, t.rooms = nil, nil
	t.gate.open()
	t.health.set(StateLive, nil)
	if rb.opening {
		t.opened()
	}
	return nil
}

// progress reports how far the opening is.
func (t *tail) progress(done bool) {
	rb := t.rebuild
	if t.report == nil || !rb.opening {
		return
	}
	p := Progress{Position: t.pos, Target: rb.target, Records: rb.records, Done: done}
	if took := time.Since(rb.started).Seconds(); took > 0 {
		p.RecordsPerSecond = float64(rb.records) / took
	}
	err := guarded("progress callback", func() error { t.report(p); return nil })
	if err != nil {
		panic(err) // for runGuarded
	}
}

// compare tells the hooks what the loss changed: a delete for each key that
// vanished, in key order, then a set for each key whose value is another one.
func (t *tail) compare(ctx context.Context) error {
	rb := t.rebuild
	var gone, changed []Record
	if t.hooks.any() {
		err := t.insist(ctx, func() (err error) {
			gone, changed, err = t.differences(ctx, rb.before)
			return err
		})
		if err != nil {
			return err
		}
	}
	rb.compared, rb.before = true, nil
	for _, r := range append(gone, changed...) {
		t.hooks.call(r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (t *tail) differences(ctx context.Context, before held) (gone, changed []Record, err error) {
	for e, err := range before.all(ctx) {
		if err != nil {
			return nil, nil, err
		}
		_, err := t.view.entry(ctx, e.Key)
		if isNotFound(err) {
			gone = append(gone, Record{Key: e.Key, Delete: true, Revision: e.Revision})
		} else if err != nil {
			return nil, nil, err
		}
	}
	entries, err := t.view.scan(ctx, KeyConstraint{}, QueryOptions{})
	if err != nil {
		return nil, nil, err
	}
	for e, err := range entries {
		if err != nil {
			return nil, nil, err
		}
		old, ok, err := before.lookup(ctx, e.Key)
		if err != nil {
			return nil, nil, err
		}
		if !ok || old.revision != e.Revision || old.timeMillis != e.Time.UnixMilli() {
			changed = append(changed, Record{Key: e.Key, Value: e.Value, Revision: e.Revision, TimeMillis: e.Time.UnixMilli()})
		}
	}
	return gone, changed, nil
}
