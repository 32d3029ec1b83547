package kvrapid

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// Cluster is what the clients of a run connect to: a *kvstoretest.Kit, or real brokers with
// an empty topic that belongs to the run.
type Cluster interface {
	// Topic is the store's topic.
	Topic() string
	// ClientOptions connect a client with that name.
	ClientOptions(name string) []kvstore.ClientOption
	// Log reads the topic's log from its start to its end.
	Log() kvstoretest.Log
}

var _ Cluster = (*kvstoretest.Kit)(nil)

// Config says what to check. The zero value checks kvstore itself, on kvstore/memory, with
// faults.
type Config struct {
	// Kit are options for the kit on which each run is made. A kit has two brokers, both of
	// which have to be in sync, a max.message.bytes of 64 KiB and, in a synctest bubble, a latency
	// of a millisecond, unless set here.
	Kit []kvstoretest.Option

	// Cluster makes something other than a kit for each run. Faults, foreign records and
	// transactions are then left out.
	Cluster func(t testing.TB) Cluster

	// Storage makes the storage of each client. Default: memory.New.
	Storage func(t testing.TB) kvstore.Storage

	// Options are additional options of each client.
	Options []kvstore.ClientOption

	// Wrap wraps each client; the wrapper is what is checked.
	Wrap func(client *kvstore.Client) kvstoretest.Store

	// Clients is how many clients are open at a time. Default: 2.
	Clients int

	// Keys and Values generate what is written. Keys must not be empty.
	// Default: Keys() and Values().
	Keys, Values *rapid.Generator[[]byte]

	// NoFaults leaves the faults out.
	NoFaults bool

	// Patience is how long an operation may take while nothing blocks it. Default: 30 s.
	Patience time.Duration

	// Impatience is how long an operation may take while a fault blocks it, such as a
	// stopped broker. Default: 20 ms.
	Impatience time.Duration
}

func (c Config) withDefaults() Config {
	if c.Storage == nil {
		c.Storage = func(testing.TB) kvstore.Storage { return memory.New() }
	}
	if c.Wrap == nil {
		c.Wrap = func(client *kvstore.Client) kvstoretest.Store { return client }
	}
	if c.Clients <= 0 {
		c.Clients = 2
	}
	if c.Keys == nil {
		c.Keys = Keys()
	}
	if c.Values == nil {
		c.Values = Values()
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	if c.Impatience <= 0 {
		c.Impatience = 20 * time.Millisecond
	}
	if c.Cluster == nil {
		kit := []kvstoretest.Option{
			kvstoretest.WithBrokers(2),
			kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "65536", "min.insync.replicas": "2"}),
		}
		if inBubble() {
			// Without it everything happens at one instant, in an order that the scheduler
			// chooses, and a failure does not repeat.
			kit = append(kit, kvstoretest.WithLatency(time.Millisecond))
		}
		kit = append(kit, c.Kit...)
		c.Cluster = func(t testing.TB) Cluster { return kvstoretest.New(t, kit...) }
	}
	return c
}

// Check checks that the store does what its documentation says, with random operations on
// several clients, random faults, and a model of the expected results. A failure is reduced
// to a short sequence of operations, which the test output lists together with the flag
// that repeats it.
//
// It also works in a synctest bubble, where faults take no real time. One bubble contains
// the whole check:
//
//	synctest.Test(t, func(t *testing.T) { kvrapid.Check(t, kvrapid.Config{}) })
//
// The flags of rapid apply: -rapid.checks is the number of runs, -rapid.steps that of
// operations in a run, -rapid.shrinktime how long to spend on reducing a failure. In a
// bubble that is simulated time, which passes at a pace of its own: with many time-outs an
// hour passes in a moment, and with a latency of zero it may not pass at all.
//
// A failure that is caused by the operations, and not by a race, repeats whenever the
// operations do: before each operation the machine waits until nothing is on its way,
// except what a fault blocks. In real time that holds only while no fault is active.
func Check(t testing.TB, cfg Config) {
	t.Helper()
	// rapid takes a *testing.T to be outside a bubble.
	rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) { Run(rt, cfg) })
}

// Run makes one run of [Check], for rapid.MakeFuzz and for properties of your own.
func Run(t *rapid.T, cfg Config) {
	t.Helper()
	m := newMachine(t, cfg.withDefaults())
	actions := m.actions()
	for name, do := range actions {
		actions[name] = func(t *rapid.T) {
			m.quiet(t)
			do(t)
		}
	}
	t.Repeat(actions)
	m.quiet(t)
	m.finish(t)
}
