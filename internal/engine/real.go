package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/internal/engine/world"
)

// Real runs worlds in this process, one after the other, in real time.
type Real struct {
	run  Func
	turn chan struct{}
}

// NewReal returns the engine that calls run.
func NewReal(run Func) *Real {
	return &Real{run: run, turn: make(chan struct{}, 1)}
}

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
	return r.run(ctx, job)
}

// Close does nothing.
func (r *Real) Close() error { return nil }
