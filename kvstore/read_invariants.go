package kvstore

import "github.com/kvsim/kvsim/kvstore/internal/invariant"

// checkRead checks I6 for a read that counts: the storage was not emptied since the read
// passed the gate. The arguments are how often it had been emptied before and after the
// read.
func checkRead(before, after uint64) {
	invariant.Check("I6", before == after, "a read counts, and the storage was emptied %d times meanwhile", after-before)
}

// checkWhole checks I7 for a reader of a plain storage: it holds its part of the lock only
// while each record batch is applied in full, or not at all.
func (v *indexView) checkWhole() {
	invariant.Check("I7", !v.torn, "a reader has the lock while half of a record batch is applied")
}

// checkWait checks I21 for a call that is about to wait for the log: it does not come from
// the goroutine that reads the log and calls the hooks, which would wait for itself.
func (h *hooks) checkWait(call string) {
	invariant.Check("I21", h.goroutine != goroutineID(), "%s waits for the goroutine that calls it", call)
}

// checkAsked checks I13 for a caller who joins a question about the end of the log: it has
// not been asked yet.
func (c *endCall) checkAsked() {
	invariant.Check("I13", !c.asked.Value(), "a caller gets the answer to a question that was asked before")
}
