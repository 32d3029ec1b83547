// Command kvsim runs simulated worlds of package kvstore and judges what its
// clients saw. "kvsim help" lists what it can do; docs/cli.md is the manual.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// cleanupTime is how long an interrupted command has to end its workers and
// containers.
const cleanupTime = 20 * time.Second

func main() {
	// This program is also the worker process of the virtual engine.
	engine.Serve(func(ctx context.Context, job world.Job, judging func(*world.Result)) (*world.Result, error) {
		return world.RunInFiles(ctx, job, world.Env{Judging: judging})
	})
	crashApart()
	// A pipe that nobody reads any more is an error of writing, after which commands clean up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the program immediately
		time.AfterFunc(cleanupTime, func() {
			fmt.Fprintln(os.Stderr, "kvsim: interrupted, and cleaning up did not end")
			os.Exit(exitInterrupted)
		})
	})
	os.Exit(defaultCLI().main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// defaultCLI returns the command as users get it.
func defaultCLI() *cli {
	return &cli{
		engines:   startEngine,
		now:       time.Now,
		cores:     runtime.NumCPU(),
		cpu:       engine.CPUTime,
		getenv:    os.Getenv,
		sometimes: sim.SometimesNames(),
		ticks: func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(d)
			return t.C, t.Stop
		},
	}
}

// A cli is the command with its dependencies, which tests replace.
type cli struct {
	// engines starts the engine that the flags ask for.
	engines func(ctx context.Context, opts engineOptions, progress io.Writer) (engine.Engine, error)
	now     func() time.Time
	// cores is the number of processors.
	cores int
	// cpu is the processor time that this process has used.
	cpu    func() time.Duration
	getenv func(string) string
	// sometimes names the things that a campaign of the scenario everything must
	// have seen.
	sometimes []string
	// ticks returns a channel that says when to print progress, and a function
	// that stops it.
	ticks func(time.Duration) (<-chan time.Time, func())
}
