// Package kafkaworld runs the worlds of package sim on real brokers.
//
// Clients reach the brokers through a network of package simnet: each broker has
// a listener there, and every connection that it accepts is carried on to the
// broker over TCP, byte by byte. So all faults of that network, which knows
// Kafka's frames, can be done to real brokers: latency, stalls, black holes,
// resets in mid-frame, lost requests, and answers that are lost though the broker
// has acted. The harness itself speaks with the brokers directly.
//
//	client - simnet, with its faults - listener - TCP - broker
//	log tap, transactions, admin requests ------- TCP - broker
//
// Each world has a topic of its own, so that the brokers can serve one world
// after the other. Its log is not compacted but while a fault asks for it, and
// then no record that is younger than a second goes, so that the log tap, which
// follows the log, sees every record.
//
// Brokers of package sim are numbered from 0 in the order of their node ids.
package kafkaworld
