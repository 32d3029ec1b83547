package kvstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// apply applies one fetch to the view and calls the hooks.
func (t *tail) apply(ctx context.Context, f fetched) error {
	if invariant.On {
		t.checkFresh(&f)
		t.checkBehind(&f)
	}
	t.health.sawEnd(f.end) // before it is read up to there
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
	t.missing(&f)
	t.show(f.sources)
	if t.hooks.any() {
		if err := t.tell(ctx, records, func(r Record) { t.advance(r.Revision + 1) }); err != nil {
			return err
		}
	}
	t.advance(t.pos)
	if t.rebuild != nil {
		if t.rebuild.records == 0 {
			t.rebuild.under = t.checked
		}
		t.rebuild.records += int64(len(f.changes))
		t.progress(false)
	}
	return nil
}

// show makes what is applied count as readable, and remembers the client's own writes in
// it.
func (t *tail) show(sources []position.Source) {
	if rb := t.rebuild; rb.keeps() {
		for len(sources) > 0 && sources[0].Offset < rb.seen { // known already
			sources = sources[1:]
		}
		t.recent.Add(sources)
		return
	}
	t.recent.Add(sources)
	t.track.Show(t.pos, t.epoch)
}

// advance releases the waiters for a position, but not before reads show it, nor, after a loss,
// before the hooks have been told of what differs.
func (t *tail) advance(done int64) {
	if rb := t.rebuild; rb == nil || rb.compared && !rb.keeps() {
		t.track.Advance(done)
	}
}

// tell calls the hooks for records, and told after those of each.
func (t *tail) tell(ctx context.Context, records []Record, told func(Record)) error {
	if len(records) == 0 {
		return nil
	}
	t.health.callout.begin(codeHooks)
	for _, r := range records {
		t.hooks.call(r)
		if t.rebuild != nil {
			delete(t.rebuild.gone, string(r.Key))
		}
		told(r)
		if ctx.Err() != nil {
			break
		}
	}
	t.health.callout.end()
	return ctx.Err()
}

// store applies records to the view and keeps trying until that works or ctx ends. I1: an
// error of the storage skips no records.
func (t *tail) store(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	return t.insist(ctx, func() error { return t.view.apply(ctx, records) })
}

// insist repeats fn, a call of the storage, until it works or the storage panics.
func (t *tail) insist(ctx context.Context, fn func() error) error {
	return t.persist(ctx, func() error {
		t.health.callout.begin(codeStorage)
		err := guarded("storage", fn)
		t.health.callout.end()
		return err
	})
}

// persist is insist for a call within another one, which is the one that Status names as busy and
// whose panics are caught.
func (t *tail) persist(ctx context.Context, fn func() error) error {
	for failures := 1; ; failures++ {
		err := fn()
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
		if _, ok := errors.AsType[laterError](err); ok { // the call before this one has worked by now
			failures = 1
			t.moving()
			t.health.flowing()
		}
		t.stall(fmt.Errorf("%w: %w", ErrStorage, err))
		sleep(ctx, t.backoff(failures))
	}
}
