package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestLossWhosePlaceWasDeleted is the smallest case of what was found by
// kvsim run --scenario everything --seed 1320849
//
// range-at-one-position: range("", end) returned a state that the log never had
func TestLossWhosePlaceWasDeleted(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1320849
world clients=3 brokers=3 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=4s request.timeout=2s
workload ops=200 workers=2 keys=6 zipf=1.6 value=256 burst=4 timeout=5s put=30 delete=8 batch=12 get=30 range=8 barrier-get=5 barrier-range=1 sync=1 wait=3
phases before=2s faults=30s after=3s converge=2m0s patience=30s
below-min-insync from=13.464s for=2.522s
hostile-batch does=inflate removed=compact from=8.079s for=501ms
hostile-batch does=inflate from=12.654s for=1.363s
silence from=12.087s for=1.431s
silence broker=leader from=8.001s for=3.818s
lose-tail records=3 from=8.389s
keyless records=1 from=10.834s
`)
}
