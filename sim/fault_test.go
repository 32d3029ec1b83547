package sim_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// smallPlan is a world that does a little of everything in some seconds.
func smallPlan(faults ...sim.Fault) sim.Plan {
	return sim.Plan{
		Scenario: "test", Seed: 11,
		World: sim.World{
			Clients: 3, Brokers: 3, LatencyMin: 100 * time.Microsecond, LatencyMean: time.Millisecond,
			Tombstones: 2 * time.Second, RequestTimeout: time.Second,
		},
		Workload: sim.Workload{
			Ops: 120, Workers: 2, Keys: 12, Zipf: 1, Value: 200, Burst: 4, Timeout: 5 * time.Second,
			Put: 30, Delete: 10, Batch: 8, Get: 20, Range: 5, BarrierGet: 5, BarrierRange: 2, Sync: 3, Wait: 6,
		},
		Phases: sim.Phases{
			Before: time.Second, Faults: 6 * time.Second, After: time.Second, Converge: time.Minute, Patience: 10 * time.Second,
		},
		Floors: sim.Floors{Before: 5, During: 10, After: 3, Hits: 1},
		Faults: faults,
	}
}

func TestEveryFaultTakesEffectAndTheStoreHolds(t *testing.T) {
	for _, k := range sim.FaultKinds() {
		t.Run(k.Name, func(t *testing.T) {
			f, err := sim.ParseFault(k.Example)
			if err != nil {
				t.Fatal(err)
			}
			p := smallPlan(f)
			o := virtual(t, p, sim.Env{})
			if o.Status != lin.Held {
				t.Errorf("%s: %s, want held: %v\n%v", k.Example, o.Result, o.Reasons, o.Verdict)
			}
			if len(o.Faults) != 1 || o.Faults[0].Hits == 0 || !o.Faults[0].Injected {
				t.Errorf("faults = %+v, want one that bit", o.Faults)
			}
			if len(o.History.Faults) != 1 || o.History.Faults[0].Text != k.Example || o.History.Faults[0].End.Seq == 0 {
				t.Errorf("the history's faults = %v, want %q with an end", o.History.Faults, k.Example)
			}
		})
	}
}

// TestFaultThatTheWorkloadDoesNotMeetIsMetOnPurpose runs workloads that only read where
// they are.
func TestFaultThatTheWorkloadDoesNotMeetIsMetOnPurpose(t *testing.T) {
	at := sim.Span{From: time.Second, For: time.Second}
	for _, f := range []sim.Fault{
		sim.Revoke{Client: "c2", Right: "write", Span: at},
		sim.SlowBroker{API: "produce", Delay: 20 * time.Millisecond, Count: 2, Span: at},
		sim.SlowBroker{API: "list-offsets", Delay: 20 * time.Millisecond, Count: 2, Span: at},
		sim.FailProduce{Error: "NOT_ENOUGH_REPLICAS", Count: 1, Span: at},
		sim.LoseAnswer{Client: "c1", API: "produce", Count: 1, Span: at},
		sim.BelowMinimum{Span: at},
		sim.AlterTopic{Config: "max.message.bytes", Value: "4096", Span: at},
		sim.ForgetProducers{Mode: "refuse", Span: at},
		sim.ForgetProducers{Mode: "deny", Elections: true, Span: at},
	} {
		t.Run(f.String(), func(t *testing.T) {
			p := smallPlan(f)
			l := &p.Workload
			l.Put, l.Delete, l.Batch, l.BarrierGet, l.BarrierRange, l.Sync, l.Wait = 0, 0, 0, 0, 0, 0, 0
			p.Floors = sim.Floors{Hits: 1}
			o := virtual(t, p, sim.Env{})
			if o.Status != lin.Held || o.Faults[0].Hits == 0 {
				t.Errorf("%s, the fault bit %d times, want held and more than 0: %v", o.Result, o.Faults[0].Hits, o.Reasons)
			}
		})
	}
}

func TestFaultThatHitsNothingMakesTheRunInconclusive(t *testing.T) {
	// Nobody writes.
	p := smallPlan(sim.FailProduce{Error: "NOT_ENOUGH_REPLICAS", Count: 1, Span: sim.Span{From: time.Second, For: time.Second}})
	p.Workload.Put, p.Workload.Delete, p.Workload.Batch = 0, 0, 0
	p.Phases.Patience = 0 // or it is met on purpose
	p.Floors = sim.Floors{Hits: 1}
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Inconclusive || len(o.Reasons) != 1 || o.Reasons[0].Name != "floor: hits of fail-produce" {
		t.Errorf("status %s for %v, want inconclusive for the hits of fail-produce", o.Result, o.Reasons)
	}
}

func TestTooFewWritesMakeTheRunInconclusive(t *testing.T) {
	p := smallPlan()
	p.Floors.Before = 10_000
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Inconclusive || len(o.Reasons) != 1 || o.Reasons[0].Name != "floor: writes before" {
		t.Errorf("status %s for %v, want inconclusive for the writes before", o.Result, o.Reasons)
	}
}

// hung is a client that hangs from the convergence on.
type hung struct{ sim.Client }

func (h hung) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if bytes.HasPrefix(key, []byte("end/")) {
		<-ctx.Done()
		return -1, kvstore.ErrOutcomeUnknown
	}
	return h.Client.PutRevision(ctx, key, value)
}

func TestClientThatHangsIsNotLive(t *testing.T) {
	p := smallPlan()
	p.Phases.Converge = 20 * time.Second
	o := virtual(t, p, sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		c, err := sim.DefaultOpen(ctx, r)
		if r.Client == "c2" {
			return hung{c}, err
		}
		return c, err
	}})
	if o.Status != lin.Violated || len(o.Reasons) < 2 || o.Reasons[0].Name != "liveness" ||
		!strings.HasPrefix(o.Reasons[0].Text, "c2 could not write within 20s") {
		t.Fatalf("status %s for %v, want violated for the liveness of c2", o.Result, o.Reasons)
	}
	for _, r := range o.Reasons[1:] {
		if r.Name != "well-client-serves-in-time" || !strings.HasPrefix(r.Text, "a call of c2 ") {
			t.Errorf("it is also accused of %v, want nothing but its calls", r)
		}
	}
}

// TestEverybodyElseGoesOnWithoutTheDead kills clients and the leader permanently.
func TestEverybodyElseGoesOnWithoutTheDead(t *testing.T) {
	p := smallPlan()
	p.Phases.DeadBroker, p.Phases.DeadClients = "0", 2
	p.Floors.After = 1
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Held || o.Liveness == nil || o.Liveness.Dead != 2 || o.Liveness.Clients != 2 {
		t.Errorf("status %s for %v, liveness %+v, want held with 2 of 4 clients dead", o.Result, o.Reasons, o.Liveness)
	}
}

// TestClientsMayMissDeletionsWhenTheLeaderDies makes tombstones expire before clients have
// found the next leader. Those that reread the log then have a cause.
func TestClientsMayMissDeletionsWhenTheLeaderDies(t *testing.T) {
	reread := 0
	for seed := range uint64(6) {
		p := smallPlan()
		p.Seed = seed + 1
		p.World.LatencyMin, p.World.LatencyMean = 20*time.Millisecond, 30*time.Millisecond
		p.World.Tombstones = 1200 * time.Millisecond
		p.Phases.Faults, p.Phases.DeadBroker = time.Second, "0"
		o := virtual(t, p, sim.Env{})
		if o.Status != lin.Held {
			t.Errorf("seed %d: status %s for %v, want held", p.Seed, o.Status, o.Reasons)
		}
		for _, b := range o.History.Rebuilds {
			if b.Cause == lin.RebuildAbsence {
				reread++
			}
		}
	}
	if reread == 0 {
		t.Error("no client has reread the log, want some: nothing is tested")
	}
}

// A client takes a new producer with each leader, so that nobody may come with one
// that was forgotten.
func TestElectionsThatForgetBite(t *testing.T) {
	p := smallPlan(
		sim.ForgetProducers{Mode: "deny", Elections: true, Span: sim.Span{From: time.Second, For: 2 * time.Second}},
		sim.MoveLeader{Span: sim.Span{From: 1500 * time.Millisecond}},
	)
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Held || o.Faults[0].Hits == 0 {
		t.Errorf("%s, %d hits, want held and some: %v", o.Result, o.Faults[0].Hits, o.Reasons)
	}
}

func TestCompactionRunsUnderAnOpenTransaction(t *testing.T) {
	p := smallPlan(
		sim.Transaction{Records: 4, End: "abort", Span: sim.Span{From: time.Second, For: 3 * time.Second}},
		sim.Compact{Every: 200 * time.Millisecond, Span: sim.Span{From: 1200 * time.Millisecond, For: 2 * time.Second}},
		sim.LoseTail{Records: 5, Span: sim.Span{From: 3500 * time.Millisecond}},
	)
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Held || o.Sometimes["a compaction ran under an open transaction"] == 0 {
		t.Errorf("%s, %v, want held and a compaction under an open transaction: %v", o.Result, o.Sometimes, o.Reasons)
	}
}

// The log begins within a batch, which can't be lost: the log would end before it begins.
func TestTailIsNotLostBelowTheStartOfTheLog(t *testing.T) {
	var faults []sim.Fault
	for at := time.Second; at < 4*time.Second; at += 200 * time.Millisecond {
		faults = append(faults, sim.DeleteRecords{Keep: 1, Span: sim.Span{From: at}},
			sim.LoseTail{Records: 50, Span: sim.Span{From: at + time.Millisecond}})
	}
	p := smallPlan(faults...)
	p.Workload.Put, p.Workload.Delete, p.Workload.Batch = 0, 0, 40
	o := virtual(t, p, sim.Env{})
	if o.Status != lin.Held {
		t.Errorf("%s, want held: %v\n%v", o.Result, o.Reasons, o.Verdict)
	}
	start, lost := int64(0), 0
	for i := range o.History.Log {
		switch l := &o.History.Log[i]; l.Kind {
		case lin.LogTrim:
			start = l.Offset
		case lin.LogTruncate:
			lost++
			if l.Offset < start {
				t.Errorf("the log, which begins at offset %d, was cut at %d", start, l.Offset)
			}
		}
	}
	if lost == 0 {
		t.Error("nothing was lost")
	}
}
