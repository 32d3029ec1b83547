// Package fakecluster runs kfake, the fake Kafka broker of franz-go, as a cluster that
// simulations and tests can break and inspect.
//
// A [Cluster] has its brokers on an in-memory network (package simnet) or,
// with [Options].TCP, on loopback ports for clients outside the process. It
// creates topics, reads the log back batch by batch, stops and starts
// brokers, moves leaders, compacts, deletes records, loses the tail of a log
// and fails requests before or after the broker acts on them.
//
// The files named kfake_*.go make up for differences between kfake and Kafka. Each
// difference has one place in the code, and a test that fails once kfake has changed and
// the place can be removed. The code in these files gets requests before kfake does
// (controls.go).
//
// Other differences are made up for elsewhere: kfake draws leaders at random (see
// [Cluster.CreateTopic]), applies retention to compacted topics ([CompactConfigs]), has no
// active segment to leave out ([Cluster.Compact]), lets fetches wait at a former leader
// ([Cluster.MoveLeader]), forgets producers in a crash (producers.go), hangs in admin calls
// after Close ([ErrClosed]), and mixes up requests that sleep ([Cluster.SlowBroker]).
// docs/kfake-differences.md lists all differences, including those that are left.
//
// Compaction and transactions follow Kafka's own rules. Compaction is a function of a log
// (cleaning.go) and transactions are a state machine (txn_state.go); neither knows brokers.
//
// All methods are safe for concurrent use, and return [ErrClosed] after [Cluster.Close].
// Everything works in real time, in a testing/synctest bubble (in memory only; the cluster
// must be started inside the bubble), and on GOOS=wasip1. In a bubble, if the network has
// latency or faults, build with -tags synctests: kgo waits for its own mutexes while
// requests are under way, and without the tag time may stand still.
package fakecluster
