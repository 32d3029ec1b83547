package sim_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/sim"
)

func TestPlanIsReadableText(t *testing.T) {
	p := smallPlan(
		sim.Lag{Client: "c2", Span: sim.Span{From: 1200 * time.Millisecond, For: 800 * time.Millisecond}},
		sim.RestartAll{Span: sim.Span{From: 2 * time.Second}},
	)
	const want = `kvsim-plan 1
scenario test
seed 11
world clients=3 brokers=3 latency.min=100µs latency.mean=1ms tombstones=2s request.timeout=1s
workload ops=120 workers=2 keys=12 zipf=1 value=200 burst=4 timeout=5s put=30 delete=10 batch=8 get=20 range=5 barrier-get=5 barrier-range=2 sync=3 wait=6
phases before=1s faults=6s after=1s converge=1m0s patience=10s
floors before=5 during=10 after=3 hits=1
lag client=c2 from=1.2s for=800ms
restart-all from=2s
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Errorf("String (-want +got):\n%s", diff)
	}
	back, err := sim.ParsePlan("# a comment\n\n" + strings.ReplaceAll(want, "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Errorf("ParsePlan(String) (-want +got):\n%s", diff)
	}
}

func TestParsePlanNamesTheLine(t *testing.T) {
	for _, c := range []struct{ text, line, want string }{
		{"", "", "is empty"},
		{"seed 1", "line 1", "begins with"},
		{"kvsim-plan 2", "line 1", "version \"2\""},
		{"kvsim-plan 1\nseed x", "line 2", "seed \"x\""},
		{"kvsim-plan 1\n\nworld clients", "line 3", "name=value"},
		{"kvsim-plan 1\nworld klients=3", "line 2", "it has clients, brokers"},
		{"kvsim-plan 1\nworld clients=3 clients=4", "line 2", "twice"},
		{"kvsim-plan 1\nworld clients=many", "line 2", "not a whole number"},
		{"kvsim-plan 1\nphases before=3", "line 2", "not a duration"},
		{"kvsim-plan 1\nseed 1\nseed 2", "line 3", "line 2 already"},
		{"kvsim-plan 1\nearthquake from=1s", "line 2", "\"earthquake\""},
		{"kvsim-plan 1\nlag client=\"c1", "line 2", "quote"},
		{"kvsim-plan 1\nrestart move=maybe", "line 2", "true or false"},
		{"kvsim-plan 1\n" + strings.Repeat("restart from=1s\n", 1_000_000), "line 10002", "a plan may have 10000"},
	} {
		_, err := sim.ParsePlan(c.text)
		var pe *sim.PlanError
		if !errors.As(err, &pe) || !errors.Is(err, sim.ErrPlan) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.line) {
			t.Errorf("ParsePlan(%.80q) = %v, want a PlanError at %q that says %q", c.text, err, c.line, c.want)
		}
	}
}

func TestValidateNamesWhatMakesNoSense(t *testing.T) {
	at := sim.Span{From: time.Second, For: time.Second}
	for _, c := range []struct {
		change func(p *sim.Plan)
		want   string
	}{
		{func(p *sim.Plan) { p.World.Clients = 0 }, "world clients is 0"},
		{func(p *sim.Plan) { p.World.LatencyMin = 0 }, "latency.min is 0s"},
		{func(p *sim.Plan) { p.World.Variants = 101 }, "world variants is 101"},
		{func(p *sim.Plan) { p.Workload.Forms = 101 }, "workload forms is 101"},
		{func(p *sim.Plan) { p.Workload.Reopen = -1 }, "workload reopen is -1"},
		{func(p *sim.Plan) { p.World.FetchBytes = -1 }, "world fetch.bytes is -1 and has to be from 0"},
		{func(p *sim.Plan) { p.World.ReadBytes = 1 << 20 }, "world read.bytes is 1048576, and has to be 1000 or more above max.message"},
		{func(p *sim.Plan) { p.World.MaxMessage, p.World.ReadBytes = 3000, 3999 }, "world read.bytes is 3999"},
		{func(p *sim.Plan) { p.World.LatencyMax = 1 }, "latency.max is 1ns"},
		{func(p *sim.Plan) { p.Workload = sim.Workload{Ops: 1, Keys: 1, Timeout: 1} }, "no operation with a weight"},
		{func(p *sim.Plan) { p.Workload.Get = math.MaxInt }, "workload get is 9223372036854775807 and has to be from 0 to 1000000"},
		{func(p *sim.Plan) { p.Workload.Sync = -1 }, "workload sync is -1"},
		{func(p *sim.Plan) { p.Faults = make([]sim.Fault, 10_001) }, "10001 faults, and a plan may have 10000"},
		{func(p *sim.Plan) { p.Phases.Converge = 0 }, "converge is 0s"},
		{func(p *sim.Plan) { p.Phases.DeadClients = 3 }, "dead.clients is 3"},
		{func(p *sim.Plan) { p.Phases.DeadBroker = "7" }, "no broker \"7\""},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{nil} }, "fault 1 is nil"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.Lag{Client: "c9", Span: at}} }, "no client \"c9\": clients are c1 to c3"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.Restart{Broker: "3", Span: at}} }, "no broker \"3\": brokers are 0 to 2"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.Lag{}} }, "for has to be above 0"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.Stall{Dir: "up", Span: at}} }, "dir=up is not a direction"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.LoseAnswer{API: "x", Span: at}} }, "api=x is not known: use produce"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.LoseAnswer{Count: -1, Span: at}} }, "count must not be negative"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.FailProduce{Error: "X", Span: at}} }, "error=X is not one that fits"},
		{func(p *sim.Plan) {
			p.Faults = []sim.Fault{sim.FailProduce{Error: "NOT_ENOUGH_REPLICAS", After: true, Span: at}}
		}, "cannot come after the append"},
		{func(p *sim.Plan) {
			p.Faults = []sim.Fault{sim.SlowBroker{API: "fetch", Delay: 1, Span: at}}
		}, "use latency, stall or lag"},
		{func(p *sim.Plan) { p.Faults = []sim.Fault{sim.GrowPartitions{Partitions: 1, Span: at}} }, "partitions is 1 and has to be from 2"},
		{func(p *sim.Plan) { p.World.Brokers, p.Faults = 1, []sim.Fault{sim.MoveLeader{}} }, "needs 2 brokers"},
	} {
		p := smallPlan()
		c.change(&p)
		if err := p.Validate(); !errors.Is(err, sim.ErrPlan) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Validate = %v, want ErrPlan that says %q", err, c.want)
		}
		if _, err := sim.Run(t.Context(), p, sim.Env{}); !errors.Is(err, sim.ErrPlan) {
			t.Errorf("Run = %v, want ErrPlan", err)
		}
	}
}

func TestEveryKindOfFaultIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range sim.FaultKinds() {
		f, err := sim.ParseFault(k.Example)
		if err != nil {
			t.Fatalf("ParseFault(%q) = %v", k.Example, err)
		}
		if f.String() != k.Example || f.Kind() != k.Name || k.Description == "" || seen[k.Name] {
			t.Errorf("kind %+v: example prints as %q", k, f)
		}
		seen[k.Name] = true
		p := smallPlan(f)
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", k.Example, err)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add(smallPlan().String())
	for _, k := range sim.FaultKinds() {
		f.Add("kvsim-plan 1\nscenario \"a b\"\nseed 3\n" + k.Example)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := sim.ParsePlan(text)
		if err != nil {
			if !errors.Is(err, sim.ErrPlan) {
				t.Fatalf("ParsePlan(%q) = %v, want ErrPlan", text, err)
			}
			return
		}
		back, err := sim.ParsePlan(p.String())
		if err != nil || !reflect.DeepEqual(p, back) {
			t.Fatalf("ParsePlan(%q) = %+v, read back as %+v, %v", text, p, back, err)
		}
	})
}
