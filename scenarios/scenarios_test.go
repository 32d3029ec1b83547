package scenarios_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// run runs a plan in virtual time.
func run(t *testing.T, p sim.Plan, env sim.Env) *sim.Outcome {
	t.Helper()
	var out *sim.Outcome
	synctest.Test(t, func(t *testing.T) {
		o, err := sim.Run(t.Context(), p, env)
		if err != nil {
			t.Fatalf("Run = %v, want none\n%s", err, p)
		}
		out = o
	})
	return out
}

func TestEveryScenarioHolds(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			seeds := 3
			if testing.Short() {
				seeds = 1
			}
			for seed := range uint64(seeds) {
				p := s.Plan(seed, scenarios.Knobs{Ops: 100})
				began := time.Now()
				o := run(t, p, sim.Env{})
				t.Logf("seed %d: %s, %v simulated, %v wall", seed, o.Result, o.Simulated.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
				if o.Status != lin.Held {
					t.Errorf("seed %d is %s, want held: %v\n%v\n%s", seed, o.Result, o.Reasons, o.Verdict, p)
				}
			}
		})
	}
}

func TestPlansOfAllSeedsAreValidAndRoundTrip(t *testing.T) {
	for _, s := range scenarios.All() {
		for seed := range uint64(300) {
			for _, k := range []scenarios.Knobs{{}, {Clients: 1, Ops: 1, Brokers: 1}, {Clients: 9, Ops: 1000, Brokers: 5}} {
				p := s.Plan(seed, k)
				if err := p.Validate(); err != nil {
					t.Fatalf("%s, seed %d, %+v: %v", s.Name, seed, k, err)
				}
				back, err := sim.ParsePlan(p.String())
				if err != nil {
					t.Fatalf("ParsePlan = %v for\n%s", err, p)
				}
				if diff := cmp.Diff(p, back); diff != "" {
					t.Fatalf("%s, seed %d: the plan changed on its way through text:\n%s", s.Name, seed, diff)
				}
				if diff := cmp.Diff(p, s.Plan(seed, k)); diff != "" {
					t.Fatalf("%s, seed %d: the same seed gave another plan:\n%s", s.Name, seed, diff)
				}
			}
		}
	}
}

// What the scenario everything does not draw, campaigns never do.
func TestEverythingDrawsEachKindOfFault(t *testing.T) {
	s, err := scenarios.Find("everything")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]bool{}
	for seed := range uint64(300) {
		for _, f := range s.Plan(seed, scenarios.Knobs{}).Faults {
			drawn[f.Kind()] = true
		}
	}
	for _, k := range sim.FaultKinds() {
		if !drawn[k.Name] {
			t.Errorf("no plan of 300 seeds has a fault %s", k.Name)
		}
	}
}

func TestFindNamesWhatThereIs(t *testing.T) {
	_, err := scenarios.Find("stedy")
	if !errors.Is(err, scenarios.ErrUnknown) || !strings.Contains(err.Error(), "steady") {
		t.Errorf("Find(stedy) = %v, want ErrUnknown that lists steady", err)
	}
	for _, s := range scenarios.All() {
		if got, err := scenarios.Find(s.Name); err != nil || got.Name != s.Name || got.Description == "" {
			t.Errorf("Find(%q) = %q, %v", s.Name, got.Name, err)
		}
	}
}
