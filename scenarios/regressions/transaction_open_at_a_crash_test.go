package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestTransactionOpenAtACrash is the smallest case of what was found by
// kvsim run --scenario everything --seed 15712
//
// compacted-log-replays-the-same: what log read from the log differs from the log at position 5 in 1 keys: key "a/1%00" has x.1, want no value: the key was never written
func TestTransactionOpenAtACrash(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 15729
world clients=1 brokers=1 latency.min=100µs latency.mean=500µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=2 workers=1 keys=2 burst=1 timeout=5s put=30
phases faults=15s converge=2m0s
transaction records=1 end=abort from=12.819s for=1.621s
lose-tail records=1 from=14.359s
`)
}
