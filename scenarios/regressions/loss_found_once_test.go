package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestLossFoundOnce is a small case of what was found by
// kvsim run --scenario data-loss --seed 5080
//
// rebuild-has-a-cause: c1 (process 1) reread the log at 7.649732671s, but the log had lost records 2 times since it
// began, each of which was already the reason for a rebuild
func TestLossFoundOnce(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario data-loss
seed 5080
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=15s request.timeout=2s fetch.bytes=4000
workload ops=142 workers=1 keys=1 value=1 burst=6 timeout=5s delete=8
phases faults=938ms converge=2m0s
lose-tail records=1 from=5.252s
older-ends back=6 from=5.262s for=351ms
lose-tail records=1 from=5.552s
compact from=2.434s
`)
}
