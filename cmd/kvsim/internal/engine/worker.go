package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// errSimulatedLimit is the cause with which the context of a world ends at the limit.
var errSimulatedLimit = errors.New("the world is past its simulated limit")

// lingering is the simulated time that a world may take to return after its context has
// ended.
const lingering = 10 * time.Minute

// exitStuck is the exit code of a worker that gave up its world.
const exitStuck = 70

// IsWorker reports whether this process was started to be a worker.
func IsWorker() bool { return os.Getenv(workerEnv) != "" }

// Serve makes this process a worker if it was started as one. It then runs the worlds that
// the pool sends, and does not return. Otherwise it does nothing. Call it first in main or
// TestMain, before any flag is parsed.
func Serve(run Func) {
	if !IsWorker() {
		return
	}
	w := &worker{run: run, out: os.Stdout, requests: make(chan request)}
	// Package testing reports on stdout, which belongs to the protocol.
	os.Stdout = os.Stderr
	os.Args = os.Args[:1]
	// Ctrl-C reaches the whole process group; the pool decides what to do.
	signal.Ignore(os.Interrupt)
	go w.watchQuit()
	go w.read(os.Stdin)
	everything := func(string, string) (bool, error) { return true, nil }
	testing.Main(everything, []testing.InternalTest{{Name: "worlds", F: w.serve}}, nil, nil)
}

// worker is the state of a worker process.
type worker struct {
	run      Func
	out      io.Writer
	requests chan request
}

// read passes requests on. When the input ends, because the pool is closed or gone, it ends
// the process, even in the middle of a world.
func (w *worker) read(in io.Reader) {
	r := bufio.NewReader(in)
	for {
		var req request
		if err := receive(r, &req); err != nil {
			if !errors.Is(err, io.EOF) {
				w.exit(fmt.Sprintf("reading a request: %v", err), false)
			}
			os.Exit(0) //nolint:revive // the process is the worker
		}
		w.requests <- req
	}
}

// watchQuit prints all goroutines on SIGQUIT, to show where a world hangs. The runtime's own
// dump would leave out the goroutine that is running.
func (w *worker) watchQuit() {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	<-quit
	w.exit("kvsim worker: told to quit", true)
}

// serve runs one world after another, each in a bubble of its own.
func (w *worker) serve(t *testing.T) {
	if err := send(w.out, response{Ready: true}); err != nil {
		w.exit(fmt.Sprintf("answering: %v", err), false)
	}
	for req := range w.requests {
		var answer response
		before := CPUTime()
		synctest.Test(t, func(*testing.T) { answer = w.world(req) })
		if answer.Result != nil {
			answer.Result.CPU = CPUTime() - before
		}
		if err := send(w.out, answer); err != nil {
			w.exit(fmt.Sprintf("answering: %v", err), false)
		}
	}
}

// world runs a world inside a bubble. When it returns, the bubble's time stops, and the bubble
// panics if any goroutine is left.
func (w *worker) world(req request) response {
	ctx, cancel := context.WithTimeoutCause(context.Background(), req.Limit, errSimulatedLimit)
	defer cancel()
	stuck := time.AfterFunc(req.Limit+lingering, func() {
		w.exit(fmt.Sprintf("%s: it did not return within %v of simulated time, nor within %v of being told to", stuckLine, req.Limit, lingering), true)
	})
	defer stuck.Stop()
	start := time.Now()
	result, err := w.run(ctx, req.Job, func(known *world.Result) {
		if err := send(w.out, response{Judging: known}); err != nil {
			w.exit(fmt.Sprintf("answering: %v", err), false)
		}
	})
	if errors.Is(context.Cause(ctx), errSimulatedLimit) {
		reason := world.Reason{Name: reasonStuck, Text: fmt.Sprintf("it took %v of simulated time, the limit is %v", time.Since(start), req.Limit)}
		if err != nil {
			return newResponse(world.BrokenResult(req.Job.Seed, reason.Name, reason.Text, err.Error()), nil)
		}
		result.Status = world.Broken
		result.Reasons = append([]world.Reason{reason}, result.Reasons...)
	}
	return newResponse(result, err)
}

// exit ends the process. It prints a line that the pool understands and, if goroutines is
// set, all goroutines.
func (w *worker) exit(line string, goroutines bool) {
	fmt.Fprintln(os.Stderr, line)
	if goroutines {
		stacks := make([]byte, 1<<20)
		_, _ = os.Stderr.Write(stacks[:runtime.Stack(stacks, true)])
	}
	os.Exit(exitStuck) //nolint:revive // the process is the worker
}
