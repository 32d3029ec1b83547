// Package registry is a client of Confluent's Schema Registry for values of one protobuf
// message: it registers or finds the schema to write with, decides which values may be
// read ([Registry]), and reads as much of a schema as that takes, from its text or its
// descriptor. A registry that fails is left alone for a while, so that it holds up a
// reader once and not once for each value.
//
// The texts of errors name the options of package kvstore, which is the only user.
package registry
