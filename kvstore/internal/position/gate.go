package position

import (
	"context"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Gate decides whether reads may pass. It is closed while the client rebuilds
// its storage, and carries an error once reads must fail permanently.
//
// I6: a read looks at the gate before and after it touches the storage, and counts
// only if it found the same open state both times.
type Gate struct {
	state   atomic.Pointer[GateState]
	emptied invariant.Count // how often the storage was emptied, for a check
}

// GateState is the state of a gate at one moment.
type GateState struct {
	err    error         // reads fail with it
	opened chan struct{} // not nil: the gate is closed until this is closed
}

// NewGate returns a gate that is open.
func NewGate() *Gate {
	g := &Gate{}
	g.state.Store(&GateState{})
	return g
}

// Shut makes reads wait, until Open or Fail.
func (g *Gate) Shut() {
	for {
		old := g.state.Load()
		if old.err != nil || old.opened != nil {
			return
		}
		if g.state.CompareAndSwap(old, &GateState{opened: make(chan struct{})}) {
			return
		}
	}
}

// Open lets reads pass.
func (g *Gate) Open() { g.replace(&GateState{}) }

// Fail makes every read from now on fail with err. It stays that way until a
// later Fail.
func (g *Gate) Fail(err error) { g.replace(&GateState{err: err}) }

func (g *Gate) replace(next *GateState) {
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

// Err returns what reads fail with, nil while they pass or wait.
func (g *Gate) Err() error { return g.state.Load().err }

// Closed reports whether reads would wait.
func (g *Gate) Closed() bool { return g.state.Load().opened != nil }

// Pass returns the state under which a read may go on. waitErr makes the error
// for a context that ended first.
func (g *Gate) Pass(ctx context.Context, waitErr func(context.Context) error) (*GateState, error) {
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

// Emptying says that the storage behind the gate is about to be emptied. It is counted only
// when invariants are checked.
func (g *Gate) Emptying() { g.emptied.Add() }

// Emptied returns how often the storage was emptied, always 0 when invariants are not
// checked.
func (g *Gate) Emptied() uint64 { return g.emptied.Load() }

// Still reports whether nothing happened since Pass returned s.
func (g *Gate) Still(s *GateState) bool { return g.state.Load() == s }
