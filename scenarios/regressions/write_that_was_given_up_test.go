package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteThatWasGivenUp is a small case of what was found by
// kvsim run --scenario outage --seed 11,
// and finds the mutant write-lives-for-ever:
//
// write-ends-with-its-life: put("a/0", c1.1) of c1 was called at 8.560999ms and came into the log at 3.475393307s: 3.466832308s later, but a write lives for 2.986s
func TestWriteThatWasGivenUp(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario outage
seed 1
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s delivery.timeout=2.986s
workload ops=2 workers=1 keys=1 burst=1 timeout=2.027s put=30
phases converge=2m0s
restart-all for=2.903s
`)
}
