package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestRecordsWithheldFromARereader is the smallest case of what was found by
// kvsim run --scenario everything --seed 911028,
// and finds the mutant withheld-records-taken-back:
//
// invariant: panic: kvstore: broken invariant I20: the record at 0 is remembered behind that at 0
func TestRecordsWithheldFromARereader(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 911038
world clients=1 brokers=1 latency.min=100µs latency.mean=1ms latency.max=20ms tombstones=8s request.timeout=2s delivery.timeout=6s
workload ops=3 workers=1 keys=1 burst=1 timeout=5s put=30
phases faults=7.5s converge=2m0s
withhold-records from=14.654s for=4.566s
silence from=11.81s for=955ms
`)
}
