// Package position has what a client's callers wait for and look at while the client
// follows the log: its position in the log with the queue of waiters ([Tracker]), whether
// reads may pass ([Gate]), and which producers wrote the last records ([Recent]). It knows
// no broker, no storage and no error of the client.
//
// One goroutine follows the log and moves the position; any number of others wait. No
// lock is held while anyone waits.
package position
