package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestRecordThatAnotherLeaderStillHasIsToldOnce is the smallest case of what was found by
// kvsim run --scenario everything --seed 1106125
//
// hooks-complete-and-in-order: set hook for "a/0" = c1.10 fired twice
func TestRecordThatAnotherLeaderStillHasIsToldOnce(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1106125
world clients=2 brokers=2 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=1.2s request.timeout=2s delivery.timeout=6s
workload ops=174 workers=1 keys=2 burst=1 timeout=5s put=30 delete=8 batch=4 get=30 range=4 barrier-get=7 barrier-range=1 sync=1 wait=6
phases faults=30s converge=2m0s patience=30s
compact every=1ms for=1.332s
transaction records=1 end=commit from=282ms for=732ms
hostile-batch does=claim from=472ms for=1ms
revoke client=c1 right=all from=2.118s for=717ms
`)
}
