package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// movedError says that a leader had not answered when another one was named.
type movedError struct {
	silent int32         // who did not answer
	since  time.Duration // for how long
	leads  leader        // who does now
}

func (e *movedError) Error() string {
	return fmt.Sprintf("no answer of broker %d for %v, and broker %d leads now, since leader epoch %d", e.silent, e.since.Round(time.Millisecond), e.leads.node, e.leads.epoch)
}

// request sends req to the leader. While it does not answer, for longer than it may take
// and patience, others are asked beside it whether it still leads: a machine that is gone
// never says that it does not. When another one does, the error is a *movedError,
// and the request may still be under way.
func (p *partition) request(ctx context.Context, via *requests, l leader, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	timer := time.AfterFunc(mayTake(req)+patience, func() {
		if m, ok := p.successor(ctx, l); ok {
			cancel(&movedError{silent: l.node, since: time.Since(began), leads: m})
		}
	})
	defer timer.Stop()
	resp, err := via.at(ctx, l.node, req)
	var moved *movedError
	if err != nil && errors.As(context.Cause(ctx), &moved) {
		return nil, moved
	}
	return resp, err
}

// successor waits until brokers name another leader than l, or until ctx ends.
func (p *partition) successor(ctx context.Context, l leader) (leader, bool) {
	if !p.asks.begin() {
		return l, false
	}
	defer p.asks.finish()
	for wait := patience; ctx.Err() == nil; wait = min(2*wait, mostPatience) {
		if m, err := p.lookup(ctx); err == nil && m.leader != l {
			return m.leader, true
		}
		sleep(ctx, wait)
	}
	return l, false
}

// mostPatience bounds how long brokers that were asked for another leader are not asked again.
const mostPatience = 8 * time.Second

// mayTake returns for how long a leader may keep a request before it answers.
func mayTake(req kmsg.Request) time.Duration {
	switch req := req.(type) {
	case *kmsg.FetchRequest:
		return time.Duration(req.MaxWaitMillis) * time.Millisecond
	case fetchByName:
		return time.Duration(req.MaxWaitMillis) * time.Millisecond
	}
	return 0
}
