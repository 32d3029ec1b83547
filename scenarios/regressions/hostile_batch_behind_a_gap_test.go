package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestHostileBatchBehindAGap is a small case of what was found by
// kvsim run --scenario everything --seed 1100454
//
// rebuild-has-a-cause: c5 (process 1) reread the log at 9.147138995s, but the log had lost nothing since it began
func TestHostileBatchBehindAGap(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1100454
world clients=5 brokers=3 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=8s request.timeout=2s delivery.timeout=1.5s max.message=3000 fetch.bytes=4000
workload ops=20 workers=1 keys=4 burst=1 timeout=5s put=30
phases before=1s faults=6s after=1s converge=2m0s patience=30s
move-leader from=1.184s
hostile-batch does=claim from=1.638s for=3s
lag client=c5 from=1.04s for=1.928s
compact every=78ms from=1.04s for=2.128s
`)
}
