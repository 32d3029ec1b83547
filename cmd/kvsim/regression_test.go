package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// The generated test must look like those in scenarios/regressions, which are compiled and
// run.
func TestRegressionTestIsCommentNameAndPlan(t *testing.T) {
	t.Parallel()
	const plan = `kvsim-plan 1
scenario lag
seed 7
world clients=1 brokers=1 latency.min=100µs latency.mean=3ms latency.max=20ms request.timeout=2s
workload ops=1 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
`
	p, err := sim.ParsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	got, err := regressionTest(p, "kvsim run --scenario lag --seed 11", world.Reason{Name: "read-your-writes", Text: "get(\"a/0\") returned nothing\nbut it had been written"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestReadYourWritesSeed7 is the smallest case of what was found by
// kvsim run --scenario lag --seed 11
//
// read-your-writes: get("a/0") returned nothing
// but it had been written
func TestReadYourWritesSeed7(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, ` + "`" + plan + "`" + `)
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("regressionTest, - want, + got:\n%s", diff)
	}
}
