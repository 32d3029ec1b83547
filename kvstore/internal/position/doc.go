// Package position has what a client's callers wait for and look at while the log is
// followed: the client's position in the log and the queue of those who wait for it
// ([Tracker]), whether reads may pass ([Gate]), and whose the last records were
// ([Recent]). It knows no broker, no storage and no error of the client.
//
// One goroutine follows the log and moves the position; any number of others wait. No
// lock is held while anybody waits.
package position
