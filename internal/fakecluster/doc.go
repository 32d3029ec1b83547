// Package fakecluster runs kfake, the fake Kafka broker of franz-go, as a
// cluster that a simulation and tests can break and look into.
//
// A [Cluster] has its brokers on an in-memory network (package simnet) or,
// with [Options].TCP, on loopback ports for clients outside the process. It
// creates topics, reads the log back batch by batch, stops and starts
// brokers, moves leaders, compacts, deletes records, loses the tail of a log
// and fails requests before or after the broker acts on them.
//
// Where kfake is not like Kafka, the difference is made up for in the files
// named kfake_*.go, one place for each, each with a test that fails when kfake
// changes so that the place can go.
//
// All methods are safe for concurrent use and return [ErrClosed] after
// [Cluster.Close]. Everything works in real time, in a testing/synctest
// bubble (in memory only; the cluster must be started inside the bubble) and
// on GOOS=wasip1.
package fakecluster
