// Package registry is a client of Confluent's Schema Registry for values of one protobuf
// message: it registers or finds the schema to write with, decides which values may be read
// ([Registry]), and reads as much of a schema as that takes, from its text or its
// descriptor. A registry that fails is not asked for a while, so that it blocks a reader
// once and not once for each value.
//
// Error texts name the options of package kvstore, which is the only user.
package registry
