package sim_test

import (
	"bytes"
	"context"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// TestEveryFormIsMet runs worlds of the scenario forms. A form that none of them has is one that a
// campaign may never have, either.
func TestEveryFormIsMet(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs worlds until each form has been met; left out with -short")
	}
	met := map[string]int{}
	for seed := range seeds(t, 12) {
		p := scenario(t, "forms").Plan(seed, scenarios.Knobs{})
		o := virtual(t, p, sim.Env{})
		if o.Status != lin.Held {
			t.Errorf("seed %d: %s, want held: %v\n%v\n%s", seed, o.Result, o.Reasons, o.Verdict, p)
		}
		for name, n := range o.Sometimes {
			met[name] += n
		}
	}
	for _, name := range sim.FormNames() {
		t.Logf("%s: %d", name, met[name])
		if met[name] == 0 {
			t.Errorf("no world has the %s", name)
		}
	}
}

// Other goroutines write, contexts end and clients close in the middle of everything: nothing of that
// may depend on chance.
func TestWorldsWithFormsGiveTheSameHistory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes the order of goroutines differ from run to run")
	}
	differ, n := 0, seeds(t, 8)
	for seed := range n {
		p := scenario(t, "forms").Plan(seed, scenarios.Knobs{Ops: 100})
		var first, second bytes.Buffer
		a := virtual(t, p, sim.Env{History: &first})
		b := virtual(t, p, sim.Env{History: &second})
		if a.HistoryHash != b.HistoryHash {
			differ++
			t.Logf("seed %d differs:\n%s", seed, difference(first.Bytes(), second.Bytes()))
		}
	}
	if allowed := 1 + int(n)/100; differ > allowed {
		t.Errorf("%d of %d seeds gave two histories, want at most %d", differ, n, allowed)
	}
}

// wrapped is a client of a program that sees all calls.
type wrapped struct{ sim.Client }

// Worlds call the other methods of a client only if nothing is around it.
func TestWrappedClientsAreCalledByTheirOwnMethodsOnly(t *testing.T) {
	p := smallPlan()
	p.Workload.Forms, p.Workload.Reopen, p.World.Variants = 100, 3, 100
	o := virtual(t, p, sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		c, err := sim.DefaultOpen(ctx, r)
		return wrapped{c}, err
	}})
	if o.Status != lin.Held || o.Sometimes["form: a plain Storage"] == 0 {
		t.Errorf("%s, %v, want held, and clients with plain storages: %v", o.Result, o.Sometimes, o.Reasons)
	}
	for _, name := range []string{"form: Client.Get", "form: Client.Put", "form: Client.Shutdown", "form: a Put in a hook"} {
		if o.Sometimes[name] > 0 {
			t.Errorf("%s: %d times, want it not to get past what is around the client", name, o.Sometimes[name])
		}
	}
}
