package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteSentAgainBelowADeletedBegin is a small case of what was found by
// kvsim run --scenario everything --seed 911006
//
// unknown-write-at-most-once: put("a/1%00", c5/2.31) is in the log twice, at offsets 355 and 338
func TestWriteSentAgainBelowADeletedBegin(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 4
world clients=2 brokers=1 latency.min=100µs latency.mean=500µs latency.max=20ms tombstones=4s request.timeout=1s delivery.timeout=6s
workload ops=7 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
delete-records keep=1 from=1ms
forget-producers mode=accept every=1ms for=2ms
black-hole client=c2 dir=to-client for=1ms
`)
}
