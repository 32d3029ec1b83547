package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// VirtualOptions are the options of NewVirtual. The zero value is usable.
type VirtualOptions struct {
	// Jobs is the number of workers. 0 means one for each core.
	Jobs int
	// Program is the executable of the workers. Empty means the running one.
	Program string
	// Env are "key=value" pairs that workers get in addition to the environment
	// of this process.
	Env []string
	// SimulatedLimit bounds the simulated time of a world, WallLimit its real
	// time, and JudgeLimit the real time of judging it. 0 means
	// DefaultSimulatedLimit, DefaultWallLimit and DefaultJudgeLimit.
	SimulatedLimit, WallLimit, JudgeLimit time.Duration
	// WorldsPerWorker is the number of worlds after which a worker is replaced,
	// so that leaks can't add up. 0 means 1000.
	WorldsPerWorker int
}

// Virtual is the engine that runs worlds in bubbles, in worker processes.
type Virtual struct {
	opts VirtualOptions
	// startTime is how long a worker may take until it is ready.
	startTime time.Duration
	// slots holds one entry for each worker that is idle, nil for one that is
	// not started yet.
	slots chan *process
}

// NewVirtual returns the engine. Workers are started when they are needed.
func NewVirtual(opts VirtualOptions) (*Virtual, error) {
	if IsWorker() {
		return nil, fmt.Errorf("%w: a worker would start workers: main must call engine.Serve first", ErrEngine)
	}
	if opts.Jobs < 0 {
		return nil, fmt.Errorf("%w: Jobs %d is negative", ErrEngine, opts.Jobs)
	}
	opts.Jobs = cmp.Or(opts.Jobs, runtime.GOMAXPROCS(0))
	if opts.Program == "" {
		var err error
		if opts.Program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("%w: no executable for the workers: %w", ErrEngine, err)
		}
	}
	opts.SimulatedLimit = cmp.Or(opts.SimulatedLimit, DefaultSimulatedLimit)
	opts.WallLimit = cmp.Or(opts.WallLimit, DefaultWallLimit)
	opts.JudgeLimit = cmp.Or(opts.JudgeLimit, DefaultJudgeLimit)
	opts.WorldsPerWorker = cmp.Or(opts.WorldsPerWorker, 1000)
	// A world is one chain of events, so it gains nothing from a second processor. Its
	// garbage is small compared with the memory of a machine.
	opts.Env = append([]string{"GOMAXPROCS=1", "GOGC=1600", "GOMEMLIMIT=1GiB"}, opts.Env...)
	v := &Virtual{opts: opts, startTime: startTime, slots: make(chan *process, opts.Jobs)}
	for range opts.Jobs {
		v.slots <- nil
	}
	return v, nil
}

// Name returns "virtual".
func (v *Virtual) Name() string { return "virtual" }

// Jobs returns the number of workers.
func (v *Virtual) Jobs() int { return v.opts.Jobs }

// Run runs one world on an idle worker.
func (v *Virtual) Run(ctx context.Context, job world.Job) (*world.Result, error) {
	var p *process
	select {
	case p = <-v.slots:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p, result, err := v.runOn(ctx, p, job)
	v.slots <- p
	return result, err
}

// runOn runs one world on a worker, which it starts if p is nil. It returns the worker for
// the next world, or nil.
func (v *Virtual) runOn(ctx context.Context, p *process, job world.Job) (*process, *world.Result, error) {
	if err := context.Cause(ctx); err != nil {
		return p, nil, err
	}
	if p != nil && p.worlds >= v.opts.WorldsPerWorker {
		p.close()
		p = nil
	}
	if p == nil {
		var err error
		if p, err = startProcess(ctx, v.opts.Program, v.opts.Env, v.startTime); err != nil {
			if ctx.Err() != nil {
				return nil, nil, err
			}
			return nil, nil, fmt.Errorf("%w: start a worker: %w", ErrEngine, err)
		}
	}
	start := time.Now()
	result, known, err := p.do(ctx, request{Job: job, Limit: v.opts.SimulatedLimit}, limits{v.opts.WallLimit, v.opts.JudgeLimit})
	wall := time.Since(start)
	switch {
	case err == nil:
		result.Wall = wall
		return p, result, nil
	case errors.Is(err, errWall) && known != nil:
		return nil, unjudged(known, wall, judgedTooLong(v.opts.JudgeLimit)), nil
	case errors.Is(err, errWall):
		output := p.output.String()
		return nil, broken(job.Seed, wall, tooLong(v.opts.WallLimit, output), output), nil
	case errors.Is(err, errGone):
		output := p.output.String()
		return nil, brokenAfter(known, broken(job.Seed, wall, classify(output, p.cmd.ProcessState.String()), output)), nil
	case ctx.Err() != nil:
		return nil, nil, err
	}
	return p, nil, err
}

// Close ends the workers.
func (v *Virtual) Close() error {
	for range v.opts.Jobs {
		if p := <-v.slots; p != nil {
			p.close()
		}
	}
	return nil
}
