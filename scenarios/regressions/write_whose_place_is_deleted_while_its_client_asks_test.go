package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestWriteWhosePlaceIsDeletedWhileItsClientAsks is the smallest case of what was found by
// kvsim run --scenario data-loss --seed 41065
//
// position-only-advances: put("a/0", c1.3) reported position 4 at 20.653270999s, where its process can't be, after all that it had returned and reported
func TestWriteWhosePlaceIsDeletedWhileItsClientAsks(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario data-loss
seed 41089
world clients=1 brokers=1 latency.min=100µs latency.mean=400µs latency.max=20ms tombstones=15s request.timeout=2s fetch.bytes=4000
workload ops=6 workers=1 keys=1 burst=3 timeout=5s put=30
phases faults=30s converge=2m0s
slow-broker api=offset-for-leader-epoch delay=683ms from=17.137s for=3.411s
delete-records keep=1 from=20.232s
lag client=c1 from=18.236s for=454ms
lose-tail records=1 from=18.518s
compact every=1ms from=18.528s for=2ms
lose-tail records=1 from=21.459s
`)
}
