package shrink

import (
	"runtime"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/sim"
)

// A plan of a capsule from elsewhere may have as many faults as plans can have. Its candidates
// are made when they are run.
func TestPlanWithManyFaultsShrinksInLittleMemory(t *testing.T) {
	p := parse(t, large+strings.Repeat("lag client=c2 from=1.2s for=800ms\n", 9900))
	runs := 0
	opts := Options{
		Run:   when(func(sim.Plan) bool { runs++; return runs == 1 }),
		Fails: violated, Tries: 1, Jobs: 1,
		Stop: func(runs int) bool { return runs >= 20 },
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Shrink(t.Context(), p, opts); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 400<<20 {
		t.Errorf("20 runs of a plan with %d faults allocate %d bytes", len(p.Faults), used)
	}
}

// FuzzCandidates asks for all candidates of a plan. None makes the shrinker panic, and those that
// are valid can be written and read.
func FuzzCandidates(f *testing.F) {
	f.Add(large)
	f.Add("kvsim-plan 1\nseed 1\nworld clients=1 brokers=1\nworkload ops=1 keys=1 value=1 timeout=1s put=1\nphases before=1s faults=1s after=1s converge=1s patience=1s\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := sim.ParsePlan(text)
		if err != nil || p.Validate() != nil || len(p.Faults) > 20 {
			return
		}
		for _, pass := range passes {
			n := 0
			for c := range pass(p) {
				if n++; n > 20 {
					break
				}
				if c.plan.Validate() != nil {
					continue
				}
				if c.plan.String() == p.String() {
					t.Errorf("candidate %q changes nothing in\n%s", c.what, p)
				}
				back, err := sim.ParsePlan(c.plan.String())
				if err != nil || back.String() != c.plan.String() {
					t.Errorf("candidate %q of\n%s\nis read back as\n%s, %v", c.what, p, back, err)
				}
			}
		}
	})
}
