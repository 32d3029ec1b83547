package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/sim"
)

func fit(t *testing.T, text string, a sim.Abilities) (lines, notes []string) {
	t.Helper()
	p, err := sim.ParsePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	q, notes := p.Fit(a)
	if err := q.Validate(); err != nil {
		t.Errorf("the fitted plan: %v", err)
	}
	if got := p.String(); got != before {
		t.Errorf("Fit changed the plan itself:\n%s", cmp.Diff(before, got))
	}
	for _, f := range q.Faults {
		lines = append(lines, f.String())
	}
	if q.World.Brokers != a.Brokers {
		t.Errorf("brokers = %d, want %d", q.World.Brokers, a.Brokers)
	}
	return lines, notes
}

const fitPlan = `kvsim-plan 1
world clients=2 brokers=3 latency.min=100µs tombstones=4s
workload ops=10 keys=3 timeout=5s put=1
phases before=1s faults=5s after=1s converge=30s dead.broker=2
restart broker=2 move=true from=1s for=1s
restart broker=leader from=1s for=1s
move-leader broker=2 from=1s
slow-broker api=produce delay=10ms count=1 from=1s for=1s
latency broker=1 mean=3ms from=1s for=1s
lag client=c1 from=1s for=1s
`

func TestFitLeavesOutWhatBrokersCannotDo(t *testing.T) {
	got, notes := fit(t, fitPlan, sim.Abilities{Brokers: 1, Without: map[string]string{
		"slow-broker": "nobody knows how", "restart": "they are not ours",
	}})
	want := []string{"latency broker=0 mean=3ms from=1s for=1s", "lag client=c1 from=1s for=1s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, what := range []string{"slow-broker: nobody knows how", "restart: they are not ours", "move-leader: ", "dead.broker: "} {
		if !slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, what) }) {
			t.Errorf("notes = %q, want one that begins with %q", notes, what)
		}
	}
	if len(notes) != 4 {
		t.Errorf("notes = %q, want each reason once", notes)
	}
}

func TestFitKeepsWhatBrokersCanDo(t *testing.T) {
	got, notes := fit(t, fitPlan, sim.Abilities{Brokers: 3, Restart: true})
	if len(got) != 6 || len(notes) > 0 {
		t.Errorf("faults = %q, notes = %q, want all of them and none", got, notes)
	}
	got, _ = fit(t, fitPlan, sim.Abilities{Brokers: 1, Restart: true})
	if want := "restart broker=0 from=1s for=1s"; got[0] != want {
		t.Errorf("with one broker %q, want %q", got[0], want)
	}
}

func TestFitGivesSlowBrokersTime(t *testing.T) {
	p, err := sim.ParsePlan(fitPlan)
	if err != nil {
		t.Fatal(err)
	}
	q, notes := p.Fit(sim.Abilities{Brokers: 3, Restart: true, SlowDown: true})
	if q.Workload.Timeout < 10*time.Second || q.Phases.Converge < time.Minute {
		t.Errorf("timeout %v and converge %v are less than a restart may take", q.Workload.Timeout, q.Phases.Converge)
	}
	if q.World.Tombstones != 0 || len(notes) != 1 {
		t.Errorf("tombstones = %v, notes = %q, want that they are kept and that it is said", q.World.Tombstones, notes)
	}
}
