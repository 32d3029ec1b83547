package sim

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// A provocation makes clients meet a fault that has hit nothing, because the workload was
// over or did something else: they write, and wait for the log. What they do is in the
// history like any operation.
type provocation struct {
	w       *world
	fault   Fault
	n       int // the fault's number
	rounds  int
	all     sync.WaitGroup
	running atomic.Bool
}

// again makes each client that the fault is about, if it has a process, do its part once,
// unless some are still busy. It does not wait for them.
func (p *provocation) again(ctx context.Context) {
	if !p.running.CompareAndSwap(false, true) {
		return
	}
	p.rounds++
	round := p.rounds
	p.all.Go(func() {
		defer p.running.Store(false)
		p.w.each(ctx, p.meant(), func(ctx context.Context, s *slot) error {
			p.act(ctx, s, round)
			return nil
		})
	})
}

// meant are the clients that the fault is about.
func (p *provocation) meant() []*slot {
	return named(p.w.alive(), setting[string](p.fault, "client"))
}

func (p *provocation) act(ctx context.Context, s *slot, round int) {
	k := &worker{
		w: p.w, slot: s, id: fmt.Sprintf("%s/f%d.%d", s.name, p.n, round), ctx: ctx,
		keys: p.w.workers[0].keys, rng: stream(p.w.plan.Seed, "provoke", p.n, round, s.n),
	}
	for _, kind := range []opKind{opPut, opSync} {
		if process := s.openProcess(); process != nil && ctx.Err() == nil {
			k.do(ctx, process, kind)
		}
	}
}
