package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestRecordsWithheldForAWhile finds the mutant hole-believed-for-good:
//
// hooks-complete-and-in-order: the hook for offset 1: "a/0" = c1.2 was skipped: the next one to fire was for offset 2
func TestRecordsWithheldForAWhile(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario answers
seed 2
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=15s request.timeout=2s
workload ops=3 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
withhold-records for=4.047s
`)
}
