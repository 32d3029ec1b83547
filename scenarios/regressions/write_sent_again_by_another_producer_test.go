package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteSentAgainByAnotherProducer is a small case of what was found by
// kvsim run --scenario producers, in 11 of its first 30 seeds,
// and finds the mutant resend-under-a-new-id:
//
// acknowledged-write-in-log-once: put("a/0", c1/f1.1.1) is in the log twice, at offsets 1 and 0
func TestWriteSentAgainByAnotherProducer(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario producers
seed 1
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=1 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s patience=1.875s
forget-producers mode=accept for=733ms
lose-answer client=c1 api=produce count=2 for=385ms
`)
}
