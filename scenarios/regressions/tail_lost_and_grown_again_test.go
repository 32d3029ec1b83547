package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestTailLostAndGrownAgain is the smallest case of what was found by
// kvsim run --scenario everything --seed 11729
//
// barrier-sees-all-acknowledged: get("a/0") returned c2.69, the state at position 148, but get("a/0") had shown at 8.179570092s that the log reached position 143, before the barrier began
func TestTailLostAndGrownAgain(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 11890
world clients=2 brokers=1 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=4s request.timeout=2s
workload ops=200 workers=1 keys=1 value=1 burst=4 timeout=5s put=30 delete=4 get=30 barrier-get=5 sync=4 wait=6
phases converge=2m0s
lose-tail records=5 from=7.768s
fail-storage client=c1 from=7.354s for=692ms
`)
}
