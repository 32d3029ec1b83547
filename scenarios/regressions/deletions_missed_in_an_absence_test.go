package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestDeletionsMissedInAnAbsence is a small case of what was found by
// kvsim run --scenario absence, in 24 of its first 40 seeds,
// and finds the mutant no-tombstone-guard:
//
// read-your-writes: range("%00", "%01") returned the state at position 647, but its own delete("b/10") was acknowledged at 13.695601001s at offset 1119
func TestDeletionsMissedInAnAbsence(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario absence
seed 12
world clients=3 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=2.988s request.timeout=2s
workload ops=167 workers=1 keys=12 zipf=0.5 burst=1 timeout=5s put=30 delete=24 batch=8 range=8 barrier-range=2 sync=3 wait=6
phases faults=30s converge=2m0s
compact every=15ms for=30s
stall client=c3 dir=to-broker from=8.143s for=5.446s
`)
}
