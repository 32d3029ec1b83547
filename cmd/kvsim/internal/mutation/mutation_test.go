package mutation

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// load writes a module with one file and loads it.
func load(t *testing.T, source string) *Source {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "sample.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(t.Context(), dir, "", ".")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rules loads the source on which the rules are tried.
func rules(t *testing.T) *Source {
	t.Helper()
	source, err := os.ReadFile("testdata/rules.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	return load(t, string(source))
}

// The golden file has each mutant, and what the program prints that is woven with all of them
// when it is this one.
func TestRules_make_the_mutants_of_the_golden_file_and_each_does_what_it_says(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program; left out with -short")
	}
	s := rules(t)
	found := s.Find()
	dir := t.TempDir()
	w, err := s.Weave(found, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Refused) > 0 {
		t.Errorf("%s does not compile", w.Refused[0].Key())
	}
	program := filepath.Join(dir, "sample")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", w.Overlay, "-o", program, ".")
	build.Dir = s.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the woven program does not build: %v\n%s", err, out)
	}
	original := printed(t, program, 0)
	var golden strings.Builder
	fmt.Fprintf(&golden, "original\n%s", differences(original, ""))
	for _, m := range w.Mutants {
		if m.Func != "main" { // which only shows what the others do
			fmt.Fprintf(&golden, "%s\n%s", m.Key(), differences(printed(t, program, m.ID()), original))
		}
	}
	const name = "testdata/rules.golden"
	if *update {
		if err := os.WriteFile(name, []byte(golden.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := golden.String(); got != string(want) {
		t.Errorf("the mutants are\n%s\nwant\n%s", got, want)
	}
	for _, r := range Rules() {
		if !slices.ContainsFunc(found, func(m *Mutant) bool { return m.Rule == r }) {
			t.Errorf("there is no mutant by the rule %s", r)
		}
	}
}

// differences returns the lines of what a program printed that are not those of another one.
func differences(got, original string) string {
	if got == original {
		return "\tthe same\n"
	}
	var out strings.Builder
	before := strings.Split(original, "\n")
	for i, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		if i >= len(before) || line != before[i] {
			fmt.Fprintf(&out, "\t%s\n", line)
		}
	}
	return out.String()
}

// printed runs the woven program as a mutant.
func printed(t *testing.T, program string, id int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", EnvActive, id), EnvCPU+"=1")
	out, err := cmd.CombinedOutput()
	end := regexp.MustCompile(`(fatal error|panic): [^\n]*`).FindString(string(out))
	switch {
	case err == nil:
		return string(out)
	case end != "":
		return end
	case cmd.ProcessState.String() == "signal: killed":
		return "never ends"
	}
	t.Fatalf("mutant %d: %v\n%s", id, err, out)
	return ""
}

func TestProgram_notes_which_mutants_it_reaches(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program; left out with -short")
	}
	s := load(t, "package main\n\nfunc main() {\n\tif len([]int{1}) > 1 {\n\t\tprintln()\n\t}\n}\n")
	dir := t.TempDir()
	w, err := s.Weave(s.Find(), dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "reached")
	if err := os.WriteFile(file, make([]byte, len(w.Mutants)+1), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "go", "run", "-overlay", w.Overlay, ".")
	run.Dir = s.Root
	run.Env = append(os.Environ(), EnvReached+"="+file)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	reached, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.Mutants {
		if got, want := reached[m.ID()] == 1, m.Rule != Call; got != want {
			t.Errorf("%s: reached %v, want %v", m.Key(), got, want)
		}
	}
}

func TestMutants_that_do_not_compile_are_found_and_the_others_kept(t *testing.T) {
	// The length of an array has to be constant, and so has what a shift of the wrong type is.
	s := load(t, "package sample\n\nimport \"math\"\n\ntype wide float64\n\nfunc f(x float64) (int, float64) {\n\tn := math.MaxInt8 - 1\n\treturn len([...]int{2: 1}) + n, x + 1<<3\n}\n")
	w, err := s.Weave(s.Find(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, m := range w.Refused {
		refused = append(refused, m.Key())
	}
	if len(w.Refused) == 0 || len(w.Mutants) == 0 {
		t.Errorf("refused %q, kept %d", refused, len(w.Mutants))
	}
	for i, m := range w.Mutants {
		if m.ID() != i+1 {
			t.Errorf("mutant %d of those kept has the number %d", i, m.ID())
		}
	}
}

func TestSame_finds_what_compiles_to_the_code_of_the_original(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles mutants one by one; left out with -short")
	}
	s := load(t, `package sample

func f(a []int) int {
	n := 0
	n = 0
	for i := 0; i < len(a); i++ {
		if a[i] > 3 {
			n++
		}
	}
	return n
}
`)
	c, err := s.NewComparer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	same := map[string]bool{}
	for _, m := range s.Find() {
		if same[m.Key()], err = c.Same(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{
		"sample.go f assign: n = 0 => (left out)":      true,
		"sample.go f assign: n++ => (left out)":        false,
		"sample.go f condition: a[i] > 3 => a[i] <= 3": false,
		"sample.go f bound: a[i] > 3 => a[i] >= 3":     false,
	} {
		if got, ok := same[key]; !ok || got != want {
			t.Errorf("Same(%s) = %v, there is one: %v; want %v", key, got, ok, want)
		}
	}
}

func TestInvariants_and_what_never_runs_are_left_as_they_are(t *testing.T) {
	s := load(t, "package sample\n\nconst on = false\n\nfunc f(n int) int {\n\tif on {\n\t\tn++\n\t}\n\treturn n\n}\n")
	if found := s.Find(); len(found) > 0 {
		t.Errorf("there is a mutant %s", found[0].Key())
	}
}

func TestKey_stays_the_same_when_other_code_moves_it(t *testing.T) {
	const fun = "func f(n int) bool { return n > 3 && n < 9 }\n"
	var before, after []string
	for _, m := range load(t, "package sample\n\n"+fun).Find() {
		before = append(before, m.Key())
	}
	for _, m := range load(t, "package sample\n\nfunc g() bool { return false }\n\n"+fun).Find() {
		if m.Func == "f" {
			after = append(after, m.Key())
		}
	}
	if len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("the keys are %q, and behind another function %q", before, after)
	}
}

func TestChoice_draws_the_same_sample_and_a_larger_one_has_the_smaller(t *testing.T) {
	all := rules(t).Find()
	small, again := (Choice{Sample: 10, Seed: 4}).Of(all), (Choice{Sample: 10, Seed: 4}).Of(all)
	if len(small) != 10 || !slices.Equal(small, again) {
		t.Errorf("a sample of 10 has %d, and is drawn again: %v", len(small), slices.Equal(small, again))
	}
	if slices.Equal(small, Choice{Sample: 10, Seed: 5}.Of(all)) {
		t.Error("another seed draws the same sample")
	}
	if large := (Choice{Sample: 20, Seed: 4}).Of(all); !slices.Equal(large[:10], small) {
		t.Error("a larger sample does not begin with the smaller one")
	}
}

func TestChoice_shards_have_each_mutant_once(t *testing.T) {
	all := rules(t).Find()
	count := map[*Mutant]int{}
	for _, text := range []string{"1/3", "2/3", "3/3"} {
		shard, shards, err := ParseShard(text)
		if err != nil {
			t.Fatal(err)
		}
		part := Choice{Shard: shard, Shards: shards}.Of(all)
		if len(part) == 0 || len(part) == len(all) {
			t.Errorf("shard %s has %d of %d", text, len(part), len(all))
		}
		for _, m := range part {
			count[m]++
		}
	}
	for _, m := range all {
		if count[m] != 1 {
			t.Errorf("%s is in %d shards", m.Key(), count[m])
		}
	}
	for _, text := range []string{"", "0/3", "4/3", "1", "1/2x", "01/2"} {
		if _, _, err := ParseShard(text); err == nil {
			t.Errorf("shard %q is taken", text)
		}
	}
}

func TestChoice_only_takes_the_keys_that_match(t *testing.T) {
	for _, m := range (Choice{Only: regexp.MustCompile(` lock: `)}).Of(rules(t).Find()) {
		if m.Rule != Lock {
			t.Errorf("%s was chosen", m.Key())
		}
	}
}

func TestExplained_reads_reasons_and_tells_of_what_is_no_mutant(t *testing.T) {
	all := rules(t).Find()
	text := "# why\n\n" + all[0].Key() + "\n" + all[1].Key() + "\n\tnobody reads it,\n\tnot even once\ngone.go f call: x() => (left out)\n\tit was idle\n"
	e, err := ParseExplained(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all[:2] {
		if got := e[m.Key()]; got != "nobody reads it, not even once" {
			t.Errorf("the reason of %s is %q", m.Key(), got)
		}
	}
	if got := e.Stale(all); len(got) != 1 || !strings.HasPrefix(got[0], "gone.go") {
		t.Errorf("Stale = %q, want the one that is gone", got)
	}
	for _, wrong := range []string{"\ta reason alone\n", "a key alone\n", "a\n\tr\na\n\tr\n"} {
		if _, err := ParseExplained(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestDigest_changes_with_the_source(t *testing.T) {
	s := load(t, "package sample\n")
	name := filepath.Join(s.Root, "sample.go")
	digest := func() string {
		t.Helper()
		d, err := s.Digest(t.Context(), ".")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := digest()
	if again := digest(); again != before {
		t.Errorf("the digest is %s, then %s", before, again)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Join([][]byte{text, []byte("// more\n")}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if digest() == before {
		t.Error("the digest is the same after a change")
	}
}

// What is explained has to be looked at again when its source changes.
func TestExplainedSurvivorsAreMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles what the store imports; left out with -short")
	}
	const root = "../../../.."
	text, err := os.ReadFile(root + "/build/mutation/explained.txt")
	if err != nil {
		t.Fatal(err)
	}
	explained, err := ParseExplained(string(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(t.Context(), root, "kvsim_invariants", "./kvstore/...")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range explained.Stale(s.Find()) {
		t.Errorf("build/mutation/explained.txt explains what is no mutant any more: %s", key)
	}
}
