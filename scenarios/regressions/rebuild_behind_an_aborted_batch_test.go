package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestRebuildBehindAnAbortedBatch is a small case of what was found by
// kvsim run --scenario transactions --seed 15,
// and finds the mutant epoch-from-records:
//
// rebuild-has-a-cause: c1 (process 1) reread the log at 5.642282697s, but the log had lost nothing since it began
func TestRebuildBehindAnAbortedBatch(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario transactions
seed 6
world clients=1 brokers=2 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=7 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
move-leader from=4ms
transaction records=1 end=abort from=4.151s for=95ms
transaction records=1 end=commit from=4.206s for=1.406s
`)
}
