package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// threeLines is a plan with a short text.
const threeLines = `kvsim-plan 1
scenario small
seed 3
world clients=2 brokers=1 latency.min=1ms
workload ops=10 keys=2 timeout=1s put=1
phases before=1s faults=2s after=1s converge=1m0s
lag client=c2 from=1.2s for=800ms
reset client=c1 from=2s
`

func TestOneWorldIsShownInFull(t *testing.T) {
	t.Parallel()
	const did = `seed 3 of small: 2 clients, 1 broker
  did        1,000 operations (990 ok, 4 failed, 6 unknown), 500 acknowledged writes, 600 log records
  simulated  12.3s in 50ms, 246x
  faults     2 planned, 1 took effect
     1,234  lag client=c2 from=1.2s for=800ms
    no hit  reset client=c1 from=2s
`
	const all = "  verdict    what the judges say\n"
	lost := world.Reason{Name: "read-your-writes", Text: "client c2 did not see its own write"}
	leak := world.Reason{Name: "goroutine-leak", Text: "goroutines were left behind"}
	for _, tc := range []struct {
		name   string
		status world.Status
		reason []world.Reason
		args   string
		code   int
		stdout string
		stderr string
		files  string
	}{
		{name: "held", code: exitHeld, stdout: did + "  verdict    held\n"},
		{name: "held, all shown", args: " -v", code: exitHeld, stdout: did + all + "\n  verdict    held\n"},
		{
			name: "held and kept", args: " --keep", code: exitHeld,
			stdout: did + "  verdict    held\n  capsule    OUT/20260102T030406Z-3\n",
			files:  "20260102T030406Z-3/ 20260102T030406Z-3/capsule.json 20260102T030406Z-3/history.jsonl 20260102T030406Z-3/log.txt 20260102T030406Z-3/plan.txt 20260102T030406Z-3/verdict.json 20260102T030406Z-3/verdict.txt latest",
		},
		{
			name: "violated", status: world.Violated, reason: []world.Reason{lost, leak}, code: exitViolation,
			stdout: did + `  verdict    violation
    read-your-writes: client c2 did not see its own write
  capsule    OUT/20260102T030406Z-3
  replay     kvsim replay OUT/20260102T030406Z-3
`,
			stderr: "seed 3: violation: client c2 did not see its own write\n",
			files:  "20260102T030406Z-3/ 20260102T030406Z-3/capsule.json 20260102T030406Z-3/history.jsonl 20260102T030406Z-3/log.txt 20260102T030406Z-3/plan.txt 20260102T030406Z-3/verdict.json 20260102T030406Z-3/verdict.txt latest",
		},
		{
			name: "inconclusive", status: world.Inconclusive, reason: []world.Reason{lost}, code: exitInconclusive,
			stdout: did + `  verdict    inconclusive
    read-your-writes: client c2 did not see its own write
  capsule    OUT/20260102T030406Z-3
  replay     kvsim replay OUT/20260102T030406Z-3
`,
			stderr: "seed 3: inconclusive: client c2 did not see its own write\n",
			files:  "20260102T030406Z-3/ 20260102T030406Z-3/capsule.json 20260102T030406Z-3/history.jsonl 20260102T030406Z-3/log.txt 20260102T030406Z-3/plan.txt 20260102T030406Z-3/verdict.json 20260102T030406Z-3/verdict.txt latest",
		},
		{
			name: "harness failed", status: world.Broken, reason: []world.Reason{leak}, code: exitHarness,
			stdout: did + `  verdict    harness-failure
    goroutine-leak: goroutines were left behind
  capsule    OUT/20260102T030406Z-3
  replay     kvsim replay OUT/20260102T030406Z-3
`,
			stderr: "seed 3: harness-failure: goroutines were left behind\n",
			files:  "20260102T030406Z-3/ 20260102T030406Z-3/capsule.json 20260102T030406Z-3/history.jsonl 20260102T030406Z-3/log.txt 20260102T030406Z-3/plan.txt 20260102T030406Z-3/verdict.json 20260102T030406Z-3/verdict.txt latest",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			c, _ := fakeCLI(func(seed uint64) (*world.Result, error) { return fakeResult(seed, tc.status, tc.reason...), nil })
			args := strings.Fields("run --plan - --out " + out + tc.args)
			kvsim(t, c, threeLines, args...).want(t, said{tc.code, strings.ReplaceAll(tc.stdout, "OUT", out), tc.stderr})
			if got := files(t, out); got != tc.files {
				t.Errorf("files = %s\nwant    %s", got, tc.files)
			}
		})
	}
}

func TestCampaignGroupsFailuresByReason(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	c, e := fakeCLI(func(seed uint64) (*world.Result, error) {
		switch {
		case seed == 8:
			return fakeResult(seed, world.Broken, world.Reason{Name: "panic", Text: "panic: nil map"}), nil
		case seed%5 == 0:
			return fakeResult(seed, world.Violated, world.Reason{Name: "monotonic-reads", Text: fmt.Sprintf("client c%d went back", seed)}), nil
		case seed == 4:
			return fakeResult(seed, world.Inconclusive, world.Reason{Name: "floor: writes before", Text: "3 writes"}), nil
		}
		return fakeResult(seed, world.Held), nil
	})
	summary := filepath.Join(out, "summary.md")
	c.getenv = func(name string) string { return map[string]string{"GITHUB_STEP_SUMMARY": summary}[name] }
	got := kvsim(t, c, "", "run", "--seed", "1..40", "--scenario", "lag", "--clients", "3", "--out", out)
	capsule := out + "/20260102T030406Z-"
	got.want(t, said{code: exitViolation, stderr: `seed 4: inconclusive: 3 writes
seed 5: violation: client c5 went back
seed 8: harness-failure: panic: nil map
`, stdout: strings.ReplaceAll(`40 worlds of lag, seeds 1 to 40, virtual engine, 2 at a time
  outcome    30 held, 8 violated, 1 inconclusive, 1 failure of the harness
  did        40,000 operations (39,600 ok, 160 failed, 240 unknown), 20,000 acknowledged writes, 24,000 log records
  simulated  8m13.8s in 1s, 493x, 144,000 seeds an hour
  faults                                     planned effective      hits
    lag                                          40        40    49,360
    reset                                        40         0         0
  sometimes                                             worlds     times
    a thing                                                40       120
  failures
    violation: monotonic-reads: 8 worlds, smallest seed 5
      client c5 went back
      kvsim replay CAPSULE5
    harness-failure: panic: 1 world, smallest seed 8
      panic: nil map
      kvsim replay CAPSULE8
    inconclusive: floor: writes before: 1 world, smallest seed 4
      3 writes
      kvsim replay CAPSULE4
  verdict    violation
`, "CAPSULE", capsule)})
	if len(e.jobs) != 40 {
		t.Errorf("%d worlds ran, want 40", len(e.jobs))
	}
	// Three capsules of a reason are enough.
	if got, want := dirs(t, out), "20260102T030406Z-10 20260102T030406Z-15 20260102T030406Z-4 20260102T030406Z-5 20260102T030406Z-8"; got != want {
		t.Errorf("capsules = %s, want %s", got, want)
	}
	if history, err := os.ReadFile(capsule + "15/history.jsonl"); err != nil || string(history) != "history 15\n" {
		t.Errorf("history of seed 15 = %q, %v", history, err)
	}
	if latest, err := os.ReadFile(out + "/latest/history.jsonl"); err != nil || string(latest) != "history 15\n" {
		t.Errorf("latest history = %q, %v; want that of seed 15", latest, err)
	}
	page, err := os.ReadFile(summary)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### kvsim: violation\n\n40 worlds of `lag`, seeds 1 to 40, virtual engine: 30 held, 8 violated, 1 inconclusive, 1 failure of the harness.",
		"| violation | monotonic-reads: client c5 went back | 8 | 5 | `kvsim replay " + capsule + "5` |\n",
		"| lag | 40 | 40 | 49,360 |\n", "| a thing | 40 | 120 |\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("step summary has no %q:\n%s", want, page)
		}
	}
}

func dirs(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}

func TestLargeCampaignHasToSeeEverySometimes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args string
		code int
	}{
		{"--seed 1..200", exitInconclusive},
		{"--seed 1..199", exitHeld},
		{"--seed 1..200 --scenario lag", exitHeld},
	} {
		out := t.TempDir()
		c, _ := fakeCLI(func(seed uint64) (*world.Result, error) { return fakeResult(seed, world.Held), nil })
		got := kvsim(t, c, "", strings.Fields("run --out "+out+" "+tc.args)...)
		if got.code != tc.code {
			t.Errorf("%s: exit code = %d, want %d", tc.args, got.code, tc.code)
		}
		const never = "  never      another thing: a campaign of 200 seeds or more has to see each of them\n  verdict    inconclusive\n"
		if strings.Contains(got.stdout, never) != (tc.code == exitInconclusive) {
			t.Errorf("%s: stdout =\n%s", tc.args, got.stdout)
		}
	}
}

func TestFewInconclusiveWorldsOfManyAreAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args string
		code int
	}{
		{"--seed 1..99", exitInconclusive},
		{"--seed 1..100", exitHeld},
		{"--seed 1..99 --allow-inconclusive 2", exitHeld},
		{"--seed 1..100 --allow-inconclusive 0", exitInconclusive},
	} {
		c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
			if seed == 50 {
				return fakeResult(seed, world.Inconclusive, world.Reason{Name: "floor", Text: "too little"}), nil
			}
			return fakeResult(seed, world.Held), nil
		})
		if got := kvsim(t, c, "", strings.Fields("run --out "+t.TempDir()+" "+tc.args)...); got.code != tc.code {
			t.Errorf("%s: exit code = %d, want %d", tc.args, got.code, tc.code)
		}
	}
}

func TestRunForDrawsSeedsUntilTheTimeIsOver(t *testing.T) {
	t.Parallel()
	c, e := fakeCLI(func(seed uint64) (*world.Result, error) { return fakeResult(seed, world.Held), nil })
	// The clock advances by a second each time it is read.
	got := kvsim(t, c, "", "run", "--for", "10s", "--seed", "77", "--out", t.TempDir())
	if got.code != exitHeld || !strings.Contains(got.stdout, "10 worlds of everything, seeds 77 to 86, ") {
		t.Errorf("exit code = %d, stdout =\n%s", got.code, got.stdout)
	}
	if len(e.jobs) != 10 {
		t.Errorf("%d worlds ran, want 10", len(e.jobs))
	}
}

func TestJSONIsALineForEachWorldAndOneForAll(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		if seed == 2 {
			return fakeResult(seed, world.Violated, world.Reason{Name: "barrier", Text: "a barrier did not wait"}), nil
		}
		return fakeResult(seed, world.Held), nil
	})
	got := kvsim(t, c, "", "run", "--seed", "1..3", "--ops", "50", "--json", "--out", out)
	if got.code != exitViolation || got.stderr != "" {
		t.Errorf("exit code = %d, stderr = %q; want %d and nothing", got.code, got.stderr, exitViolation)
	}
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4:\n%s", len(lines), got.stdout)
	}
	for i, want := range []struct{ status, capsule, replay string }{
		{"held", "", "kvsim run --scenario everything --ops 50 --seed 1"},
		{"violation", out + "/20260102T030406Z-2", "kvsim replay " + out + "/20260102T030406Z-2"},
		{"held", "", "kvsim run --scenario everything --ops 50 --seed 3"},
	} {
		var line struct {
			Seed                    int
			Status, Capsule, Replay string
		}
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		if line.Seed != i+1 || line.Status != want.status || line.Capsule != want.capsule || line.Replay != want.replay {
			t.Errorf("line %d = %+v, want %+v", i, line, want)
		}
	}
	var last struct {
		Campaign struct {
			Status   string
			Worlds   int
			Failures []struct {
				Reason   string
				Smallest int `json:"smallest_seed"`
			}
		}
	}
	if err := json.Unmarshal([]byte(lines[3]), &last); err != nil {
		t.Fatal(err)
	}
	if got := last.Campaign; got.Status != "violation" || got.Worlds != 3 || len(got.Failures) != 1 ||
		got.Failures[0].Reason != "barrier" || got.Failures[0].Smallest != 2 {
		t.Errorf("last line = %+v", got)
	}
}

func TestResultsComeInTheOrderOfTheSeeds(t *testing.T) {
	t.Parallel()
	// Odd seeds wait for the even seed behind them.
	var passed [100]chan struct{}
	for i := range passed {
		passed[i] = make(chan struct{})
	}
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		if seed%2 == 1 {
			<-passed[seed+1]
		} else {
			close(passed[seed])
		}
		return fakeResult(seed, world.Held), nil
	})
	got := kvsim(t, c, "", "run", "--seed", "1..98", "--json", "--out", t.TempDir())
	var seeds []string
	for line := range strings.Lines(got.stdout) {
		if seed, _, ok := strings.Cut(strings.TrimPrefix(line, `{"seed":`), ","); ok && strings.HasPrefix(line, `{"seed":`) {
			seeds = append(seeds, seed)
		}
	}
	for i, seed := range seeds {
		if seed != fmt.Sprint(i+1) {
			t.Fatalf("seeds = %v", seeds)
		}
	}
	if len(seeds) != 98 {
		t.Errorf("%d lines, want 98", len(seeds))
	}
}

func TestInterruptedRunShowsWhatWasDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Add(2)
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		if seed == 3 {
			done.Wait()
			cancel()
			return nil, context.Canceled
		}
		if seed < 3 {
			done.Done()
		}
		return fakeResult(seed, world.Held), nil
	})
	var stdout, stderr strings.Builder
	code := c.main(ctx, []string{"run", "--seed", "1..1000", "--out", t.TempDir()}, nil, &stdout, &stderr)
	if code != exitInterrupted || stderr.String() != "kvsim: interrupted\n" {
		t.Errorf("exit code = %d, stderr = %q; want %d", code, &stderr, exitInterrupted)
	}
	if !strings.HasPrefix(stdout.String(), "2 worlds of everything, seeds 1 to 2") {
		t.Errorf("stdout =\n%s", &stdout)
	}
}

func TestEngineThatDoesNotStartIsAFailureOfTheHarness(t *testing.T) {
	t.Parallel()
	c, _ := fakeCLI(func(uint64) (*world.Result, error) {
		return nil, fmt.Errorf("%w: %w", engine.ErrEngine, errors.New("no worker"))
	})
	got := kvsim(t, c, "", "run", "--seed", "5", "--out", t.TempDir())
	got.want(t, said{code: exitHarness, stderr: "kvsim: seed 5: engine does not run: no worker\n"})
}

// Nobody can know how much real brokers do in a given time. So a run on them ends when enough
// worlds could be judged, and worlds that could not be judged do not make it fail.
func TestRunUntilEnoughWorldsWereConclusive(t *testing.T) {
	t.Parallel()
	const low = world.Inconclusive
	for _, tc := range []struct {
		name   string
		worlds []world.Status // by seed; the last one is for all further seeds
		code   int
		ran    string
	}{
		{"the first ones hold", []world.Status{world.Held}, exitHeld, "2 worlds"},
		{"some are inconclusive", []world.Status{low, world.Held, low, low, world.Held}, exitHeld, "5 worlds"},
		{"the time is over after one", []world.Status{low, low, world.Held, low}, exitHeld, "worlds"},
		{"none could be judged", []world.Status{low}, exitInconclusive, "worlds"},
		{"a violation counts as judged", []world.Status{world.Violated}, exitViolation, "2 worlds"},
		{"a violation among others", []world.Status{low, world.Violated, world.Held}, exitViolation, "3 worlds"},
		{"the harness fails", []world.Status{low, world.Broken, world.Held}, exitHarness, "3 worlds"},
	} {
		c, e := fakeCLI(func(seed uint64) (*world.Result, error) {
			status := tc.worlds[min(int(seed), len(tc.worlds)-1)]
			var reasons []world.Reason
			if status != world.Held {
				reasons = []world.Reason{{Name: "floor: hits of slow-hooks", Text: "it bit nothing"}}
			}
			return fakeResult(seed, status, reasons...), nil
		})
		c.sometimes = nil
		e.jobs1 = true
		got := kvsim(t, c, "", "run", "--for", "1m", "--conclusive", "2", "--seed", "0", "--out", t.TempDir())
		if got.code != tc.code || !strings.Contains(got.stdout, tc.ran) {
			t.Errorf("%s: exit code = %d, want %d and %q\n%s%s", tc.name, got.code, tc.code, tc.ran, got.stdout, got.stderr)
		}
	}
}
