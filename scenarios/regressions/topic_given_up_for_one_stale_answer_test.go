package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestTopicGivenUpForOneStaleAnswer is a small case of what was found by
// kvsim run --scenario answers, in 15 of its first 30 seeds,
// and finds the mutant one-stale-answer-is-believed:
//
// gone-topic-was-there: process 1 of c1 gave its topic up at 68.800999ms, but nobody had deleted it: put "a/0": not written: metadata: topic was deleted and created again: said by all who answered for 0s: topic "kv" has another id than before: ee000000000000000000000000000001, before it was c8ff8cba99ba8ad5cdceac33c5074120
func TestTopicGivenUpForOneStaleAnswer(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario answers
seed 3
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=4s request.timeout=2s
workload ops=1 workers=1 keys=1 burst=1 timeout=5s put=30
phases converge=2m0s
stale-metadata knows=other-id count=1 for=58ms
`)
}
