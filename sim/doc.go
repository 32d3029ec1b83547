// Package sim runs a store in a simulated world and judges what its clients
// saw.
//
// A [Plan] says what the world is made of (brokers, clients and the network between
// them), what the clients do, and which faults happen when. [Run] carries it out: it
// starts the brokers, opens the clients, lets them work before the faults, during the
// faults and after everything has healed, lets them converge, and hands the history to
// package linearizability. [Outcome] says whether every guarantee held, and whether
// enough was done to say so.
//
//	plan, err := sim.ParsePlan(text)
//	...
//	outcome, err := sim.Run(ctx, plan, sim.Env{})
//
// # Time and chance
//
// The package takes its time from package time and uses no other clock. In a
// testing/synctest bubble time is virtual and a run of minutes takes milliseconds; outside
// of one it takes minutes. All random choices come from generators that are seeded by the
// plan's seed and by their purpose: one for each link of the network and direction, one for
// each worker of each client, one for each client's backoff.
//
// In virtual time, equal plans give equal histories, to the nanosecond, and equal logs.
// Nothing controls the scheduler there, so it must not matter. Everything that acts at
// times of its own has one nanosecond of each 10 microseconds to itself (see lane.go and
// simnet.Lane): each worker, each fault, each client's hooks and storage, each use of each
// link. So no two events fall on one instant, by construction and not by luck, and
// goroutines woken by the same event each continue in their own lane. docs/cli.md says
// under "bench" how often a seed repeats and what is left to chance.
//
// # What is recorded
//
// Every operation with its outcome, the client's position and the revisions; every call
// of a hook; every fault from start to end; every append to the log, before anyone can
// see it; every compaction; and at the end the full state of every client, of a fresh
// one, and of the log itself.
//
// A client that crashes loses its memory: its calls never return, and the next process of
// the client begins with an empty storage.
package sim
