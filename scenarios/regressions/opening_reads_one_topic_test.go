package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestOpeningReadsOneTopic is the smallest case of what was found by
// kvsim run --scenario everything --seed 1105848
//
// monotonic-reads: get("a/2") returned no value, the state at position 0, but get("a/1%00") showed position 16 at 10.788771s
func TestOpeningReadsOneTopic(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1105848
world clients=3 brokers=3 latency.min=100µs latency.mean=500µs latency.max=20ms tombstones=15s request.timeout=2s
workload ops=197 workers=1 keys=6 value=1 burst=1 timeout=5s put=30 delete=4 batch=8 get=30 range=4 barrier-get=2 sync=3
phases before=2s faults=30s after=3s converge=2m0s patience=30s
recreate-topic from=4.854s
recreate-topic from=8.067s
pause client=c3 from=6.847s for=1.602s
lag client=c2 from=6.212s for=2.517s
compact every=91ms from=6.212s for=2.717s
`)
}
