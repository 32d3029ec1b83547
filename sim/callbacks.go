package sim

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// callbacksName is the name of the reason when a client called a function that it was given after
// it had been closed.
const callbacksName = "callbacks-end-with-close"

// callbacks are the calls of functions that a process was given: hooks, and the one that hears how
// far an opening is.
type callbacks struct {
	running atomic.Int64
	closed  atomic.Bool
}

// begin notes a call, and reports whether it may be. The returned function notes its end.
func (c *callbacks) begin() (end func(), ok bool) {
	c.running.Add(1)
	return func() { c.running.Add(-1) }, !c.closed.Load()
}

// close notes that no more may be called, and returns how many are under way.
func (c *callbacks) close() int64 {
	c.closed.Store(true)
	return c.running.Load()
}

// calling notes that the client of a process calls what it was given.
func (p *process) calling(what string) (end func()) {
	end, ok := p.callbacks.begin()
	if w := p.slot.w; !ok {
		w.findings.add(callbacksName, "process %d of %s called %s at %v, after it had been closed", p.number, p.slot.name, what, time.Since(w.start))
	}
	return end
}

// leaves judges a client whose Close has returned.
func (p *process) leaves() {
	if n, w := p.ended(), p.slot.w; n > 0 {
		w.findings.add(callbacksName, "process %d of %s was closed at %v, and %d calls of its hooks were under way", p.number, p.slot.name, time.Since(w.start), n)
	}
}

// ended notes that nothing of a client may be left, and returns how many callbacks are under way. If it
// could not be opened, one may be.
func (p *process) ended() int64 {
	p.slot.w.departed.add(p)
	return p.callbacks.close()
}

// longHook is how long a hook has to have been running until its client must say so.
const longHook = time.Second

// judgeBusy judges, in a hook that has been running for long, whether the client says so.
func (p *process) judgeBusy(began time.Time) {
	w := p.slot.w
	if time.Since(began) < longHook || p.crashed.Load() || !p.slot.has(p) || storeOf(p.client) == nil {
		return
	}
	st := p.client.Status()
	if st.State == kvstore.StateFailed || st.State == kvstore.StateClosed {
		return
	}
	if !errors.Is(st.Reading.Err, kvstore.ErrCallbackBusy) || st.Reading.Since.After(began) {
		w.findings.add(readingName, "a hook of %s was called at %v, and when it returns, at %v, Status.Reading says: %+v",
			p.slot.name, began.Sub(w.start), time.Since(w.start), st.Reading)
	}
	if st.State == kvstore.StateLive && st.End < st.Position {
		w.findings.add(statusName, "process %d of %s calls a hook at %v: it shows all up to %d, and says that the log ends at %d", p.number, p.slot.name, began.Sub(w.start), st.Position, st.End)
	}
}
