package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteThatWasReadAgainWhileRecordsAreWithheld is the smallest case of what was found by
// kvsim run --scenario everything --seed 6102573
//
// lost-write-not-in-log: delete("a/0") ended at 17.000221s because the log had lost it, but its record was in the log all the time
func TestWriteThatWasReadAgainWhileRecordsAreWithheld(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 6102586
world clients=2 brokers=2 latency.min=100µs latency.mean=1ms latency.max=20ms tombstones=15s request.timeout=2s min.insync=2 fetch.bytes=16000
workload ops=94 workers=1 keys=1 burst=1 timeout=5s delete=12
phases faults=30s converge=2m0s
slow-storage client=c2 delay=52ms from=16.282s for=716ms
lose-tail records=1 from=16.61s
withhold-records from=16.865s for=41ms
compact every=1ms for=45ms
`)
}
