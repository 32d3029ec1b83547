package score_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation/score"
)

const source = `package counter

func Sum(a []int) int {
	n := 0
	n = 0
	for _, v := range a {
		n += v
	}
	return n
}

func Most(n int) int {
	if n > 10 {
		n = 10
	}
	return n
}

func Unused(n int) bool { return n == 3 }
`

const tests = `package counter

import "testing"

func TestSum(t *testing.T) {
	if got := Sum([]int{1, 2}); got != 3 {
		t.Error(got)
	}
}

func TestMost(t *testing.T) { Most(4) }

func TestBroken(t *testing.T) { t.Error("it fails without a mutant") }
`

// A module is one with a package that has mutants.
type module struct {
	root, results string
	progress      bytes.Buffer
}

func newModule(t *testing.T) *module {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds tests; left out with -short")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &module{root: root, results: filepath.Join(t.TempDir(), "out", "results.jsonl")}
	m.write(t, "go.mod", "module counter\n\ngo 1.26\n")
	m.write(t, "counter.go", source)
	m.write(t, "counter_test.go", tests)
	return m
}

func (m *module) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.root, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the mutants that choice takes. It returns the results by key.
func (m *module) run(t *testing.T, choice mutation.Choice) map[string]*score.Result {
	t.Helper()
	s, err := mutation.Load(t.Context(), m.root, "", ".")
	if err != nil {
		t.Fatal(err)
	}
	m.progress.Reset()
	run := &score.Run{
		Source: s, Mutants: choice.Of(s.Find()), Tiers: []score.Tier{score.Tests}, Results: m.results,
		Dir: t.TempDir(), Jobs: 2, Progress: &m.progress, Every: time.Hour,
	}
	results, err := run.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string]*score.Result{}
	for _, r := range results {
		byKey[r.Key] = r
	}
	return byKey
}

func TestRun_tells_killed_from_survived_and_does_not_count_the_same_code(t *testing.T) {
	m := newModule(t)
	results := m.run(t, mutation.Choice{})
	for key, want := range map[string]struct {
		state   score.State
		by      string
		reached int
	}{
		"counter.go Sum assign: n += v => (left out)":   {score.Made, "TestSum", 1},
		"counter.go Sum assign: n = 0 => (left out)":    {score.SameCode, "", 1},
		"counter.go Most condition: n > 10 => n <= 10":  {score.Made, "", 1},
		"counter.go Most assign: n = 10 => (left out)":  {score.Made, "", 0},
		"counter.go Unused condition: n == 3 => n != 3": {score.Made, "", 0},
		"counter.go Sum constant: n := 0 => n := 1":     {score.SameCode, "", 1},
		"counter.go Sum constant: n = 0 => n = 1":       {score.Made, "TestSum", 1},
	} {
		r := results[key]
		if r == nil {
			t.Errorf("there is no mutant %s", key)
			continue
		}
		if r.State != want.state || r.Tests.By != want.by || r.Killed() != (want.by != "") || r.Tests.Reached != want.reached {
			t.Errorf("%s: %s, killed by %q, reached by %d; want %+v", key, r.State, r.Tests.By, r.Tests.Reached, want)
		}
	}
	if !strings.Contains(m.progress.String(), "fail without a mutant: ") || !strings.Contains(m.progress.String(), "TestBroken") {
		t.Errorf("the test that always fails is not named:\n%s", m.progress.String())
	}
}

func TestRun_goes_on_where_it_stopped(t *testing.T) {
	m := newModule(t)
	first := m.run(t, mutation.Choice{Sample: 3})
	if len(first) != 3 {
		t.Fatalf("there are %d results of a sample of 3", len(first))
	}
	// It was killed while it wrote a line.
	f, err := os.OpenFile(m.results, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"key":"half`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	all := m.run(t, mutation.Choice{})
	if said := m.progress.String(); !strings.Contains(said, "3 of ") || len(all) <= 3 {
		t.Errorf("%d results; it said\n%s", len(all), said)
	}
	for key, r := range first {
		if got := all[key]; got == nil || got.Tests.CPU != r.Tests.CPU {
			t.Errorf("%s was run again", key)
		}
	}
	m.run(t, mutation.Choice{})
	if said := m.progress.String(); strings.Contains(said, "building") {
		t.Errorf("it builds though each mutant has a result:\n%s", said)
	}
}

func TestRun_sets_results_of_another_source_aside(t *testing.T) {
	m := newModule(t)
	m.run(t, mutation.Choice{Sample: 2})
	m.write(t, "counter.go", source+"\n// More.\n")
	m.run(t, mutation.Choice{Sample: 2})
	said := m.progress.String()
	if !strings.Contains(said, "have changed since") || !strings.Contains(said, "building") {
		t.Errorf("it said\n%s", said)
	}
	if _, err := os.Stat(m.results + ".old"); err != nil {
		t.Error(err)
	}
}

func TestTable_counts_each_way_to_kill_a_mutant(t *testing.T) {
	t.Parallel()
	made := func(key, rule string, tests, seeds bool, worlds int) *score.Result {
		return &score.Result{
			Key: key, Package: "m/a", Rule: rule, State: score.Made,
			Tests: &score.Verdict{Killed: tests, Reached: 1, CPU: 1},
			Seeds: &score.Verdict{Killed: seeds, Reached: 1, Worlds: worlds, CPU: 3},
		}
	}
	results := []*score.Result{
		made("k1", "call", true, true, 5), made("k2", "call", true, false, 0), made("k3", "bound", false, true, 7),
		made("k4", "bound", false, false, 0), made("k5", "bound", false, false, 0),
		{Key: "k6", Package: "m/a", Rule: "call", State: score.Refused},
		{Key: "k7", Package: "m/a", Rule: "call", State: score.SameCode, Tests: &score.Verdict{}},
	}
	table := score.NewTable(results, mutation.Explained{"k5": "nobody can tell"}, "m")
	want := [][]string{
		{"tests alone", "5", "2", "3", "1", "0", "50.0 %", "-", "1.00"},
		{"seeds alone", "5", "2", "3", "1", "0", "50.0 %", "7", "3.00"},
		{"both", "5", "3", "2", "1", "0", "75.0 %", "7", "1.00"},
	}
	if got := table.Whole()[1:]; !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the table is %q, want %q", got, want)
	}
	if got, want := table.Rules()[2], []string{"call", "4", "2", "100.0 %", "50.0 %", "100.0 %", "0", "0"}; !slices.Equal(got, want) {
		t.Errorf("the row is %q, want %q", got, want)
	}
	if got := table.Score(); got != 75 {
		t.Errorf("Score = %v, want 75", got)
	}
	if left := table.Survivors(); len(left) != 1 || left[0].Key != "k4" {
		t.Errorf("the survivors are %d", len(left))
	}
	var text, markdown strings.Builder
	table.Print(&text, false)
	table.Print(&markdown, true)
	if got := text.String(); !strings.Contains(got, "7 mutants made; not counted: 1 that do not build, 1 that are the same code") || !strings.Contains(got, "k4") {
		t.Errorf("the text is\n%s", got)
	}
	if got := markdown.String(); !strings.Contains(got, "| tests alone | 5 | 2 |") || strings.Contains(got, "k4") {
		t.Errorf("the Markdown is\n%s", got)
	}
}
