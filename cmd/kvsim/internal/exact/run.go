package exact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// DefaultMaxSteps is the default of RunOptions.MaxSteps. It is enough for a few minutes on
// one core.
const DefaultMaxSteps = 20_000_000_000

// DefaultMemoryLimit is the default of RunOptions.MemoryLimit, in bytes.
const DefaultMemoryLimit = 1 << 30

// RunOptions are the inputs of one run. The zero value is usable. They have everything that
// the guest can see, so the same guest with the same options executes the same steps.
type RunOptions struct {
	// Seed decides the schedule and every random byte.
	Seed uint64

	// Args are the arguments after the program's name, which is always
	// "guest".
	Args []string

	// Env are "key=value" pairs, the whole environment of the guest except for
	// GOGC=off and GOMEMLIMIT, which come first and can be replaced. Nothing is
	// taken from the environment of the calling process.
	Env []string

	// Stdin, Stdout and Stderr are the guest's. A nil Stdin is empty; output to a
	// nil writer is discarded. They are used by the goroutine that calls Run. An
	// error of theirs ends the run, and the guest never sees it.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Mounts are the directories that the guest sees in addition to /tmp. /tmp is
	// empty at first, writable, and gone after the run.
	Mounts []Mount

	// MaxSteps bounds the work of the guest. A step is one entry of a loop header
	// in its code. Zero means DefaultMaxSteps.
	MaxSteps uint64

	// MaxElapsed bounds the simulated time. Zero means no bound.
	MaxElapsed time.Duration

	// Start is the wall clock at the start. Zero means DefaultStart.
	Start time.Time

	// MemoryLimit is the size of the heap, in bytes, at which the guest starts to
	// collect garbage. Below it there are no collections at all. Zero means
	// DefaultMemoryLimit.
	MemoryLimit int64

	program       string         // os.Args[0]
	before, after func(f *memFS) // called before the guest starts, and after it has ended
}

// Result is the result of a run, besides its output. All of it is deterministic.
type Result struct {
	ExitCode int           // as passed to os.Exit; 2 after a panic
	Panic    string        // first line of the panic or fatal error on stderr, if any
	Elapsed  time.Duration // simulated time that passed
	Steps    uint64        // see RunOptions.MaxSteps
	Memory   uint64        // size of the guest's memory at the end, in bytes

	// Picks is the number of the scheduler's decisions, and Choices the number of
	// those with more than one goroutine to choose from. Schedule is a hash of all
	// choices, equal for equal schedules. All are zero with SchedulerStock.
	Picks, Choices, Schedule uint64
}

func (o *RunOptions) setDefaults() error {
	o.MaxSteps = cmp.Or(o.MaxSteps, DefaultMaxSteps)
	o.program = cmp.Or(o.program, "guest")
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	o.MemoryLimit = cmp.Or(o.MemoryLimit, DefaultMemoryLimit)
	switch {
	case o.MaxElapsed < 0:
		return fmt.Errorf("option MaxElapsed: %v is negative", o.MaxElapsed)
	case o.MemoryLimit < 0:
		return fmt.Errorf("option MemoryLimit: %d is negative", o.MemoryLimit)
	case o.Start.Unix() < 0:
		return fmt.Errorf("option Start: %v is before 1970, which the guest's clock cannot show", o.Start)
	}
	for _, pair := range o.Env {
		if key, _, ok := strings.Cut(pair, "="); !ok || key == "" {
			return fmt.Errorf("option Env: %q is not key=value", pair)
		}
	}
	return nil
}

// Run runs the guest from start to exit and returns when it has ended. If the guest ends by
// itself, with whatever exit code, there is no error. If a bound of opts stopped it, the error
// is a *BoundError; if ctx did, the error wraps the cause of ctx. Many runs of one guest may
// happen at the same time, each on one core.
func (g *Guest) Run(ctx context.Context, opts RunOptions) (Result, error) {
	if err := opts.setDefaults(); err != nil {
		return Result{}, fmt.Errorf("run guest: %w", err)
	}
	w, err := newOutside(ctx, opts)
	if err != nil {
		return Result{}, fmt.Errorf("run guest: %w", err)
	}
	if opts.before != nil {
		opts.before(w.files)
	}
	stderr := &panicWatch{}
	// The guest must not see the deadline of ctx; it is looked at only between
	// steps.
	inner := withMemory(context.WithValue(context.Background(), outsideKey{}, w))
	mod, err := g.runtime.InstantiateModule(inner, g.module, moduleConfig(w, opts, stderr))
	if mod != nil {
		defer func() { _ = mod.Close(inner) }()
	}
	result := w.result(stderr)
	if opts.after != nil {
		opts.after(w.files)
	}
	var exit *sys.ExitError
	switch {
	case w.stopped != nil:
		if bound, ok := errors.AsType[*BoundError](w.stopped); ok {
			bound.Where = innermost(err)
		}
		return result, w.stopped
	case errors.As(err, &exit):
		result.ExitCode = int(exit.ExitCode())
		return result, nil
	case err != nil:
		return result, fmt.Errorf("run guest: %w", err)
	}
	return result, nil
}

func (w *outside) result(stderr *panicWatch) Result {
	r := Result{
		Panic:   stderr.first,
		Elapsed: w.clock.now,
		Steps:   w.steps(),
		Picks:   w.picked,
		Choices: w.choices,
	}
	if w.choices > 0 {
		r.Schedule = w.schedule
	}
	if w.memory != nil {
		pages, _ := w.memory.Grow(0) // Size would overflow at 4 GB
		r.Memory = uint64(pages) << 16
	}
	return r
}

// moduleConfig describes the guest's process.
func moduleConfig(w *outside, opts RunOptions, stderr *panicWatch) wazero.ModuleConfig {
	files := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(w.files, "/")
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous, so that there may be many
		WithArgs(append([]string{opts.program}, opts.Args...)...).
		WithStdin(hostReader{outside: w, next: opts.Stdin}).
		WithStdout(hostWriter{outside: w, next: opts.Stdout}).
		WithStderr(io.MultiWriter(stderr, hostWriter{outside: w, next: opts.Stderr})).
		WithFSConfig(files).
		WithWalltime(w.clock.wall, resolution).
		WithNanotime(w.clock.monotonic, resolution).
		WithNanosleep(w.clock.sleep).
		WithOsyield(func() {})
	for _, pair := range canonicalEnv(opts) {
		key, value, _ := strings.Cut(pair, "=")
		config = config.WithEnv(key, value)
	}
	return config
}

// canonicalEnv returns the environment of the guest: the last value of each key, sorted by
// key.
func canonicalEnv(opts RunOptions) []string {
	env := append([]string{
		"GOGC=off",
		fmt.Sprintf("GOMEMLIMIT=%d", opts.MemoryLimit),
		"TMPDIR=/tmp",
	}, opts.Env...)
	last := make(map[string]string, len(env))
	for _, pair := range env {
		key, _, _ := strings.Cut(pair, "=")
		last[key] = pair
	}
	return slices.Sorted(maps.Values(last))
}

// innermost returns the guest's innermost functions, from the stack trace in an error of
// wazero.
func innermost(err error) string {
	if err == nil {
		return ""
	}
	_, trace, ok := strings.Cut(err.Error(), "wasm stack trace:\n")
	if !ok {
		return ""
	}
	var names []string
	for line := range strings.Lines(trace) {
		name := strings.TrimPrefix(strings.TrimSpace(line), ".")
		if i := strings.LastIndexByte(name, '('); i > 0 {
			name = name[:i]
		}
		if strings.HasPrefix(name, wasiModule) || name == "" {
			continue
		}
		if names = append(names, name); len(names) == 3 {
			break
		}
	}
	return strings.Join(names, " < ")
}
