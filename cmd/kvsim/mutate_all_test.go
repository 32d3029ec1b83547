package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMutateAllRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"--all tombstone-lost", "unexpected argument"},
		{"--all --tiers worlds", "use tests, seeds or tests,seeds"},
		{"--all --tiers tests,tests", "use tests, seeds or tests,seeds"},
		{"--all --shard 3/2", "write 2/8"},
		{"--all --only (", "--only"},
		{"--all --sample -1", "can't be negative"},
		{"--sample 5", "only --all has"},
		{"--package ./x", "only --all has"},
	} {
		got := kvsim(t, testCLI(""), "", append([]string{"mutate", "--list"}, strings.Fields(c.args)...)...)
		if got.code != exitUsage || !strings.Contains(got.stderr, c.want) {
			t.Errorf("mutate %s = exit code %d, %q; want %q", c.args, got.code, got.stderr, c.want)
		}
	}
}

func TestMutateAllListsASampleOfTheStore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it compiles what the store imports; left out with -short")
	}
	got := kvsim(t, testCLI(""), "", "mutate", "--all", "--list", "--sample", "20", "--seed", "3")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != exitHeld || len(lines) != 20 {
		t.Fatalf("exit code %d, %d lines: %s%s", got.code, len(lines), got.stdout, got.stderr)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "kvstore/") || strings.Contains(line, "internal/invariant/") || !strings.Contains(line, " => ") {
			t.Errorf("the line %q is no mutant of the store", line)
		}
	}
}

// The woven source goes into a temporary directory, and results into a file that the user names:
// a package of another module has neither worlds nor a file of explained survivors.
func TestMutateAllOfAPackageRunsItsTestsAlone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds tests; left out with -short")
	}
	results := filepath.Join(t.TempDir(), "results.jsonl")
	got := kvsim(t, testCLI(""), "", "mutate", "--all", "--package", "../../kvstore/internal/brief", "--only", "condition", "--results", results)
	if got.code != exitHeld || !strings.Contains(got.stdout, "seeds alone    0 ") || !strings.Contains(got.stdout, "kvstore/internal/brief") {
		t.Errorf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = kvsim(t, testCLI(""), "", "mutate", "--all", "--package", "../../kvstore/internal/brief", "--only", "condition", "--results", results, "--markdown", "--at-least", "101")
	if got.code != exitViolation || !strings.Contains(got.stdout, "| tests alone |") || !strings.Contains(got.stderr, "less than 101 %") {
		t.Errorf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}
