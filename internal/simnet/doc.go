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
// Kafka sends frames: a big-endian length of 4 bytes, then that many bytes. A
// link collects what is written until a frame is whole and then carries it as
// one unit: a frame is delayed, held, lost or cut, never half a frame by
// accident. Requests and answers are matched by their correlation id, so a
// fault can name the request (the api key) whose answer it wants to lose. TLS
// hides the frames; a network with [Config].Raw set carries every Write as a
// unit of its own instead, and targets that name api keys select nothing there.
//
//	client                    link to broker                     broker
//	Write ----> [collect frame][faults][latency][FIFO] ----> Read
//	Read  <---- [FIFO][latency][faults][collect frame] <---- Write
//	                          link to client
//
// # Time
//
// Each direction of each connection draws its delays from a random stream of
// its own, seeded by (seed, client, broker, dial number, direction) while it
// is opened and, once its first request tells what it is for, by that request's
// api key and the number of such connections before (clients dial several at
// one instant, which nothing orders). What happens on one link never changes
// the draws of another.
//
// Delays have nanosecond resolution, and each use of each link has a [Lane], a
// nanosecond of every 10 microseconds, in which all its deliveries happen. So no
// two deliveries of one network share an instant, and neither do a delivery and
// what the user of the network does in lanes of its own. Frames that are sent at one
// instant on one connection are one delivery: nothing orders goroutines that send them
// then, so none may be later for having been second. Inside a
// testing/synctest bubble the order of events is then the order of their
// instants, and the same seed gives the same run.
//
// With the zero [Latency] nothing is delayed and no timer and no goroutine is
// used: a Write makes the bytes readable at once at the other end.
//
// Everything works in real time, in a synctest bubble (the network must then
// be made inside it) and on GOOS=wasip1. The network starts no goroutines; it
// uses time.AfterFunc for delays.
//
// # Differences from TCP
//
// Write never blocks: buffers are unbounded, and a write deadline matters only
// when it has already passed. A connection that lost a frame in a black hole
// stays silent in that direction for good, even after the fault is undone:
// TCP has no holes in its stream. New connections work.
package simnet
