package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/guest/lines"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

// guestPackage is the program that the exact engine runs.
const guestPackage = "github.com/kvsim/kvsim/cmd/kvsim/internal/engine/guest"

// ExactOptions are the options of NewExact. The zero value is usable.
type ExactOptions struct {
	// Jobs is how many worlds run at the same time, each on one core. 0 means as many as
	// there are cores.
	Jobs int
	// Scheduler is the order of goroutines. Empty means exact.SchedulerRandom.
	Scheduler exact.Scheduler
	// Package is the program to run instead of kvsim's own, for tests.
	Package string
	// Dir is a directory in a module that has the package. Empty means the
	// current one.
	Dir string
	// SimulatedLimit bounds a world. 0 means DefaultSimulatedLimit.
	SimulatedLimit time.Duration
	// MaxSteps bounds the work of a world. 0 means exact.DefaultMaxSteps.
	MaxSteps uint64
	// Progress, if not nil, gets a line about each slow step before it starts.
	Progress io.Writer
}

// Exact is the engine that runs worlds in wasm guests. A seed gives the same bytes every
// time.
type Exact struct {
	opts  ExactOptions
	guest *exact.Guest
	slots chan struct{}
}

// NewExact builds the guest, which takes about a minute the first time, and
// returns the engine.
func NewExact(ctx context.Context, opts ExactOptions) (*Exact, error) {
	if opts.Jobs < 0 {
		return nil, fmt.Errorf("%w: Jobs %d is negative", ErrEngine, opts.Jobs)
	}
	opts.Jobs = cmp.Or(opts.Jobs, runtime.GOMAXPROCS(0))
	opts.Package = cmp.Or(opts.Package, guestPackage)
	opts.SimulatedLimit = cmp.Or(opts.SimulatedLimit, DefaultSimulatedLimit)
	guest, err := exact.Build(ctx, exact.BuildOptions{
		Package: opts.Package, Dir: opts.Dir, Scheduler: opts.Scheduler, Progress: opts.Progress,
		Tags: []string{InvariantsTag},
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("%w: %w\n(the exact engine compiles kvsim itself: run it in a directory of its module, or of a module that requires it)", ErrEngine, err)
	}
	return &Exact{opts: opts, guest: guest, slots: make(chan struct{}, opts.Jobs)}, nil
}

// Name returns "exact".
func (e *Exact) Name() string { return "exact" }

// Jobs returns how many worlds run at the same time.
func (e *Exact) Jobs() int { return e.opts.Jobs }

// Guest returns a hash of the program.
func (e *Exact) Guest() string { return e.guest.Hash() }

// Close frees the guest.
func (e *Exact) Close() error { return e.guest.Close() }

// Run runs one world in a guest of its own.
func (e *Exact) Run(ctx context.Context, job world.Job) (*world.Result, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	demux := new(lines.Demux)
	closeFiles, err := openFiles(job, demux)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	result, err := e.runGuest(ctx, job, demux)
	if closeErr := closeFiles(); err == nil && closeErr != nil {
		return nil, fmt.Errorf("write what happened: %w", closeErr)
	}
	if result != nil {
		result.Wall = time.Since(start)
	}
	return result, err
}

// runGuest runs a job in a guest. The guest gets only the seed and the plan, because the
// names of the host's files must not change what it does.
func (e *Exact) runGuest(ctx context.Context, job world.Job, demux *lines.Demux) (*world.Result, error) {
	input, err := json.Marshal(world.Job{Seed: job.Seed, Plan: job.Plan})
	if err != nil {
		return nil, err
	}
	output := new(ends)
	res, err := e.guest.Run(ctx, exact.RunOptions{
		Seed: job.Seed, Stdin: bytes.NewReader(input), Stdout: demux, Stderr: output,
		MaxSteps: e.opts.MaxSteps, MaxElapsed: e.opts.SimulatedLimit,
	})
	var result *world.Result
	known := demux.Known()
	switch {
	case known != nil && (errors.Is(err, exact.ErrTooManySteps) || errors.Is(err, exact.ErrTooLong)):
		result = unjudged(known, 0, world.Reason{Name: reasonJudging, Text: "the world ended, but judging it did not: " + err.Error()})
	case errors.Is(err, exact.ErrTooManySteps):
		result = broken(job.Seed, 0, world.Reason{Name: reasonSteps, Text: err.Error()}, output.String())
	case errors.Is(err, exact.ErrTooLong):
		result = broken(job.Seed, 0, world.Reason{Name: reasonStuck, Text: err.Error()}, output.String())
	case err != nil:
		return nil, err
	case res.ExitCode != 0:
		text := output.String()
		result = brokenAfter(known, broken(job.Seed, 0, classify(text, fmt.Sprintf("exit status %d", res.ExitCode)), text))
	default:
		if result, err = demux.Answer(); err != nil {
			return nil, err
		}
	}
	result.Schedule, result.Steps = res.Schedule, res.Steps
	return result, nil
}

// openFiles opens the files of a job for the demux.
func openFiles(job world.Job, demux *lines.Demux) (closeAll func() error, err error) {
	var files []*os.File
	closeAll = func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	for _, f := range []struct {
		name string
		to   *io.Writer
	}{{job.History, &demux.History}, {job.Log, &demux.Log}} {
		if f.name == "" {
			continue
		}
		file, err := os.OpenFile(f.name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // a history may hold secrets
		if err != nil {
			return nil, errors.Join(fmt.Errorf("write what happens: %w", err), closeAll())
		}
		files = append(files, file)
		*f.to = file
	}
	return closeAll, nil
}
