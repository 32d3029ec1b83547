// Package sim runs a store in a simulated world and judges what its clients
// saw.
//
// A [Plan] says what the world is made of (a number of brokers, clients and the
// network between them), what the clients do, and which faults happen when. [Run]
// carries it out: it starts the brokers, opens the clients, lets them work before
// the faults, during the faults and after everything is healed, lets them
// converge, and hands the history to package linearizability. [Outcome] says
// whether every guarantee held, and whether enough was done to say so.
//
//	plan, err := sim.ParsePlan(text)
//	...
//	outcome, err := sim.Run(ctx, plan, sim.Env{})
//
// # Time and chance
//
// The package takes its time from package time and knows no other clock. In a
// testing/synctest bubble time is virtual and a run of minutes takes
// milliseconds; outside of one it takes minutes. All that is random is drawn
// from generators that are seeded by the plan's seed and by their purpose: one
// for each link of the network and direction, one for each worker of each
// client, one for each client's backoff.
//
// In virtual time, equal plans give equal histories, to the nanosecond. The
// scheduler is not under control there, so it must not matter: every delay has
// nanoseconds of its own, so no two events share an instant, and of goroutines
// that one event wakes each waits another number of nanoseconds before it goes
// on. Of 200 seeds of the scenario everything, each run twice, 199 gave the same
// history. What is left to chance:
//
//   - A fault that bites a number of times on links that carry something in the
//     same instant: a broker answers all waiting fetches at once. The scenarios
//     bind such faults to produce requests or to one client; a plan written by
//     hand may not.
//   - franz-go itself: which of two goroutines that the same event wakes comes
//     first, and what Go's select takes when two things are ready.
//
// # What is recorded
//
// Every operation with its outcome, the client's position and the revisions,
// every call of a hook, every fault from begin to end, every append to the log
// before anyone can see it, every compaction, and at the end the full state of
// every client, of a fresh one and of the log itself.
//
// A client that crashes takes its memory along: its calls never return, and the
// next process of the client begins with an empty storage.
package sim
