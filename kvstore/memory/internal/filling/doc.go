// Package filling takes in a log until the storage is first read: a hash table without
// pointers whose items lie in chunks.
package filling
