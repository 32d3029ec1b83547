package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestBatchCutByDeletion is a small case of what was found by
// kvsim mutate (the store without a bug), everything, seed 2000036
//
// compacted-log-replays-the-same: the reader of the log took records that had been deleted, because the batch that
// begins the log still holds them
func TestBatchCutByDeletion(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1
world clients=2 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms request.timeout=2s
workload ops=20 workers=1 keys=400 value=16 burst=1 timeout=5s batch=8
phases faults=4s converge=2m0s
delete-records keep=1 from=3.9s
`)
}
