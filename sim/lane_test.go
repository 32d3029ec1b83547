package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
	lin "github.com/kvsim/kvsim/linearizability"
)

// TestEverySourceActsInItsLane looks at a history: what nothing but chance would
// order must not happen at one instant.
func TestEverySourceActsInItsLane(t *testing.T) {
	p, err := ParsePlan(`kvsim-plan 1
scenario test
seed 5
world clients=4 brokers=3 latency.min=100µs latency.mean=300µs latency.max=20ms request.timeout=2s
workload ops=150 workers=3 keys=8 value=100 burst=8 timeout=5s put=30 delete=5 batch=5 get=20 range=5 barrier-get=5 sync=4 wait=4
phases before=2s faults=8s after=2s converge=2m0s patience=5s
floors before=1 during=1 after=1
stall dir=to-client from=1s for=1s
lag client=c2 from=1s for=1s
pause client=c3 from=3s for=500ms
slow-hooks delay=5ms from=4s for=1s
slow-storage delay=2ms from=5s for=500ms
crash client=c1 from=5s for=300ms
restart broker=leader move=true from=6s for=500ms
`)
	if err != nil {
		t.Fatal(err)
	}
	var out *Outcome
	synctest.Test(t, func(t *testing.T) {
		if out, err = Run(t.Context(), p, Env{}); err != nil {
			t.Fatal(err)
		}
	})
	lane := func(s lin.Stamp) simnet.Lane { return simnet.Lane(s.Time % simnet.Round) }
	within := func(l simnet.Lane, from, n int) bool { return int(l) >= from && int(l) < from+n }

	h := out.History
	workers := map[time.Duration]string{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind == lin.OpOpen || op.Kind == lin.OpClose {
			continue
		}
		if l := lane(op.Call); !within(l, lanesOfWork, workLanes) && !within(l, lanesOfSlots, slotLanes) {
			t.Errorf("%v of %s is called at %v, in lane %d of no worker", op.Kind, op.Client, op.Call.Time, l)
		}
		if other, ok := workers[op.Call.Time]; ok && other != op.Client {
			t.Errorf("%s and %s act at %v", other, op.Client, op.Call.Time)
		}
		workers[op.Call.Time] = op.Client
	}
	for i := range h.Faults {
		for _, s := range []lin.Stamp{h.Faults[i].Start, h.Faults[i].End} {
			if l := lane(s); !within(l, lanesOfFaults, faultLanes) {
				t.Errorf("fault %q begins or ends at %v, in lane %d of no fault", h.Faults[i].Text, s.Time, l)
			}
		}
	}
	hooks := map[time.Duration]string{}
	for i := range h.Hooks {
		k := &h.Hooks[i]
		l := lane(k.Stamp)
		if within(l, lanesOfWork, workLanes) || within(l, lanesOfFaults, faultLanes) {
			t.Errorf("a hook of %s runs at %v, in lane %d of a worker or a fault", k.Client, k.Time, l)
		}
		if other, ok := hooks[k.Time]; ok && other != k.Client {
			t.Errorf("hooks of %s and %s run at %v", other, k.Client, k.Time)
		}
		hooks[k.Time] = k.Client
	}
	if len(h.Ops) < 500 || len(h.Faults) != 7 || len(h.Hooks) < 500 {
		t.Errorf("%d operations, %d faults and %d hooks are too few to tell", len(h.Ops), len(h.Faults), len(h.Hooks))
	}
}
