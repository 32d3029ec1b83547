// Package simnet is an in-memory network for Kafka clients and brokers, with
// latency and faults on every link.
//
// A [Network] joins named clients to numbered brokers. A broker listens with
// [Network.Listen] (the signature of net.Listen, so it fits kfake.ListenFn); a
// client dials with the function that [Network.Dialer] returns (the signature
// of kgo.Dialer). The connections are net.Conn values with the errors of real
// TCP: ECONNREFUSED on dial, ECONNRESET after a reset, io.EOF after an orderly
// close, os.ErrDeadlineExceeded after a deadline.
//
// # Frames
//
// Kafka sends frames: a big-endian length of 4 bytes, then that many bytes. A link
// collects what is written until a frame is complete, and then delays, holds, loses
// or cuts it as one unit. Answers are matched with requests by their correlation id,
// so a fault can lose the answers to requests with a given api key. TLS hides the
// frames. With [Config].Raw set, a network carries every Write as a unit of its own
// instead, and targets that name api keys select nothing.
//
//	client                    link to broker                     broker
//	Write ----> [collect frame][faults][latency][FIFO] ----> Read
//	Read  <---- [FIFO][latency][faults][collect frame] <---- Write
//	                          link to client
//
// # Time
//
// Each direction of each connection draws its delays from a random stream of its own.
// While the connection is being opened, the stream is seeded by (seed, client, broker,
// dial number, direction). The first request that says what the connection is for
// replaces the dial number by that request's api key and the number of such connections
// before it, because clients dial several connections at one instant, in no particular
// order. What happens on one link never changes the draws of another.
//
// Delays have nanosecond resolution. Each use of each link has a [Lane], which is one
// nanosecond of every 10 microseconds, and all its deliveries happen in that lane. So no
// two deliveries of one network happen at the same instant, nor does a delivery happen at
// the same instant as anything that the user of the network does in the lanes reserved for
// it. Frames sent on one connection at one instant are delivered together: the goroutines
// that send them run in no particular order, so the order must not matter. Inside a
// testing/synctest bubble the order of events is then the order of their instants, and the
// same seed gives the same run.
//
// With the zero [Latency] nothing is delayed, and no timer is used: a Write makes the
// bytes readable at the other end immediately.
//
// Everything works in real time, in a synctest bubble (the network must then
// be made inside it) and on GOOS=wasip1. The network starts no goroutines; it
// uses time.AfterFunc for delays.
//
// # Differences from TCP
//
// Write never blocks: buffers are unbounded, and a write deadline matters only if it
// has already passed. A connection that lost a frame in a black hole stays silent in
// that direction even after the fault is undone, because a TCP stream can't have
// holes. New connections work.
package simnet
