package kvstore

import (
	"context"
	"sync/atomic"
)

// gate decides whether reads may pass. It is closed while the client rebuilds
// its storage, and carries an error once reads must fail for good.
//
// I6: a read looks at the gate before and after it touches the storage, and counts
// only if it found the same open state both times.
type gate struct {
	state atomic.Pointer[gateState]
}

type gateState struct {
	err    error         // reads fail with it
	opened chan struct{} // not nil: the gate is closed until this is closed
}

func newGate() *gate {
	g := &gate{}
	g.state.Store(&gateState{})
	return g
}

// shut makes reads wait, until open or fail.
func (g *gate) shut() {
	for {
		old := g.state.Load()
		if old.err != nil || old.opened != nil {
			return
		}
		if g.state.CompareAndSwap(old, &gateState{opened: make(chan struct{})}) {
			return
		}
	}
}

// open lets reads pass.
func (g *gate) open() { g.replace(&gateState{}) }

// fail makes every read from now on fail with err. It stays that way, but for
// a later fail.
func (g *gate) fail(err error) { g.replace(&gateState{err: err}) }

func (g *gate) replace(next *gateState) {
	for {
		old := g.state.Load()
		if old.err != nil && next.err == nil {
			return
		}
		if g.state.CompareAndSwap(old, next) {
			if old.opened != nil {
				close(old.opened)
			}
			return
		}
	}
}

// closed reports whether reads would wait.
func (g *gate) closed() bool { return g.state.Load().opened != nil }

// pass returns the state under which a read may go on. waitErr makes the error
// for a context that ended first.
func (g *gate) pass(ctx context.Context, waitErr func(context.Context) error) (*gateState, error) {
	for {
		s := g.state.Load()
		if s.err != nil {
			return nil, s.err
		}
		if s.opened == nil {
			return s, nil
		}
		select {
		case <-s.opened:
		case <-ctx.Done():
			return nil, waitErr(ctx)
		}
	}
}

// still reports whether nothing happened since pass returned s.
func (g *gate) still(s *gateState) bool { return g.state.Load() == s }
