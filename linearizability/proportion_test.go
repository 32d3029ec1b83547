package linearizability_test

import (
	"slices"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// TestCheck_takes_time_and_memory_in_proportion judges histories of some size and of four times
// that size. What is allocated, and the steps that the log witness takes, must not grow with
// the square.
func TestCheck_takes_time_and_memory_in_proportion(t *testing.T) {
	const small, large = 1000, 4000
	for _, s := range linearShapes {
		t.Run(s.name, func(t *testing.T) {
			opts := lin.Options{Porcupine: lin.PorcupineOptions{Workers: 1}}
			status := lin.Held
			used := func(n int) uint64 {
				h := s.make(n)
				opts.WitnessSteps = 60 * int64(h.Events())
				return allocated(func() {
					v := lin.Check(h, opts)
					status = v.Status
					if slices.ContainsFunc(v.Undecided, func(s string) bool { return strings.Contains(s, "WitnessSteps") }) {
						t.Errorf("%d operations: %v", n, v.Undecided)
					}
				})
			}
			a, b := used(small), used(large)
			t.Logf("%s: %d bytes, %d bytes", status, a, b)
			if b > 7*a {
				t.Errorf("4 times the history takes %d times the memory: %d bytes and %d bytes", b/a, a, b)
			}
		})
	}
}

// TestCheck_ends_by_the_bound_of_the_log_witness judges a history that needs a step for each
// range and each key.
func TestCheck_ends_by_the_bound_of_the_log_witness(t *testing.T) {
	bound := func(v *lin.Verdict) bool {
		return slices.ContainsFunc(v.Undecided, func(s string) bool { return strings.Contains(s, "WitnessSteps 20000") })
	}
	h := ranges(2000)
	if v := lin.Check(h, lin.Options{}); v.Status != lin.Held {
		t.Fatalf("without a bound: %s", v)
	}
	v := lin.Check(h, lin.Options{WitnessSteps: 20_000})
	if v.Status != lin.Inconclusive || !bound(v) {
		t.Errorf("verdict: %s, want it inconclusive by the bound", v)
	}
	if r := v.Result(lin.CheckConvergence); r.Ran || !strings.Contains(r.Reason, "WitnessSteps") {
		t.Errorf("%s, want it not judged because of the bound", r)
	}
	if again := lin.Check(h, lin.Options{WitnessSteps: 20_000}); again.String() != v.String() {
		t.Errorf("judged twice:\n%s\nand\n%s", v, again)
	}

	h.Ops[0].Outcome = lin.Failed // but the log has it
	v = lin.Check(h, lin.Options{WitnessSteps: 20_000})
	if v.Status != lin.Violated || !bound(v) {
		t.Errorf("verdict: %s, want what was found before the bound", v)
	}
	for _, w := range v.Violations {
		if w.Check != lin.CheckRefusedAbsent {
			t.Errorf("%s, want nothing that was concluded from a search that was cut short", w)
		}
	}
}

// TestCheck_of_a_batch_of_nothing_is_harmless judges what no file can say, but a caller can.
func TestCheck_of_a_batch_of_nothing_is_harmless(t *testing.T) {
	m := newMaker(lin.TapExact, false)
	m.Begin(lin.Operation{Client: "c", Process: 1, Kind: lin.OpBatch}).OK()
	m.put("c", "a", "")
	c := m.begin("c", lin.OpDelete, "a", "")
	m.append("a", "")
	c.OK()
	if v := lin.Check(m.History(), lin.Options{}); v.Status != lin.Held {
		t.Errorf("%s", v)
	}
}
