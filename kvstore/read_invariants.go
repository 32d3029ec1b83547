package kvstore

import "github.com/kvsim/kvsim/kvstore/internal/invariant"

// checkRead holds a read that counts to I6: the storage was not emptied since it passed
// the gate. The numbers say how often it was emptied, before and after the read.
func checkRead(before, after uint64) {
	invariant.Check("I6", before == after, "a read counts, and the storage was emptied %d times meanwhile", after-before)
}

// checkWhole holds a reader of a plain storage to I7: it has its part of the lock only
// while all of each record batch is applied, or none of it.
func (v *indexView) checkWhole() {
	invariant.Check("I7", !v.torn, "a reader has the lock while half of a record batch is applied")
}

// checkWait holds a call that is about to wait for the log to I21: it does not come from
// the goroutine that reads the log and calls the hooks, which would wait for itself.
func (h *hooks) checkWait(call string) {
	invariant.Check("I21", h.goroutine != goroutineID(), "%s waits for the goroutine that calls it", call)
}

// checkAsked holds a caller who joins a question for the end of the log to I13: it is still to
// be asked.
func (c *endCall) checkAsked() {
	invariant.Check("I13", !c.asked.Value(), "a caller gets the answer to a question that was asked before")
}
