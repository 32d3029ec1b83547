// Package fakecluster runs kfake, the fake Kafka broker of franz-go, as a cluster that
// simulations and tests can break and inspect.
//
// A [Cluster] has its brokers on an in-memory network (package simnet) or,
// with [Options].TCP, on loopback ports for clients outside the process. It
// creates topics, reads the log back batch by batch, stops and starts
// brokers, moves leaders, compacts, deletes records, loses the tail of a log
// and fails requests before or after the broker acts on them.
//
// Where kfake differs from Kafka, the files named kfake_*.go make up for it, one place
// for each difference, each with a test that fails when kfake changes and the place can
// go.
//
// The differences that are made up for elsewhere: a draw of leaders (see
// [Cluster.CreateTopic]), retention of compacted topics ([CompactConfigs]), the
// last batch as active segment ([Cluster.Compact]), fetches that wait at a
// former leader ([Cluster.MoveLeader]), producers forgotten in a crash
// (producers.go), admin calls that hang after Close ([ErrClosed]), sleeping
// requests ([Cluster.SlowBroker]). docs/kfake-differences.md lists all of them,
// and those that are left.
//
// The files named kfake_*.go look at requests before kfake does (controls.go).
// Compaction and transactions are Kafka's own rules, as functions of a log
// (cleaning.go) and as a state machine (txn_state.go), that know no broker.
//
// All methods are safe for concurrent use and return [ErrClosed] after
// [Cluster.Close]. Everything works in real time, in a testing/synctest
// bubble (in memory only; the cluster must be started inside the bubble) and
// on GOOS=wasip1. In a bubble, build with -tags synctests when a network has
// latency or faults: kgo waits for its own mutexes while requests are under
// way, and without the tag time can stand still for good.
package fakecluster
