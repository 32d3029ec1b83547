package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// Real runs worlds in this process, one after the other, in real time.
type Real struct {
	run     Func
	brokers Brokers
	turn    chan struct{}
}

// Brokers are what the worlds of a Real run on, if it is not kfake.
type Brokers interface {
	// String names them.
	String() string
	// Abilities tells what can be done to them.
	Abilities() sim.Abilities
	// Close ends them.
	Close() error
}

// NewReal returns the engine that calls run. It closes brokers, which may be
// nil.
func NewReal(run Func, brokers Brokers) *Real {
	return &Real{run: run, brokers: brokers, turn: make(chan struct{}, 1)}
}

// Brokers returns what the worlds run on, nil for kfake.
func (r *Real) Brokers() Brokers { return r.brokers }

// Name returns "real".
func (r *Real) Name() string { return "real" }

// Jobs returns 1: worlds that share a machine would change each other's times.
func (r *Real) Jobs() int { return 1 }

// Run runs one world. A panic of the goroutine that runs it breaks that world
// only; a panic elsewhere in it ends the process.
func (r *Real) Run(ctx context.Context, job world.Job) (result *world.Result, err error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	start := time.Now()
	defer func() {
		<-r.turn
		if v := recover(); v != nil {
			result, err = world.BrokenResult(job.Seed, reasonPanic, fmt.Sprintf("panic: %v", v), ""), nil
		}
		if result != nil {
			result.Wall = time.Since(start)
		}
	}()
	return r.run(ctx, job, func(*world.Result) {})
}

// Close closes the brokers.
func (r *Real) Close() error {
	if r.brokers == nil {
		return nil
	}
	return r.brokers.Close()
}
