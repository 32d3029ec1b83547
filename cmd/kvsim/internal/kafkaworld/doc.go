// Package kafkaworld runs the worlds of package sim on real brokers.
//
// Clients reach the brokers through a network of package simnet. Each broker has a
// listener there, and every connection that the listener accepts is forwarded to the
// broker over TCP. So all faults of that network, which knows Kafka's frames, also work
// with real brokers: latency, stalls, black holes, resets in mid-frame, lost requests,
// and lost answers to requests on which the broker has acted. The harness itself talks
// to the brokers directly.
//
//	client - simnet, with its faults - listener - TCP - broker
//	log tap, transactions, admin requests ------- TCP - broker
//
// Each world has a topic of its own, so that the brokers can serve one world after the
// other. Its log is compacted only while a fault asks for that, and then no record younger
// than a second is removed, so that the log tap, which follows the log, sees every record.
//
// Brokers of package sim are numbered from 0 in the order of their node ids.
package kafkaworld
