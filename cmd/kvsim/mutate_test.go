package main

import (
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutants"
)

// The descriptions of the mutants must be in one column, however long their names are.
func TestListOfMutantsHasColumns(t *testing.T) {
	t.Parallel()
	out := kvsim(t, testCLI(""), "", "mutate", "--list").stdout
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(mutants.All()) {
		t.Fatalf("%d lines for %d mutants", len(lines), len(mutants.All()))
	}
	column := strings.Index(lines[0], mutants.All()[0].Bug)
	for i, mu := range mutants.All() {
		if want := mu.Name + strings.Repeat(" ", max(0, column-len(mu.Name))) + mu.Bug; lines[i] != want || column <= len(mu.Name) {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
}

func TestMutateRefusesMoreCleanSeedsThanThereAre(t *testing.T) {
	t.Parallel()
	for _, clean := range []string{"-1", "6"} {
		got := kvsim(t, testCLI(""), "", "mutate", "--seeds", "5", "--clean", clean, "--list")
		if got.code != exitUsage || !strings.Contains(got.stderr, "between 0 and --seeds, which is 5") {
			t.Errorf("mutate --seeds 5 --clean %s = exit code %d, %q", clean, got.code, got.stderr)
		}
	}
}
