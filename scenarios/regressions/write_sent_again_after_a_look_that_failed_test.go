package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteSentAgainAfterALookThatFailed is the smallest case of what was found by
// kvsim run --scenario everything --seed 604326
//
// acknowledged-write-in-log-once: put("a/0", c1.2) is in the log twice, at offsets 2 and 1
func TestWriteSentAgainAfterALookThatFailed(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 604428
world clients=1 brokers=1 latency.min=100µs latency.mean=500µs latency.max=20ms tombstones=4s request.timeout=2s delivery.timeout=1.5s
workload ops=14 workers=1 keys=1 value=1 burst=1 timeout=5s put=30 barrier-range=3
phases faults=29ms converge=2m0s
lose-answer api=produce count=1 for=1.937s
silence broker=leader for=1.12s
forget-producers mode=deny from=27ms for=1.657s
`)
}
