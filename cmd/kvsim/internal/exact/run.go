package exact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// DefaultMaxSteps bounds a run that does not set RunOptions.MaxSteps: a few
// minutes of one core.
const DefaultMaxSteps = 20_000_000_000

// DefaultMemoryLimit is RunOptions.MemoryLimit if it is zero, in bytes.
const DefaultMemoryLimit = 1 << 30

// RunOptions are the inputs of one run. The zero value is usable. Everything
// that the guest can see is here: the same guest with the same options makes
// the same steps.
type RunOptions struct {
	// Seed decides the schedule and every random byte.
	Seed uint64

	// Args are the arguments after the program's name, which is always
	// "guest".
	Args []string

	// Env are "key=value" pairs: all that the guest has, but for GOGC=off
	// and GOMEMLIMIT, which come first and can be replaced. Nothing is taken
	// from the environment of the calling process.
	Env []string

	// Stdin, Stdout and Stderr are the guest's. Nil reads nothing and
	// discards. They are called from the goroutine that calls Run. An error
	// of theirs ends the run: the guest never learns of it.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Mounts are the directories that the guest sees besides /tmp, which is
	// always there, empty at first, writable, and gone after the run.
	Mounts []Mount

	// MaxSteps bounds the work of the guest, in steps: entries of a loop
	// header in its code. Zero means DefaultMaxSteps.
	MaxSteps uint64

	// MaxElapsed bounds the simulated time. Zero means no bound.
	MaxElapsed time.Duration

	// Start is the wall clock at the start. Zero means DefaultStart.
	Start time.Time

	// MemoryLimit is the size of the heap, in bytes, at which the guest
	// begins to collect garbage. Below it there is no collection at all.
	// Zero means DefaultMemoryLimit.
	MemoryLimit int64

	program       string         // os.Args[0]
	before, after func(f *memFS) // called before the guest starts and when it has ended
}

// Result is what a run leaves besides its output. All of it is deterministic.
type Result struct {
	ExitCode int           // as passed to os.Exit; 2 after a panic
	Panic    string        // first line of the panic or fatal error on stderr, if any
	Elapsed  time.Duration // simulated time that passed
	Steps    uint64        // see RunOptions.MaxSteps
	Memory   uint64        // size of the guest's memory at the end, in bytes

	// Picks counts the scheduler's decisions, and Choices those with more
	// than one goroutine to choose from. Schedule is a hash over all choices:
	// equal for equal schedules. All are zero with SchedulerStock.
	Picks, Choices, Schedule uint64
}

func (o *RunOptions) setDefaults() error {
	if o.MaxSteps == 0 {
		o.MaxSteps = DefaultMaxSteps
	}
	if o.program == "" {
		o.program = "guest"
	}
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
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

// Run runs the guest from start to exit and returns when it has ended. A guest
// that ends by itself, with whatever exit code, gives no error; the error is a
// *BoundError when a bound of opts stopped it, and wraps the context's cause
// when ctx did. Many runs of one guest may go on at once, each on one core.
func (g *Guest) Run(ctx context.Context, opts RunOptions) (Result, error) {
	if err := opts.setDefaults(); err != nil {
		return Result{}, fmt.Errorf("run guest: %w", err)
	}
	w, err := newWorld(ctx, opts)
	if err != nil {
		return Result{}, fmt.Errorf("run guest: %w", err)
	}
	if opts.before != nil {
		opts.before(w.files)
	}
	stderr := &panicWatch{}
	// The guest must not see the deadline of ctx, only worldOf.
	inner := withMemory(context.WithValue(context.Background(), worldKey{}, w))
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
		var bound *BoundError
		if errors.As(w.stopped, &bound) {
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

func (w *world) result(stderr *panicWatch) Result {
	r := Result{
		Panic:   stderr.first,
		Elapsed: w.elapsed(),
		Steps:   w.steps(),
		Picks:   w.picked,
		Choices: w.choices,
	}
	if w.choices > 0 {
		r.Schedule = w.schedule
	}
	if w.memory != nil {
		pages, _ := w.memory.Grow(0) // Size would wrap around at 4 GB
		r.Memory = uint64(pages) << 16
	}
	return r
}

// moduleConfig describes the guest's process.
func moduleConfig(w *world, opts RunOptions, stderr *panicWatch) wazero.ModuleConfig {
	files := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(w.files, "/")
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous, so that there may be many
		WithArgs(append([]string{opts.program}, opts.Args...)...).
		WithStdin(hostReader{world: w, next: opts.Stdin}).
		WithStdout(hostWriter{world: w, next: opts.Stdout}).
		WithStderr(io.MultiWriter(stderr, hostWriter{world: w, next: opts.Stderr})).
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

// canonicalEnv is the environment of the guest: the last value of each key, in
// the order of the keys.
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
	env = env[:0]
	for _, pair := range last {
		env = append(env, pair)
	}
	slices.Sort(env)
	return env
}

// innermost reads the guest's innermost functions from the stack trace that
// wazero puts into an error.
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
