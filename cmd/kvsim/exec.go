package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

var execCommand = command{
	name:   "exec",
	cleans: true,
	args:   "-- GUEST.wasm [arguments]",
	short:  "run a wasm program in the exact engine, also for go test -exec",
	long: `
The program is one that Go built for GOOS=wasip1 GOARCH=wasm, usually a test. Its
clock jumps when all goroutines sleep, its random bytes come from the seed, and it
sees the files of the Go module around the current directory. Files that it writes
are lost when it ends. Two runs with the same seed are the same to the byte:

  GOOS=wasip1 GOARCH=wasm go test -overlay "$(kvsim exec --print-overlay)" \
      -exec "kvsim exec --seed 7 --" ./...

With the overlay, the seed decides the order of goroutines too. If the go command
has downloaded the Go release itself, it refuses the overlay; then use the script
that --print-go prints instead of go. The exit code is the program's own, or 3 if
kvsim stopped it.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var e execRun
		fs.Uint64Var(&e.seed, "seed", 1, "the `seed` of the order of goroutines and of random bytes")
		fs.BoolVar(&e.printOverlay, "print-overlay", false, "write the overlay with the scheduler, print its path, and exit")
		fs.BoolVar(&e.printGo, "print-go", false, "print the go command to use with the overlay, and exit")
		fs.Uint64Var(&e.steps, "max-steps", 0, "the `number` of steps after which the program is stopped (default: a few minutes of one core)")
		fs.DurationVar(&e.elapsed, "max-simulated", 0, "the simulated `duration` after which the program is stopped (default: none)")
		fs.Func("env", "a `KEY=VALUE` of the program's environment, which is empty by default; may be repeated", func(pair string) error {
			e.env = append(e.env, pair)
			return nil
		})
		fs.BoolVar(&e.verbose, "v", false, "print to stderr which slow steps are being done, and numbers about the run")
		return e.exec
	},
}

// An execRun carries out one "kvsim exec".
type execRun struct {
	seed         uint64
	printOverlay bool
	printGo      bool
	steps        uint64
	elapsed      time.Duration
	env          []string
	verbose      bool
}

func (e *execRun) exec(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if e.printOverlay || e.printGo {
		return e.print(ctx, args, stdout, stderr)
	}
	if len(args) == 0 {
		return usagef("name a wasm program behind --, built with GOOS=wasip1 GOARCH=wasm")
	}
	opts := exact.ExecOptions{
		Seed: e.seed, Env: e.env, Stdin: stdin, Stdout: stdout, Stderr: stderr,
		MaxSteps: e.steps, MaxElapsed: e.elapsed,
	}
	if e.verbose {
		opts.Progress = stderr
	}
	res, err := exact.Exec(ctx, args, opts)
	if e.verbose {
		fmt.Fprintf(stderr, "kvsim: exec: seed %d, %v simulated, %d steps, schedule %016x\n", e.seed, res.Elapsed, res.Steps, res.Schedule)
	}
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(err, exact.ErrTooManySteps):
		return fmt.Errorf("%w (raise --max-steps if it only needs longer)", err)
	case err != nil:
		return err
	case res.ExitCode != 0:
		return exitError(res.ExitCode)
	}
	return nil
}

// print prints what users need to build the guest themselves.
func (e *execRun) print(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if err := noArgs(args); err != nil {
		return err
	}
	if e.printOverlay && e.printGo {
		return usagef("--print-overlay and --print-go print one path each: use one of them")
	}
	path := exact.Overlay
	if e.printGo {
		path = exact.GoCommand
	}
	name, err := path(ctx, exact.BuildOptions{Progress: stderr})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, name)
	return nil
}
