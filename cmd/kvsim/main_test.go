package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// bugEnv is the environment variable with the bug of the tests' workers.
const bugEnv = "KVSIM_TEST_BUG"

// mainEnv is the environment variable that makes a process of the test binary run the
// command itself.
const mainEnv = "KVSIM_TEST_MAIN"

// scarceEnv is the environment variable that leaves such a process little memory.
const scarceEnv = "KVSIM_TEST_SCARCE"

func TestMain(m *testing.M) {
	engine.Serve(func(ctx context.Context, job world.Job, judging func(*world.Result)) (*world.Result, error) {
		return world.RunInFiles(ctx, job, world.Env{Open: openerOf(os.Getenv(bugEnv)), Judging: judging})
	})
	if os.Getenv(mainEnv) != "" {
		if os.Getenv(scarceEnv) != "" {
			scarce()
		}
		main()
	}
	os.Exit(m.Run())
}

// testCLI returns a command with clocks that stand still and with the virtual engine, whose
// worlds have the bug.
func testCLI(bug string) *cli {
	return &cli{
		engines: func(_ context.Context, o engineOptions, _ io.Writer) (engine.Engine, error) {
			return engine.NewVirtual(engine.VirtualOptions{Jobs: o.jobs, Env: []string{bugEnv + "=" + bug}})
		},
		now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		cores:  2,
		cpu:    func() time.Duration { return 0 },
		getenv: func(string) string { return "" },
		ticks:  func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} },
	}
}

// A said is the exit code and the output of a command.
type said struct {
	code           int
	stdout, stderr string
}

// kvsim runs the command line in a directory of its own.
func kvsim(t *testing.T, c *cli, stdin string, args ...string) said {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := c.main(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return said{code, stdout.String(), stderr.String()}
}

// want compares what the command did with what it should.
func (s said) want(t *testing.T, want said) {
	t.Helper()
	if s.code != want.code {
		t.Errorf("exit code = %d, want %d", s.code, want.code)
	}
	if diff := cmp.Diff(want.stdout, s.stdout); diff != "" {
		t.Errorf("stdout, want - got +:\n%s", diff)
	}
	if diff := cmp.Diff(want.stderr, s.stderr); diff != "" {
		t.Errorf("stderr, want - got +:\n%s", diff)
	}
}

// fakeEngine is an engine whose results come from a function of the seed.
type fakeEngine struct {
	result func(seed uint64) (*world.Result, error)

	// jobs1 makes it run one world after the other.
	jobs1 bool

	mu   sync.Mutex
	jobs []world.Job
}

func (f *fakeEngine) Name() string { return "virtual" }

func (f *fakeEngine) Jobs() int {
	if f.jobs1 {
		return 1
	}
	return 2
}
func (f *fakeEngine) Close() error { return nil }

func (f *fakeEngine) Run(ctx context.Context, job world.Job) (*world.Result, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.jobs = append(f.jobs, job)
	f.mu.Unlock()
	r, err := f.result(job.Seed)
	if err != nil {
		return nil, err
	}
	history := fmt.Appendf(nil, "history %d\n", job.Seed)
	if r.Hash != fmt.Sprintf("hash-%d", job.Seed) {
		history = fmt.Appendf(history, "with %s\n", r.Hash)
	}
	if err := os.WriteFile(job.History, history, 0o666); err != nil {
		return nil, err
	}
	if job.Log != "" {
		if err := os.WriteFile(job.Log, fmt.Appendf(nil, "log %d\n%s", job.Seed, r.Output), 0o666); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// fakeCLI returns a command with a fake engine, and with a clock that advances by a second
// each time it is read.
func fakeCLI(result func(seed uint64) (*world.Result, error)) (*cli, *fakeEngine) {
	e := &fakeEngine{result: result}
	c := testCLI("")
	c.engines = func(context.Context, engineOptions, io.Writer) (engine.Engine, error) { return e, nil }
	c.sometimes = []string{"a thing", "another thing"}
	var mu sync.Mutex
	now := c.now()
	c.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
	return c, e
}

// fakeResult returns the result of a world that ended with the given status.
func fakeResult(seed uint64, status world.Status, reasons ...world.Reason) *world.Result {
	return &world.Result{
		Seed: seed, Status: status, Reasons: reasons, Verdict: "what the judges say\n",
		Hash: fmt.Sprintf("hash-%d", seed), Events: 2500, Records: 600,
		Simulated: 12345 * time.Millisecond, Wall: 50 * time.Millisecond,
		Operations: world.Operations{Total: 1000, OK: 990, Failed: 4, Unknown: 6, Acknowledged: 500},
		Faults: []world.FaultResult{
			{Text: "lag client=c2 from=1.2s for=800ms", Kind: "lag", Injected: true, Hits: 1234},
			{Text: "reset client=c1 from=2s", Kind: "reset", Injected: true},
		},
		Sometimes: map[string]int{"a thing": 3},
	}
}

// files lists a directory tree.
func files(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			name += "/"
		}
		names = append(names, filepath.ToSlash(name))
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
