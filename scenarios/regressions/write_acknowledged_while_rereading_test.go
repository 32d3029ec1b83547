package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteAcknowledgedWhileRereading is the smallest case of what was found by
// kvsim run --scenario data-loss --seed 5080003
//
// lost-write-not-in-log: a write that was acknowledged while its client had reread nothing yet was reported
// as lost, as if the client only believed to have read
func TestWriteAcknowledgedWhileRereading(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario data-loss
seed 5080003
world clients=5 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=200 workers=4 keys=1 value=1 burst=6 timeout=5s put=30 delete=8 batch=8 get=30 range=8 barrier-get=5 barrier-range=2 sync=3 wait=6
phases before=4ms faults=30s after=3s converge=2m0s patience=30s
slow-storage delay=98ms from=1.573s for=2.226s
lose-tail records=11 from=1.735s
lose-tail records=3 from=2.591s
lose-tail records=17 from=2.774s
`)
}
