package mutants_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutants"
	"github.com/kvsim/kvsim/sim"
)

const root = "../../../.."

func TestEveryMutantFitsTheSource(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants.All() {
		if names[m.Name] {
			t.Errorf("two mutants are called %s", m.Name)
		}
		names[m.Name] = true
		if m.Bug == "" || m.Scenario == "" || len(m.Checks) == 0 || len(m.Edits) == 0 {
			t.Errorf("mutant %s is incomplete: %+v", m.Name, m)
		}
		for _, id := range m.Checks {
			judgement := func(j sim.Judgement) bool { return j.Name == string(id) }
			if id != engine.ReasonInvariant && id.Guarantee() == "" && !slices.ContainsFunc(sim.Judgements(), judgement) {
				t.Errorf("mutant %s: there is no check %q", m.Name, id)
			}
		}
		path, err := m.Overlay(root, t.TempDir())
		if err != nil {
			t.Error(err)
			continue
		}
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "Replace") {
			t.Errorf("overlay of %s = %q, %v", m.Name, b, err)
		}
	}
	if len(names) < 20 {
		t.Errorf("there are %d mutants, want 20 at least", len(names))
	}
}

func TestMutantThatDoesNotFitFailsLoudly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, fits := range map[string]bool{"one": true, "two": false, "three": false} {
		m := mutants.Mutant{Name: "m", Edits: []mutants.Edit{{File: "a.go", Old: old, New: "x"}}}
		_, err := m.Overlay(dir, t.TempDir())
		if fits && err != nil || !fits && !errors.Is(err, mutants.ErrNoFit) {
			t.Errorf("Overlay with Old %q = %v, fits: %v", old, err, fits)
		}
	}
}

func TestFindNamesWhatThereIs(t *testing.T) {
	if m, err := mutants.Find("tombstone-lost"); err != nil || m.Name != "tombstone-lost" {
		t.Errorf("Find = %+v, %v", m, err)
	}
	if _, err := mutants.Find("nope"); err == nil || !strings.Contains(err.Error(), "tombstone-lost") {
		t.Errorf("Find of an unknown name = %v, want the names that there are", err)
	}
}

// The kinds of bugs that stores of this kind have had, and that the judges must find, each with the
// mutants of that kind.
func TestEveryKindOfBugHasItsMutants(t *testing.T) {
	kinds := map[string][]string{
		"put answers before visible":           {"put-answers-before-visible"},
		"put answers before acknowledged":      {"put-answers-before-acknowledged"},
		"stale read after rebuild":             {"stale-read-while-rebuilding", "stale-cache"},
		"tombstone lost":                       {"tombstone-lost", "no-tombstone-guard", "one-log-from-two-copies"},
		"delete takes a prefix":                {"delete-takes-prefix"},
		"batch torn":                           {"batch-torn-in-log", "batch-torn-visible", "batch-loses-last-change"},
		"hooks skipped, reordered, told again": {"hooks-skipped", "hooks-reordered", "hooks-after-return", "tells-again-what-came-back", "takes-a-second-try-for-a-loss"},
		"uncommitted data visible":             {"uncommitted-visible"},
		"duplicate on retry":                   {"duplicate-on-retry", "written-twice", "resend-under-a-new-id", "lost-answer-is-no-doubt"},
		"one broker is believed":               {"one-stale-answer-is-believed", "silence-believed-at-once", "hole-believed-for-good", "hole-forgotten-with-its-fetch"},
		"context ignored":                      {"context-ignored-by-sync"},
		"setting read once":                    {"limit-read-once"},
		"write that never ends":                {"write-lives-for-ever"},
		"cause not told":                       {"cause-is-hidden", "status-hides-trouble-with-writes"},
		"position from records":                {"position-from-records", "epoch-from-records"},
		"rebuild without a cause":              {"rebuilds-though-fresh", "passes-a-gap-before-a-damaged-batch"},
		"bootstrap returns early":              {"bootstrap-returns-early"},
		"reset replays over live state":        {"replays-over-live-state"},
		"wrong partition after growth":         {"wrong-partition-after-growth"},
		"buffer reused":                        {"buffer-reused"},
		"revision off by one":                  {"revision-off-by-one", "entry-revision-off-by-one", "wait-revision-off-by-one"},
		"peer's claims believed":               {"decompresses-without-a-limit", "decompresses-at-each-try", "believes-what-a-batch-claims", "hides-what-it-can-not-take"},
		"loop without a brake":                 {"no-brake", "no-pause-after-errors", "quota-taken-for-silence"},
		"sync that only looks at own writes":   {"sync-sees-own-writes-only", "sync-trusts-any-log"},
		"records lost or deleted not noticed": {
			"lost-tail-not-noticed", "another-log-not-noticed", "another-record-taken-for-own", "goes-on-behind-a-gap",
			"shows-less-than-a-loss-left", "forgets-what-a-loss-left",
		},
	}
	for kind, names := range kinds {
		for _, name := range names {
			if _, err := mutants.Find(name); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}
