package kvstore

import (
	"sync"
	"time"
)

// health keeps the part of Status that changes as the client runs.
type health struct {
	mu      sync.Mutex
	reading Problem // of the goroutine that follows the log
	asking  Problem // of the requests for the log's end, which Sync waits for
	writing Problem
	quota   func() Problem // quotas that the client has used up; may be nil

	callout callout // of the goroutine that follows the log

	follows unanswered // of that goroutine
	fetches unanswered // of the fetch that is sent ahead
	ends    unanswered // of what asks for the log's end

	writeQuota func() Problem // quotas that writes have used up; may be nil
	topic      Problem
	state      State
	since      time.Time
	err        error
	end        int64
	target     int64 // of the opening, -1 until known
	skipped    int64
	rebuilds   int64
}

func newHealth() *health { return &health{state: StateOpening, since: time.Now(), end: -1, target: -1} }

// set enters a state. Failed is left only for Closed, Closed never.
func (h *health) set(s State, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == StateClosed || h.state == StateFailed && s != StateClosed {
		return
	}
	if h.state != s {
		h.state, h.since = s, time.Now()
		if s == StateRebuilding {
			h.rebuilds++
		}
	}
	h.err = err
}

// stalled enters StateStalled from StateLive only: a client that is opening or rebuilding
// stays in that state while it meets errors.
func (h *health) stalled(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.state {
	case StateLive:
		h.state, h.since = StateStalled, time.Now()
		h.err = err
	case StateStalled:
		h.err = err
	}
}

// flowing ends StateStalled.
func (h *health) flowing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == StateStalled {
		h.state, h.since, h.err = StateLive, time.Now(), nil
	}
}

// note tells a problem that it was met again, or if err is nil, that it is over.
func (h *health) note(p *Problem, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		*p = Problem{}
		return
	}
	*p = p.met(err)
}

// unanswered is a request of the goroutine that follows the log which has no answer for at least so
// much longer than it may take.
func (h *health) unanswered(longer time.Duration) Problem {
	if p := h.follows.problem(longer); p.Count > 0 {
		return p
	}
	return h.fetches.problem(longer)
}

// askProblem is what keeps callers from knowing the end of the log.
func (h *health) askProblem() Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asking
}

// readProblem is what blocks reading: code of the program that does not return comes first, since
// until then nothing else is tried, and then the reader's failures, since they are what keeps the
// data from being current.
func (h *health) readProblem() Problem {
	p := h.reading
	if p.Count == 0 {
		p = h.asking
	}
	p = h.callout.problem().besides(p)
	if p.Count > 0 || h.quota == nil {
		return p
	}
	return h.quota()
}

// writeProblem is what blocks writing.
func (h *health) writeProblem() Problem {
	if h.writing.Count > 0 || h.writeQuota == nil {
		return h.writing
	}
	return h.writeQuota()
}

func (h *health) sawEnd(end int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end = end
}

func (h *health) setTarget(target int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.target = target
}

func (h *health) openTarget() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.target
}

func (h *health) skip(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.skipped += n
}
