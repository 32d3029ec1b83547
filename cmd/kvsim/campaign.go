package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// A campaign runs many worlds.
type campaign struct {
	engine engine.Engine
	source planSource
	// next returns the next seed, and false when there is none.
	next func() (seed uint64, ok bool)
	// enough is called with each result when its world has run, one call at a
	// time. It reports whether no more worlds are needed. If it is nil, next alone
	// decides when the campaign ends.
	enough func(*world.Result) bool
	// dir is the directory for the histories of worlds that run.
	dir string
	// logs says to write the log of each world next to its history.
	logs bool
}

// A ran is a world of a campaign that has run.
type ran struct {
	plan   sim.Plan
	job    world.Job
	result *world.Result
}

// run runs the worlds, as many at the same time as the engine can, and calls each with every result,
// in the order of the seeds. It returns the first error.
func (c *campaign) run(ctx context.Context, each func(ran) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type outcome struct {
		ran
		err error
	}
	// The queue holds the worlds that are running, and those that wait for a slower
	// one before them.
	queue := make(chan chan outcome, 4*c.engine.Jobs())
	turns := make(chan struct{}, c.engine.Jobs())
	var mu sync.Mutex
	ended := false
	go func() {
		defer close(queue)
		for ctx.Err() == nil {
			turns <- struct{}{}
			mu.Lock()
			last := ended
			mu.Unlock()
			seed, ok := c.next()
			if !ok || last {
				return
			}
			done := make(chan outcome, 1)
			queue <- done
			go func() {
				r, err := c.one(ctx, seed)
				if err == nil && c.enough != nil {
					mu.Lock()
					ended = c.enough(r.result) || ended
					mu.Unlock()
				}
				<-turns
				done <- outcome{r, err}
			}()
		}
	}()
	var failed error
	for done := range queue {
		o := <-done
		switch {
		case failed != nil:
			// Start no more worlds, and wait for those that run.
		case o.err != nil:
			failed = o.err
		default:
			failed = each(o.ran)
		}
		if failed != nil {
			cancel(failed)
		} else {
			c.forget(o.job)
		}
	}
	if failed == nil {
		failed = context.Cause(ctx)
	}
	return failed
}

// one runs one world.
func (c *campaign) one(ctx context.Context, seed uint64) (ran, error) {
	plan, err := c.source.plan(seed)
	if err != nil {
		return ran{}, err
	}
	job := world.Job{Seed: seed, Plan: plan.String(), History: filepath.Join(c.dir, fmt.Sprintf("%d.jsonl", seed))}
	if c.logs {
		job.Log = filepath.Join(c.dir, fmt.Sprintf("%d.log", seed))
	}
	result, err := c.engine.Run(ctx, job)
	if err != nil {
		return ran{}, fmt.Errorf("seed %d: %w", seed, err)
	}
	return ran{plan: plan, job: job, result: result}, nil
}

// forget removes the files of a world that were not moved into a capsule.
func (c *campaign) forget(job world.Job) {
	_ = os.Remove(job.History)
	if job.Log != "" {
		_ = os.Remove(job.Log)
	}
}

// seedsOf returns the seeds of a range in order.
func seedsOf(r seedRange) func() (uint64, bool) {
	next, left := r.from, r.count()
	return func() (uint64, bool) {
		if left == 0 {
			return 0, false
		}
		left--
		next++
		return next - 1, true
	}
}

// seedsFor returns seeds from first on until d has passed, but at least one.
func seedsFor(first uint64, now func() time.Time, d time.Duration) func() (uint64, bool) {
	end := now().Add(d)
	next := first
	return func() (uint64, bool) {
		if next != first && !now().Before(end) {
			return 0, false
		}
		next++
		return next - 1, true
	}
}
