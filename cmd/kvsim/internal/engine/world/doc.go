// Package world has what an engine and the command exchange about one world: its job, which
// holds a plan as text, and its result, which is plain data. Both can be encoded as JSON, so
// that the world may run in another process or in a guest.
//
// Run is the only place that turns a job into a run of package sim. It takes the time from
// package time, so it does not know which engine calls it. It compiles for GOOS=wasip1.
package world
