package kvstoretest

import (
	"strconv"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// WithTransactionDelays sets how slow the coordinator of transactions is. Markers come up to
// the given time after a transaction has ended; scan is the time between two looks for
// transactions that have been open for longer than their client's timeout, which are then
// aborted. The actual delays are drawn from the seed. Zero leaves a
// setting as it is. The defaults are up to 200 µs for markers, and 10 s for scan, as in Kafka.
//
// Between the answer to the end of a transaction and its marker, all other requests about the
// transactional id are answered with CONCURRENT_TRANSACTIONS.
func WithTransactionDelays(markers, scan time.Duration) Option {
	return func(c *config) { c.markers, c.scan = markers, scan }
}

// LoadCoordinators makes the brokers answer the next n requests about transactional ids with
// COORDINATOR_LOAD_IN_PROGRESS, as brokers do for a while after they have become the
// coordinator. 0 means every request until the fault is undone.
func (k *Kit) LoadCoordinators(n int) *Effect {
	k.t.Helper()
	text := line("load-coordinators", "count", n)
	load := func(n int) (fakecluster.Effect, error) { return k.cluster.LoadCoordinators(n) }
	return inject(k, "LoadCoordinators", text, k.countable("LoadCoordinators", n), load, n)
}

// MoveCoordinator makes a broker the coordinator of a transactional id. From then on the
// former one answers NOT_COORDINATOR.
func (k *Kit) MoveCoordinator(transactionalID string, to int) *Effect {
	k.t.Helper()
	text := line("move-coordinator", "broker", strconv.Itoa(to), "id", transactionalID)
	if !k.exists("MoveCoordinator", to) {
		return k.inert(text)
	}
	if err := k.cluster.MoveCoordinator(transactionalID, int32(to)); err != nil {
		k.fatal("MoveCoordinator: %v", err)
		return k.inert(text)
	}
	return k.done(text, 1)
}
