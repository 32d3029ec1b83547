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

// Brokers are the brokers that the worlds of a Real run on, if that is not kfake.
type Brokers interface {
	// String names them.
	String() string
	// Abilities returns what can be done to them.
	Abilities() sim.Abilities
	// Close ends them, or closes the connections to them.
	Close() error
}

// NewReal returns an engine that calls run. Its Close closes brokers, which may be nil.
func NewReal(run Func, brokers Brokers) *Real {
	return &Real{run: run, brokers: brokers, turn: make(chan struct{}, 1)}
}

// Brokers returns the brokers that worlds run on, or nil for kfake.
func (r *Real) Brokers() Brokers { return r.brokers }

// Name returns "real".
func (r *Real) Name() string { return "real" }

// Jobs returns 1: worlds that run at the same time would slow each other down.
func (r *Real) Jobs() int { return 1 }

// Run runs one world. A panic of the goroutine that runs it breaks only that world. A panic
// of another goroutine of the world ends the process.
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
