package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestHostileBatchBelievedToBeNothing is the smallest case of what was found by
// kvsim run --scenario everything --seed 910964
//
// stops-before-a-hostile-batch: c1 is at position 100000 at 3.778220003s, behind the batch at offset 0, which claims:
// brokers withheld the batch for so long that its offsets counted as read; what reads showed was right
func TestHostileBatchBelievedToBeNothing(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 910969
world clients=1 brokers=1 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=15s request.timeout=2s
workload ops=1 workers=1 keys=1 burst=1 timeout=5s get=30
phases converge=2m0s
withhold-records for=2.421s
hostile-batch does=claim for=3.686s
`)
}
