package exact

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
)

// The tests share one guest for each program and scheduler, and use the cache of the user. So
// the first run of the tests takes longer, as it does for any user.

type buildKey struct {
	pkg       string
	test      bool
	scheduler Scheduler
}

var builds struct {
	sync.Mutex
	guests map[buildKey]func() (*Guest, error)
}

func TestMain(m *testing.M) {
	if answerAsWorker() {
		return
	}
	code := m.Run()
	for _, guest := range builds.guests {
		if g, err := guest(); err == nil {
			g.Close()
		}
	}
	os.Exit(code)
}

// guestFor builds a guest in testdata once for all tests.
func guestFor(tb testing.TB, name string, scheduler Scheduler) *Guest {
	tb.Helper()
	if testing.Short() {
		tb.Skip("builds a guest; not with -short")
	}
	key := buildKey{pkg: "./testdata/" + name, test: name == "execworld", scheduler: scheduler}
	builds.Lock()
	guest := builds.guests[key]
	if guest == nil {
		guest = sync.OnceValues(func() (*Guest, error) {
			return Build(context.Background(), BuildOptions{
				Package: key.pkg, Test: key.test, Scheduler: key.scheduler, Progress: os.Stderr,
			})
		})
		if builds.guests == nil {
			builds.guests = make(map[buildKey]func() (*Guest, error))
		}
		builds.guests[key] = guest
	}
	builds.Unlock()
	g, err := guest()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// ran is the result and the output of one run.
type ran struct {
	Result
	stdout, stderr string
}

// run runs a guest that must end by itself.
func run(tb testing.TB, g *Guest, opts RunOptions) ran {
	tb.Helper()
	var stdout, stderr bytes.Buffer
	opts.Stdout, opts.Stderr = &stdout, &stderr
	result, err := g.Run(context.Background(), opts)
	if err != nil {
		tb.Fatalf("Run(%q, seed %d) = %v\n%s", opts.Args, opts.Seed, err, stderr.String())
	}
	return ran{Result: result, stdout: stdout.String(), stderr: stderr.String()}
}

// wantLines fails unless out has all the lines.
func wantLines(tb testing.TB, out string, lines ...string) {
	tb.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+out, "\n"+line+"\n") {
			tb.Errorf("output has no line %q:\n%s", line, out)
		}
	}
}

func TestGuestSeesNothingOfTheHost(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	t.Setenv("SECRET_OF_THE_HOST", "1")
	got := run(t, g, RunOptions{
		Args:  []string{"host", "a b", ""},
		Env:   []string{"Z=1", "A=2", "Z=3", "GOMEMLIMIT=500000000"},
		Stdin: strings.NewReader("input"),
	})
	wantLines(t, got.stdout,
		`args ["guest" "host" "a b" ""]`,
		`env ["A=2" "GOGC=off" "GOMEMLIMIT=500000000" "TMPDIR=/tmp" "Z=3"]`,
		`stdin "input" <nil>`,
		`wd / cpus 1 wasip1/wasm`)
}

func TestExitCodeAndPanicAreReported(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	for _, test := range []struct {
		args  []string
		code  int
		panic string
	}{
		{args: []string{"exit", "0"}},
		{args: []string{"exit", "7"}, code: 7},
		{args: []string{"panic"}, code: 2, panic: "panic: assignment to entry in nil map"},
		{args: []string{"deadlock"}, code: 2, panic: "fatal error: all goroutines are asleep - deadlock!"},
	} {
		got := run(t, g, RunOptions{Args: test.args})
		if got.ExitCode != test.code || got.Panic != test.panic {
			t.Errorf("%q: exit code %d and panic %q, want %d and %q", test.args, got.ExitCode, got.Panic, test.code, test.panic)
		}
	}
}

func TestCollectorStartsAtTheMemoryLimitOnly(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	opts := RunOptions{Args: []string{"garbage"}}
	wantLines(t, run(t, g, opts).stdout, "collections false")
	opts.MemoryLimit = 100 << 20
	first := run(t, g, opts)
	wantLines(t, first.stdout, "collections true")
	if first.Memory > 200<<20 {
		t.Errorf("memory = %d MB, want about the limit of 100", first.Memory>>20)
	}
	if again := run(t, g, opts); again != first {
		t.Errorf("with collections the second run was %+v, the first %+v", again.Result, first.Result)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := Build(t.Context(), BuildOptions{}); err == nil || !strings.Contains(err.Error(), "Package is empty") {
		t.Errorf("Build without a package = %v", err)
	}
	if _, err := Build(t.Context(), BuildOptions{Package: ".", Scheduler: "lifo"}); err == nil || !strings.Contains(err.Error(), `"lifo"`) {
		t.Errorf("Build with an unknown scheduler = %v", err)
	}
	for want, opts := range map[string]RunOptions{
		"MaxElapsed":      {MaxElapsed: -1},
		"MemoryLimit":     {MemoryLimit: -1},
		"before 1970":     {Start: DefaultStart.AddDate(-50, 0, 0)},
		`Env: "nonsense"`: {Env: []string{"nonsense"}},
		"Files is nil":    {Mounts: []Mount{{Path: "/x"}}},
		"must be absolut": {Mounts: []Mount{{Path: "x", Files: os.DirFS(".")}}},
	} {
		if _, err := new(Guest).Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run(%+v) = %v, want an error with %q", opts, err, want)
		}
	}
}

func TestBuildErrorSaysWhatTheGoCommandSaid(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command; not with -short")
	}
	_, err := Build(t.Context(), BuildOptions{Package: "./testdata/nosuch", CacheDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("Build = %v, want the go command's message", err)
	}
	_, err = Build(t.Context(), BuildOptions{Package: ".", Go: "/no/such/go", CacheDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "/no/such/go") {
		t.Errorf("Build = %v, want the command that is missing", err)
	}
}
