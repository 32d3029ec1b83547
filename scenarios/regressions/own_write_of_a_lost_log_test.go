package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestOwnWriteOfALogThatWasLostIsNotTakenForANewOne is the smallest case of what was found by
// kvsim run --scenario unclean --seed 2
//
// monotonic-reads: get("a/1%00") returned c1.20, the state at position 164, but put("a/0", c1.22) showed position 167 at 12.805530999s
func TestOwnWriteOfALogThatWasLostIsNotTakenForANewOne(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario unclean
seed 3
world clients=3 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=176 workers=2 keys=4 zipf=0.9 burst=5 timeout=5s put=60 delete=8 batch=8 get=30 range=8 barrier-get=5 barrier-range=2 sync=3 wait=6
phases faults=30s converge=2m0s
slow-storage delay=249ms from=11.913s for=700ms
lose-tail records=3 from=12.613s
slow-broker api=offset-for-leader-epoch delay=326ms from=11.695s for=341ms
lose-tail records=1 from=11.895s
`)
}
