package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteSentAgainAfterItWasCompactedAway is what [TestWriteSentAgainBelowADeletedBegin] is,
// with compaction, which leaves no batch of a producer that the broker has forgotten.
func TestWriteSentAgainAfterItWasCompactedAway(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 1
world clients=2 brokers=1 latency.min=100µs latency.mean=500µs latency.max=20ms tombstones=4s request.timeout=1s delivery.timeout=6s
workload ops=20 workers=1 keys=1 burst=1 timeout=5s put=30
phases faults=2s converge=2m0s
compact every=100ms for=2s
forget-producers mode=accept every=3ms for=2s
black-hole client=c2 dir=to-client for=800ms
`)
}
