package shrink

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

const large = `kvsim-plan 1
scenario large
seed 5
world clients=7 brokers=3 latency.min=1ms
workload ops=200 workers=2 keys=40 zipf=1.1 value=4000 burst=9 timeout=5s put=40 delete=10 batch=5 get=30 range=5 sync=3 wait=2
phases before=2s faults=20s after=2s converge=1m0s patience=3s dead.clients=2 dead.broker=1
floors before=10 during=10 after=10 hits=1
lag client=c2 from=1.2s for=800ms
crash client=c7 from=2s for=400ms
compact from=1s for=2s every=200ms
restart broker=leader from=2s for=600ms
lose-answer api=produce count=8 from=1s for=2s
reset client=c6 from=1.5s
`

func parse(t *testing.T, text string) sim.Plan {
	t.Helper()
	p, err := sim.ParsePlan(text)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// when is a Run that fails for plans that a predicate names.
func when(fails func(sim.Plan) bool) func(context.Context, sim.Plan) (*world.Result, error) {
	return func(_ context.Context, p sim.Plan) (*world.Result, error) {
		r := &world.Result{Seed: p.Seed}
		if fails(p) {
			r.Status = world.Violated
		}
		return r, nil
	}
}

func violated(r *world.Result) bool { return r.Status == world.Violated }

func hasFault(p sim.Plan, kind string) bool {
	for _, f := range p.Faults {
		if f.Kind() == kind {
			return true
		}
	}
	return false
}

func TestOnlyWhatTheFailureNeedsIsLeft(t *testing.T) {
	t.Parallel()
	report, err := Shrink(t.Context(), parse(t, large), Options{
		Jobs: 3,
		Run: when(func(p sim.Plan) bool {
			return hasFault(p, "lose-answer") && p.World.Clients >= 2 && p.Workload.Ops >= 5 && p.Workload.Put > 0
		}),
		Fails: violated,
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `kvsim-plan 1
scenario large
seed 5
world clients=2 brokers=1 latency.min=1ms
workload ops=5 workers=1 keys=1 burst=1 timeout=5s put=40
phases converge=1m0s
lose-answer api=produce count=1 for=1ms
`
	if got := report.Plan.String(); got != want {
		t.Errorf("plan =\n%s\nwant\n%s", got, want)
	}
	if !report.Minimal || report.Steps == 0 || report.Runs <= report.Steps {
		t.Errorf("report = minimal %v, %d steps, %d runs", report.Minimal, report.Steps, report.Runs)
	}
}

func TestTwoFaultsThatAreNeededTogetherStay(t *testing.T) {
	t.Parallel()
	report, err := Shrink(t.Context(), parse(t, large), Options{
		Run:   when(func(p sim.Plan) bool { return hasFault(p, "crash") && hasFault(p, "lag") }),
		Fails: violated,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The clients that the faults name are gone, so they hit the one that is left.
	var faults []string
	for _, f := range report.Plan.Faults {
		faults = append(faults, f.String())
	}
	if got, want := strings.Join(faults, "; "), "lag client=c1 for=1ms; crash client=c1"; got != want {
		t.Errorf("faults = %s, want %s", got, want)
	}
}

func TestMoreSeedsAreTriedWhenOneIsNotEnough(t *testing.T) {
	t.Parallel()
	// With few operations only one seed of ten fails.
	report, err := Shrink(t.Context(), parse(t, large), Options{
		Run:   when(func(p sim.Plan) bool { return p.Workload.Ops > 100 || p.Seed%10 == 1 }),
		Fails: violated,
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Plan.Workload.Ops != 1 || report.Plan.Seed%10 != 1 {
		t.Errorf("plan has %d operations and seed %d, want 1 operation and a seed that ends with 1", report.Plan.Workload.Ops, report.Plan.Seed)
	}
}

func TestSamePlanShrinksInTheSameWayWhateverTheJobs(t *testing.T) {
	t.Parallel()
	var plans []string
	for _, jobs := range []int{1, 2, 7} {
		report, err := Shrink(t.Context(), parse(t, large), Options{
			Jobs: jobs,
			Run: when(func(p sim.Plan) bool {
				return (hasFault(p, "compact") || hasFault(p, "reset")) && p.Phases.Faults >= time.Second
			}),
			Fails: violated,
		})
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, report.Plan.String())
	}
	for _, p := range plans[1:] {
		if p != plans[0] {
			t.Errorf("plan =\n%s\nwith other jobs\n%s", plans[0], p)
		}
	}
}

func TestPlanThatDoesNotFailIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Shrink(t.Context(), parse(t, large), Options{Run: when(func(sim.Plan) bool { return false }), Fails: violated})
	if !errors.Is(err, ErrNotReproduced) {
		t.Errorf("Shrink = %v, want %v", err, ErrNotReproduced)
	}
}

func TestBudgetEndsWithTheSmallestSoFar(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs := 0
	report, err := Shrink(t.Context(), parse(t, large), Options{
		Run: when(func(p sim.Plan) bool {
			mu.Lock()
			defer mu.Unlock()
			runs++
			return hasFault(p, "crash")
		}),
		Fails: violated,
		Stop:  func(runs int) bool { return runs >= 10 },
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Minimal || report.Runs != 10 || runs != 10 || len(report.Plan.Faults) >= 6 || !hasFault(report.Plan, "crash") {
		t.Errorf("after 10 runs: minimal %v, %d runs, %d faults", report.Minimal, runs, len(report.Plan.Faults))
	}
}

func TestErrorOfAWorldEndsTheShrinking(t *testing.T) {
	t.Parallel()
	gone := errors.New("no worker")
	_, err := Shrink(t.Context(), parse(t, large), Options{
		Run:   func(context.Context, sim.Plan) (*world.Result, error) { return nil, gone },
		Fails: violated,
	})
	if !errors.Is(err, gone) {
		t.Errorf("Shrink = %v, want %v", err, gone)
	}
}

func TestInterruptionEndsWithTheSmallestSoFar(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	run := when(func(p sim.Plan) bool { return hasFault(p, "crash") })
	report, err := Shrink(ctx, parse(t, large), Options{
		Run: func(ctx context.Context, p sim.Plan) (*world.Result, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return run(ctx, p)
		},
		Fails: violated,
		Progress: func(string, sim.Plan, int) {
			if steps++; steps == 2 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || report == nil {
		t.Fatalf("Shrink = %v, %v, want a report and the context's error", report, err)
	}
	if report.Minimal || report.Steps != 2 || !hasFault(report.Plan, "crash") || report.Plan.String() == parse(t, large).String() {
		t.Errorf("after 2 steps: minimal %v, %d steps, plan\n%s", report.Minimal, report.Steps, report.Plan)
	}

	cancel()
	report, err = Shrink(ctx, parse(t, large), Options{Run: func(ctx context.Context, _ sim.Plan) (*world.Result, error) { return nil, ctx.Err() }, Fails: violated})
	if report != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Shrink that was interrupted before anything failed = %v, %v", report, err)
	}
}
