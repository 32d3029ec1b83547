package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// movedError says that a leader had not answered by the time another one was named.
type movedError struct {
	silent int32         // who did not answer
	since  time.Duration // for how long
	leads  leader        // who does now
}

func (e *movedError) Error() string {
	return fmt.Sprintf("no answer of broker %d for %v, and broker %d leads now, since leader epoch %d", e.silent, e.since.Round(time.Millisecond), e.leads.node, e.leads.epoch)
}

// request sends req to the leader. When the leader has not answered within the time that it
// may take, plus what a quota may hold the request back, plus patience, other brokers are
// asked whether it still leads: a dead machine never says that it does not. When another
// broker leads, the error is a *movedError, and the request may still be under way.
func (p *partition) request(ctx context.Context, via *requests, l leader, req kmsg.Request) (kmsg.Response, error) {
	if err := p.current(l); err != nil {
		return nil, err
	}
	defer asking(ctx, kmsg.NameForKey(req.Key()), l.node, usual(req)+via.quota.holds(l.node)).answered(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	mayTake := mayTake(req) + via.quota.holds(l.node)
	timer := time.AfterFunc(mayTake+patience, func() {
		if m, ok := p.successor(ctx, l, began); ok {
			cancel(&movedError{silent: l.node, since: time.Since(began), leads: m})
		}
	})
	defer timer.Stop()
	resp, err := via.at(ctx, l.node, req)
	var moved *movedError
	switch {
	case err != nil && errors.As(context.Cause(ctx), &moved):
		return nil, moved
	case err == nil:
		p.leaving.slow(l, time.Since(began)-mayTake)
		err = p.current(l) // otherwise the answer may be of either cluster
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// successor waits until brokers name another leader than l, or until ctx ends. The request
// to l began at the given time.
//
// A leader of a later epoch is followed immediately, unless l was left before and turned out to
// be still leading. Kafka has one leader per epoch. So another one of the same epoch, or of
// none, has to be named by all others who answer, too.
func (p *partition) successor(ctx context.Context, l leader, began time.Time) (leader, bool) {
	if !p.asks.begin() {
		return l, false
	}
	defer p.asks.finish()
	for wait := patience; ctx.Err() == nil; wait = min(2*wait, mostPatience) {
		m, who, err := p.lookupWho(ctx)
		if err == nil && m.leader != l && (m.leader.epoch != l.epoch || p.agreed(ctx, m.leader, who)) {
			sleep(ctx, p.leaving.after(l)-time.Since(began))
			if ctx.Err() == nil {
				p.leaving.left(l)
				return m.leader, true
			}
		}
		sleep(ctx, wait)
	}
	return l, false
}

// agreed reports whether all brokers but the one asked name the same leader.
func (p *partition) agreed(ctx context.Context, named leader, who int32) bool {
	ok := true
	inTurn(ctx, p.asks, p.witnesses(who), p.question, func(resp *kmsg.MetadataResponse, err error) bool {
		if err == nil {
			w := p.hear(resp)
			ok = w.leader.node == named.node && w.leader.epoch == named.epoch
		}
		return ok
	})
	return ok
}

// leaving is for how long a leader that is slow to answer is waited for although another
// one was named: patience at first, and twice as long each time it turns out to be still
// leading. Its answers are just slow then, and requests to a broker that does not lead
// never succeed. It is safe for concurrent use.
type leaving struct {
	mu    sync.Mutex
	epoch int32 // the leader epoch under which one was left
	wait  time.Duration
	last  time.Time // when it was left, or took long
}

// Bounds of leaving.
const (
	mostLeaving = 32 * time.Second
	calmsDown   = time.Minute // after this it starts again from patience
)

// after returns how long a request to l takes before another leader is followed.
func (v *leaving) after(l leader) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.again(l) {
		return 0
	}
	return v.wait
}

// again reports whether l was left a while ago, under the same epoch. The caller holds mu.
func (v *leaving) again(l leader) bool {
	return v.wait > 0 && v.epoch == l.epoch && time.Since(v.last) < calmsDown
}

// left notes that l was left.
func (v *leaving) left(l leader) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.again(l) {
		v.wait = patience
	}
	v.epoch, v.wait, v.last = l.epoch, min(2*v.wait, mostLeaving), time.Now()
}

// slow notes that l did answer, after the given time.
func (v *leaving) slow(l leader, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if took > patience && v.again(l) {
		v.wait, v.last = min(max(v.wait, 2*took), mostLeaving), time.Now()
	}
}

// mostPatience bounds the time between two questions to other brokers about the leader.
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
