package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestLossFoundByAnEnd is a small case of what was found by
// kvsim run --scenario everything --seed 3200678
//
// rebuild-has-a-cause: c3 (process 1) reread the log at 11.910752329s, but the log had lost records 2 times since it
// began, each of which was already the reason for a rebuild
func TestLossFoundByAnEnd(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 3200681
world clients=1 brokers=1 latency.min=100µs latency.mean=1ms latency.max=20ms tombstones=15s request.timeout=2s
workload ops=5 workers=1 keys=1 burst=1 timeout=5s put=30
phases faults=3.75s converge=2m0s
withhold-records from=4.512s for=4.559s
lose-tail records=1 from=4.568s
lose-tail records=3 from=8.876s
`)
}
