package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/linearizability"
)

// The tests of this file run the simulator itself, in worker processes of the
// test binary.

func TestHealthyStoreHolds(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	got := kvsim(t, testCLI(""), "", "run", "--seed", "1..3", "--scenario", "steady", "--ops", "60", "--out", out)
	if got.code != exitHeld || !strings.Contains(got.stdout, "3 held, 0 violated") {
		t.Errorf("exit code = %d, stdout =\n%s\nstderr =\n%s", got.code, got.stdout, got.stderr)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a run that held left %s behind: %v", files(t, out), err)
	}
}

func TestPlantedBugLeavesACapsuleThatRepeatsIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		bug, scenario string
		check         linearizability.CheckID
	}{
		{"records-reordered", "lag", linearizability.CheckReadYourWrites},
		{"tombstones-lost", "crash", linearizability.CheckConvergence},
	} {
		t.Run(tc.bug, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			got := kvsim(t, testCLI(tc.bug), "", "run", "--seed", "1..5", "--scenario", tc.scenario, "--out", out)
			if got.code != exitViolation {
				t.Fatalf("exit code = %d, want %d; stdout =\n%s", got.code, exitViolation, got.stdout)
			}
			latest := filepath.Join(out, "latest")
			verdict, err := os.ReadFile(filepath.Join(latest, "verdict.txt"))
			if err != nil || !strings.Contains(string(verdict), string(tc.check)+": violated") {
				t.Errorf("verdict.txt does not say that %s is violated: %v\n%s", tc.check, err, verdict)
			}
			again := kvsim(t, testCLI(tc.bug), "", "replay", latest, "--out", out)
			if again.code != exitViolation || !strings.Contains(again.stdout, "  again      the same history, to the byte\n") {
				t.Errorf("replay: exit code = %d, stdout =\n%s\n%s", again.code, again.stdout, again.stderr)
			}
			mended := kvsim(t, testCLI(""), "", "replay", latest, "--out", out)
			if !strings.Contains(mended.stdout, "  again      another outcome: the capsule says violation\n") || mended.code == exitViolation {
				t.Errorf("replay without the bug: exit code = %d, stdout =\n%s\n%s", mended.code, mended.stdout, mended.stderr)
			}
			for _, file := range []string{latest, filepath.Join(latest, "history.jsonl")} {
				if judged := kvsim(t, testCLI(""), "", "check", file); judged.code != exitViolation || !strings.HasPrefix(judged.stdout, "violated: ") {
					t.Errorf("check %s: exit code = %d, stdout = %.200s", file, judged.code, judged.stdout)
				}
			}
		})
	}
}

func TestWorldThatBreaksItsWorkerIsAFailureOfTheHarness(t *testing.T) {
	t.Parallel()
	for bug, want := range map[string]string{
		"panic": "panic: panic: a planted panic",
		"leak":  "goroutine-leak: goroutines were left behind when the world returned",
		"stuck": "simulated-limit: it did not return within 2h0m0s of simulated time, nor within 10m0s of being told to",
	} {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			got := kvsim(t, testCLI(bug), "", "run", "--seed", "4", "--scenario", "steady", "--ops", "20", "--out", out)
			if got.code != exitHarness || !strings.Contains(got.stdout, "  verdict    harness-failure\n    "+want+"\n") {
				t.Errorf("exit code = %d, stdout =\n%s\nwant %s", got.code, got.stdout, want)
			}
			output, err := os.ReadFile(filepath.Join(out, "latest", "output.txt"))
			if err != nil || !strings.Contains(string(output), "goroutine") {
				t.Errorf("output.txt has no goroutines: %v\n%.300s", err, output)
			}
		})
	}
}

var shrunk = regexp.MustCompile(`after      (\d+) clients? with (\d+) operations? each, (\d+) brokers?, (\d+) faults?, `)

func TestOrderingBugShrinksToASmallPlanAndATest(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs thousands of worlds; not with -short")
	}
	out := t.TempDir()
	found := kvsim(t, testCLI("records-reordered"), "", "run", "--seed", "1..10", "--scenario", "lag", "--clients", "3", "--ops", "60", "--out", out)
	if found.code != exitViolation {
		t.Fatalf("exit code = %d, want %d; stdout =\n%s", found.code, exitViolation, found.stdout)
	}
	small := filepath.Join(out, "small")
	got := kvsim(t, testCLI("records-reordered"), "", "shrink", filepath.Join(out, "latest"), "--out", small)
	m := shrunk.FindStringSubmatch(got.stdout)
	if got.code != exitHeld || m == nil {
		t.Fatalf("shrink: exit code = %d, stdout =\n%s\nstderr =\n%s", got.code, got.stdout, got.stderr)
	}
	t.Logf("%s", got.stdout)
	number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
	if clients, ops, faults := number(1), number(2), number(4); clients > 3 || clients*ops > 5 && ops > 5 || faults > 1 {
		t.Errorf("shrunk to %d clients, %d operations each, %d faults; want at most 3, 5, 1", clients, ops, faults)
	}
	plans, _ := filepath.Glob(filepath.Join(small, "*.plan"))
	tests, _ := filepath.Glob(filepath.Join(small, "*_test.go"))
	if len(plans) != 1 || len(tests) != 1 {
		t.Fatalf("files = %s, want a plan and a test", files(t, small))
	}
	if again := kvsim(t, testCLI("records-reordered"), "", "run", "--plan", plans[0], "--out", out); again.code != exitViolation {
		t.Errorf("the small plan: exit code = %d, want %d\n%s", again.code, exitViolation, again.stdout)
	}
	if mended := kvsim(t, testCLI(""), "", "run", "--plan", plans[0], "--out", out); mended.code != exitHeld {
		t.Errorf("the small plan without the bug: exit code = %d, want %d\n%s", mended.code, exitHeld, mended.stdout)
	}
}
