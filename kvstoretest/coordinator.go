package kvstoretest

import (
	"strconv"
	"time"
)

// WithTransactionDelays sets how slow the coordinator of transactions is: how
// long markers may take after a transaction was ended, and how often it looks for
// those that are open for longer than their client's timeout, which it then
// aborts. Both are drawn from the seed. Zero leaves one as it is. Default: up to
// 200 µs, and 10 s, as in Kafka.
//
// Between the answer to the end of a transaction and its marker, whatever else is
// asked about the transactional id is answered with CONCURRENT_TRANSACTIONS.
func WithTransactionDelays(markers, scan time.Duration) Option {
	return func(c *config) { c.markers, c.scan = markers, scan }
}

// LoadCoordinators makes the brokers answer the next n requests about
// transactional ids with COORDINATOR_LOAD_IN_PROGRESS, as they do for a while
// after they have taken over; 0 means every one until it is undone.
func (k *Kit) LoadCoordinators(n int) *Fault {
	k.t.Helper()
	text := line("load-coordinators", "count", n)
	if !k.countable("LoadCoordinators", n) {
		return k.inert(text)
	}
	f, err := k.cluster.LoadCoordinators(n)
	if err != nil {
		k.fatal("LoadCoordinators: %v", err)
		return k.inert(text)
	}
	return k.lasting(text, f)
}

// MoveCoordinator makes a broker the coordinator of a transactional id. The
// former one answers NOT_COORDINATOR from then on.
func (k *Kit) MoveCoordinator(transactionalID string, to int) *Fault {
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
