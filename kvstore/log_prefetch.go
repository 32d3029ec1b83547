package kvstore

import (
	"context"
	"time"
)

// ahead is a fetch that was sent before its turn: while one part of a long log is
// applied, the next one is on its way and is decoded.
type ahead struct {
	from   leader
	offset int64
	cancel context.CancelFunc
	done   chan struct{} // closed when f and err are set
	f      fetched
	err    error
}

// fetch returns the records from the position on, and starts the fetch of those after them
// if there are any.
func (t *tail) fetch(ctx context.Context, limits fetchLimits) (f fetched, err error) {
	if a := t.ahead; a != nil && a.from == t.checked && a.offset == t.pos {
		<-a.done
		f, err = a.f, a.err
		t.drop()
	} else {
		t.drop()
		f, err = t.ask(ctx, t.checked, t.pos, limits, t.takeRoom())
	}
	if err == nil && t.pos < f.next && f.next < f.stable {
		t.send(ctx, f.next, limits)
	}
	return f, err
}

// ask fetches and converts. It uses only fields of the tail that never change.
func (t *tail) ask(ctx context.Context, from leader, offset int64, limits fetchLimits, r *room) (fetched, error) {
	sent := time.Now()
	f, err := t.part.fetch(ctx, from, offset, limits, t.decoder, r)
	f.room, f.sent, f.got = r, sent, time.Now()
	r.convert(&f, t.recent.Owners())
	return f, err
}

// send starts the fetch from offset on.
func (t *tail) send(ctx context.Context, offset int64, limits fetchLimits) {
	ctx, cancel := context.WithCancel(t.health.fetches.within(ctx))
	a := &ahead{from: t.checked, offset: offset, cancel: cancel, done: make(chan struct{})}
	t.ahead = a
	r := t.takeRoom()
	go func() {
		defer close(a.done)
		a.f, a.err = t.ask(ctx, a.from, offset, limits, r)
	}()
}

// drop ends the prefetch, if there is one.
func (t *tail) drop() {
	if t.ahead != nil {
		t.ahead.cancel()
		<-t.ahead.done
		t.ahead = nil
		t.health.fetches.forget()
	}
}
