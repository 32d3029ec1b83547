package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestMarkerLostWithTheTail is the smallest case of what was found by
// kvsim run --scenario everything --seed 11014
//
// hooks-complete-and-in-order: the hook for offset 0: "a/0" deleted in transaction t1 (foreign) was skipped: the next one to fire was for offset 1
func TestMarkerLostWithTheTail(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 11063
world clients=1 brokers=1 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=4s request.timeout=2s
workload ops=1 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
lose-tail records=1 from=1ms
transaction records=1 end=commit
`)
}
