package exact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// workerEnv is the environment variable that makes the test binary run a guest and print a
// digest of the run, instead of running tests. The tests of replay need other processes.
const workerEnv = "EXACT_TEST_WORKER"

// answerAsWorker does that if the variable is set.
func answerAsWorker() bool {
	job := strings.Fields(os.Getenv(workerEnv)) // guest, seed, arguments
	if len(job) == 0 {
		return false
	}
	seed, err := strconv.ParseUint(job[1], 10, 64)
	if err != nil {
		panic(err)
	}
	if job[0] == "exec" {
		os.Exit(execAsWorker(seed))
	}
	g, err := Build(context.Background(), BuildOptions{Package: "./testdata/" + job[0]})
	if err != nil {
		panic(err)
	}
	defer g.Close()
	var stdout, stderr bytes.Buffer
	result, err := g.Run(context.Background(), RunOptions{Seed: seed, Args: job[2:], Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, ran{Result: result, stdout: stdout.String(), stderr: stderr.String()}.digest())
	return true
}

// digest returns a hash of everything that a run left.
func (r ran) digest() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%+v\n%s\n%s", r.Result, r.stdout, r.stderr)))
}

// inAnotherProcess runs the guest in a new process, with another environment and on one
// processor, and returns the digest of the run.
func inAnotherProcess(t *testing.T, job ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+strings.Join(job, " "), "GOMAXPROCS=1", "GOGC=20", "LANG=C", "TZ=Asia/Tokyo")
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("worker: %v\n%s", err, output)
	}
	return strings.TrimSpace(string(output))
}

func TestSameSeedSameBytes(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	for seed := range uint64(3) {
		opts := RunOptions{Seed: seed, Args: []string{"trace"}}
		first := run(t, g, opts)
		for range 3 {
			if again := run(t, g, opts); again != first {
				t.Fatalf("seed %d, first run:\n%+v\n%s\nlater run:\n%+v\n%s", seed, first.Result, first.stdout, again.Result, again.stdout)
			}
		}
		if there := inAnotherProcess(t, "guest", strconv.FormatUint(seed, 10), "trace"); there != first.digest() {
			t.Errorf("seed %d: another process made another run", seed)
		}
	}
}

// The guest must not notice what the host does with its output.
func TestOutputThatNobodyReadsChangesNothing(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	loud := run(t, g, RunOptions{Seed: 4, Args: []string{"trace"}})
	quiet, err := g.Run(t.Context(), RunOptions{Seed: 4, Args: []string{"trace"}})
	if err != nil || quiet != loud.Result {
		t.Errorf("without writers: %+v, %v, with them %+v", quiet, err, loud.Result)
	}
	broken, err := g.Run(t.Context(), RunOptions{Seed: 4, Args: []string{"trace"}, Stdout: brokenWriter{}})
	if err == nil || !errors.Is(err, errBroken) {
		t.Errorf("with a writer that fails: %+v, %v, want its error", broken, err)
	}
}

var errBroken = errors.New("disk full")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// Several instances that run at the same time must not influence each other.
func TestSameSeedSameBytesSideBySide(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	want := run(t, g, RunOptions{Seed: 1, Args: []string{"trace"}})
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			if got := run(t, g, RunOptions{Seed: 1, Args: []string{"trace"}}); got != want {
				return fmt.Errorf("got %+v\n%s\nwant %+v\n%s", got.Result, got.stdout, want.Result, want.stdout)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestFiftySeedsGiveFiftySchedules(t *testing.T) {
	const seeds = 50
	sections := []string{"goroutines", "map", "select", "timers", "pipeline", "random"}
	distinct := func(scheduler Scheduler) (schedules int, outputs map[string]int) {
		g := guestFor(t, "guest", scheduler)
		hashes := make(map[uint64]bool)
		seen := make(map[string]bool)
		outputs = make(map[string]int)
		for seed := range uint64(seeds) {
			got := run(t, g, RunOptions{Seed: seed, Args: []string{"trace"}})
			hashes[got.Schedule] = true
			for line := range strings.Lines(got.stdout) {
				if section, _, _ := strings.Cut(line, " "); !seen[line] {
					seen[line] = true
					outputs[section]++
				}
			}
		}
		return len(hashes), outputs
	}
	schedules, outputs := distinct(SchedulerRandom)
	t.Log("random:", schedules, "schedules,", outputs)
	if schedules != seeds {
		t.Errorf("%d seeds gave %d schedules", seeds, schedules)
	}
	for _, section := range sections {
		if outputs[section] < seeds*8/10 {
			t.Errorf("%d seeds gave %d different lines of %s", seeds, outputs[section], section)
		}
	}
	_, outputs = distinct(SchedulerStock)
	t.Log("stock:", outputs)
	if n := outputs["goroutines"]; n != 1 {
		t.Errorf("with the stock scheduler %d seeds gave %d orders of goroutines; is the overlay still needed?", seeds, n)
	}
}

func TestPlantedOrderingBugIsFoundWithTheRandomSchedulerOnly(t *testing.T) {
	const seeds = 200
	found := func(scheduler Scheduler) (n int) {
		g := guestFor(t, "guest", scheduler)
		for seed := range uint64(seeds) {
			if got := run(t, g, RunOptions{Seed: seed, Args: []string{"bug"}}); got.ExitCode != 0 {
				n++
			}
		}
		return n
	}
	random, stock := found(SchedulerRandom), found(SchedulerStock)
	t.Logf("found by %d of %d seeds with the random scheduler, by %d with stock", random, seeds, stock)
	if random < seeds/20 || random > seeds*19/20 {
		t.Errorf("the random scheduler found the bug with %d of %d seeds, want some", random, seeds)
	}
	if stock != 0 {
		t.Errorf("the stock scheduler found the bug with %d of %d seeds, want none", stock, seeds)
	}
}
