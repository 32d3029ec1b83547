package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/internal/planted"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// The simulator is worth nothing unless it finds bugs. Each test plants one and
// asks that it is found, by the check that is named for it.

func TestPlantedBugIsFound(t *testing.T) {
	tests := []struct {
		name     string
		scenario string
		open     sim.OpenFunc
		want     []lin.CheckID // all of them have to find it
	}{
		{"put answers before the write is visible", "lag", planted.Hasty, []lin.CheckID{lin.CheckWriteVisible, lin.CheckReadYourWrites}},
		{"tombstones are lost", "crash", planted.Deathless, []lin.CheckID{lin.CheckReadYourWrites, lin.CheckConvergence}},
		{"a barrier does not wait", "lag", planted.NoBarrier, []lin.CheckID{lin.CheckBarrier}},
		{"a put is acknowledged but never sent", "steady", planted.Forgetful, []lin.CheckID{lin.CheckAckedOnce}},
		{"a batch is written one by one", "steady", planted.Torn, []lin.CheckID{lin.CheckBatchInLog}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := scenario(t, test.scenario)
			for seed := range uint64(10) {
				o := virtual(t, s.Plan(seed, scenarios.Knobs{}), sim.Env{Open: test.open})
				if o.Status != lin.Violated {
					continue
				}
				t.Logf("found by seed %d: %s", seed, firstLine(o.Verdict.Violations[0].Error()))
				for _, check := range test.want {
					if o.Verdict.Result(check).Violations == 0 {
						t.Errorf("%s did not find it", check)
					}
				}
				if t.Failed() {
					t.Log(o.Verdict)
				}
				return
			}
			t.Error("10 seeds did not find it")
		})
	}
}

// TestPlantedBugIsFoundByTheSimulator is for what no check of a history can say,
// because it takes knowledge of the world.
func TestPlantedBugIsFoundByTheSimulator(t *testing.T) {
	tests := []struct {
		name     string
		scenario string
		open     sim.OpenFunc
		want     string // name of the reason
	}{
		{"a topic that is there is taken for gone", "steady", planted.Quitter, "gone-topic-was-there"},
		{"a barrier outlives its context", "outage", planted.Deaf, "call-ends-with-its-context"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := virtual(t, scenario(t, test.scenario).Plan(1, scenarios.Knobs{}), sim.Env{Open: test.open})
			found := slices.ContainsFunc(o.Reasons, func(r sim.Reason) bool { return r.Name == test.want })
			if o.Status != lin.Violated || !found {
				t.Errorf("the world is %s, want violated by %s: %v", o.Result, test.want, o.Reasons)
			}
		})
	}
}

func TestRequestsThatAreRefusedForTheirSizeAreCounted(t *testing.T) {
	p := smallPlan(sim.AlterTopic{Config: "max.message.bytes", Value: "4096", Span: sim.Span{From: time.Second, For: 3 * time.Second}})
	p.Workload.Batch, p.Workload.Delete = 0, 0
	o := virtual(t, p, sim.Env{Open: planted.Pushy})
	const want = "changed-limit-costs-few-requests"
	if o.Status != lin.Violated || !slices.ContainsFunc(o.Reasons, func(r sim.Reason) bool { return r.Name == want }) {
		t.Errorf("the world is %s, want violated by %s: %v", o.Result, want, o.Reasons)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
