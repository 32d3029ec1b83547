package kvstore

import (
	"fmt"
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

	storing time.Time // since when the storage is busy with a change, zero if it is not

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

// busyStorage notes that the storage starts on a change, or has finished one.
func (h *health) busyStorage(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storing = time.Time{}
	if busy {
		h.storing = time.Now()
	}
}

// storageProblem is a storage that has been busy with one change for so long that it is
// worth reporting: everything behind it waits.
func (h *health) storageProblem() Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slowStorage()
}

// slowStorage is storageProblem for callers that hold mu.
func (h *health) slowStorage() Problem {
	if h.storing.IsZero() || time.Since(h.storing) < repeatInterval {
		return Problem{}
	}
	return Problem{
		Err:   fmt.Errorf("%w: the storage has been busy with a change for %v", ErrStorage, time.Since(h.storing).Round(time.Millisecond)),
		Since: h.storing, Count: 1,
	}
}

// askProblem is what keeps callers from knowing the end of the log.
func (h *health) askProblem() Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asking
}

// readProblem is what blocks reading: the reader's failures come first, since they are what
// keeps the data from being current.
func (h *health) readProblem() Problem {
	if h.reading.Count > 0 {
		return h.reading
	}
	if p := h.slowStorage(); p.Count > 0 {
		return p
	}
	if h.asking.Count > 0 || h.quota == nil {
		return h.asking
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
