package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestLogReadAnewWhileAWriteIsConfirmed is the smallest case of what was found by
// kvsim run --scenario data-loss --seed 11
//
// acknowledged-write-visible: put("a/0", c1.137) was acknowledged when c1 was at position 0, but its record is at offset 266
func TestLogReadAnewWhileAWriteIsConfirmed(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario data-loss
seed 332
world clients=2 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=180 workers=1 keys=1 burst=1 timeout=5s put=30 sync=3
phases faults=15s converge=2m0s
lose-tail records=1 from=15.919s
slow-storage delay=71ms from=15.103s for=1.133s
`)
}
