package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestRecordThatAnotherLeaderStillHasIsToldOnce is a small case of what was found by
// kvsim run --scenario everything --seed 1106125
// when leaders brought back what compaction had removed without a fault that said so. It finds the
// mutants tells-again-what-came-back and takes-a-second-try-for-a-loss: the client rereads the log,
// is away again before it gets to where it was, and rereads it at a leader that has not compacted it.
//
// hooks-complete-and-in-order: set hook for "%005%FF" = c2.5 fired twice
func TestRecordThatAnotherLeaderStillHasIsToldOnce(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1
world clients=2 brokers=2 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=2s request.timeout=2s fetch.bytes=1000
workload ops=300 workers=2 keys=6 burst=1 value=512 timeout=5s put=30 delete=4 get=30
phases faults=10s converge=2m0s patience=30s
compact every=100ms for=800ms
lag client=c1 from=1s for=2.5s
lag client=c1 from=3.53s for=2.5s
uncompacted-leader from=3.8s for=2.3s
`)
}
