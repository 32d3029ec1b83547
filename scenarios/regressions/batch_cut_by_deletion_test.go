package regressions_test

import (
	"testing"
	"testing/synctest"

	"github.com/kvsim/kvsim/sim"
)

// TestBatchCutByDeletion is a small case of what was found by
// kvsim mutate (the store without a bug), everything, seed 2000036
//
// compacted-log-replays-the-same: the reader of the log took records that had been deleted, because the batch that
// begins the log still holds them
func TestBatchCutByDeletion(t *testing.T) {
	t.Parallel()
	plan, err := sim.ParsePlan(`kvsim-plan 1
scenario everything
seed 1
world clients=2 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms request.timeout=2s
workload ops=20 workers=1 keys=400 value=16 burst=1 timeout=5s batch=8
phases faults=4s converge=2m0s
delete-records keep=1 from=3.9s
`)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		outcome, err := sim.Run(t.Context(), plan, sim.Env{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range outcome.Reasons {
			t.Errorf("%v: %s: %s", outcome.Status, r.Name, r.Text)
		}
	})
}
