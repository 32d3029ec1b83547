package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

// TestLossBeforeARereading is the smallest case of what was found by
// kvsim run --scenario everything --seed 5011809
//
// hooks-complete-and-in-order: hooks were told of new records before they were told which keys a
// loss and a deletion of the start of the log had removed
func TestLossBeforeARereading(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, `kvsim-plan 1
scenario everything
seed 5011809
world clients=5 brokers=3 latency.min=100µs latency.mean=3ms latency.max=20ms tombstones=4s request.timeout=2s delivery.timeout=6s
workload ops=200 workers=1 keys=120 zipf=1.6 value=512 burst=1 timeout=5s put=30 delete=12 batch=12 get=30 range=12 barrier-get=5 barrier-range=2 sync=4 wait=9
phases before=2s faults=30s after=3s converge=2m0s patience=30s
floors before=10 during=20 after=5 hits=1
abandon-transaction records=3 timeout=260ms from=12.704s
abandon-transaction records=5 timeout=2.881s from=8s
abandon-transaction records=1 timeout=2.33s from=17.764s
lag client=c2 from=17.433s for=2.086s
revoke client=c2 right=all from=3.802s for=1.376s
black-hole client=c2 from=19.535s for=4.11s
lose-tail records=11 from=19.544s
delete-records read=true from=21.143s
`)
}
