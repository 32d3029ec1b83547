package kvstore

import (
	"errors"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// checkTry holds a try that is about to be sent to I15 and I17: no write of the batch can
// be taken back any more, and a batch in doubt keeps its identity.
func (w *writer) checkTry(b *recordBatch, doubt bool, was sender) {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	invariant.Check("I15", w.queue.handed, "a try goes out of a batch of %d records whose writes can be taken back", b.records)
	invariant.Check("I17", !doubt || b.who == was, "a batch in doubt goes as %+v, and went as %+v", b.who, was)
}

// checkVerdict holds a judgement to I16: doubt stays, and what may have been appended is
// neither refused nor sent under another identity.
func checkVerdict(was, is trial, v verdict) {
	invariant.Check("I16", is.doubt || !was.doubt, "doubt is forgotten, with verdict %d", v)
	definite := v == verdictRefused || v == verdictRenew
	invariant.Check("I16", !is.doubt || !definite, "verdict %d over a batch in doubt", v)
}

// checkOutcome holds what callers are told to I16, by what the tries of the batch came to.
func checkOutcome(t trial, d delivered) {
	definite := errors.Is(d.outcome, ErrNotWritten) || errors.Is(d.outcome, ErrRefused)
	invariant.Check("I16", !t.doubt || !definite, "a batch in doubt ends with %v", d.outcome)
}

// checkFront holds the writer to I15: nothing is on its way when the next batch is
// taken from the queue, and what queues has no outcome.
func (w *writer) checkFront(busy bool) {
	invariant.Check("I15", busy != w.busy.Swap(busy), "busy is %v twice: two batches are on their way, or one ended twice", busy)
}
