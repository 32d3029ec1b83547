// Package item packs a key with its value, revision and time into one piece of memory
// without pointers.
package item
