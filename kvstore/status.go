package kvstore

import (
	"fmt"
	"sync"
	"time"
)

// State is what a client is doing.
type State int

// The states of a client.
const (
	// StateOpening: NewClient has not returned yet.
	StateOpening State = iota

	// StateLive: the client follows the log.
	StateLive

	// StateStalled: the client can't read the log, or can't store what it has read. Reads
	// are answered, but may be stale; the client keeps trying. Only when a storage failed
	// in the middle of a batch do reads wait, so as not to show half of it.
	StateStalled

	// StateRebuilding: the log lost records that the client had applied, or
	// was about to ([ErrDataLoss]), or the client may have missed deletions
	// ([ErrTombstonesExpired]), or records turned up where the leader had
	// answered nothing ([ErrRecordsWithheld]). Reads wait until the client's data equals the
	// log again.
	StateRebuilding

	// StateFailed: the client can't go on. The topic is gone or is another
	// one, code that the client was given panicked ([PanicError]) or ended its
	// goroutine, or a context given with kgo.WithContext ended. Every operation
	// fails with [Status].Err; close the client and open another.
	StateFailed

	// StateClosed: Close was called.
	StateClosed
)

// String returns the state's name in lower case.
func (s State) String() string {
	names := [...]string{"opening", "live", "stalled", "rebuilding", "failed", "closed"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return names[s]
}

// Status says what state a client is in, since when, and why.
type Status struct {
	State State

	// Since is when the client entered State.
	Since time.Time

	// Err is why, nil in StateOpening and StateLive.
	Err error

	// Position is the next offset to apply: reads show all records below it.
	Position int64

	// End is the high watermark that the last fetch saw, -1 before it.
	End int64

	// Lag is the number of offsets between Position and End.
	Lag int64

	// Reading is what holds up the reading of the log, or keeps what was
	// read from being shown: brokers that can't be reached or refuse, a
	// quota, a storage that fails or is slow, an open transaction of another producer,
	// a loss that is being rebuilt from.
	Reading Problem

	// Writing is what holds up writes: brokers that can't be reached or
	// refuse, too few replicas in sync, a quota, a missing right. It is what
	// writes met last: a client that writes nothing does not learn that it is
	// over. Always zero for a read-only client.
	Writing Problem

	// Topic is what makes the topic's configuration unfit for a store, since it was found
	// to be so: a cleanup.policy that removes keys, a delete.retention.ms that nobody can
	// keep up with. The client goes on, and the problem ends when the setting is
	// corrected. [TopicValidationSkip] keeps it zero.
	Topic Problem

	// SkippedRecords counts records without a key, which somebody else
	// wrote and which mean nothing to a key-value store.
	SkippedRecords int64

	// HookPanics counts hooks that panicked.
	HookPanics int64

	// Rebuilds counts how often the client had to reread the log: because the log lost
	// records ([ErrDataLoss]), because it may have missed deletions ([ErrTombstonesExpired])
	// or because a leader had kept records back ([ErrRecordsWithheld]).
	Rebuilds int64
}

// Problem is something that holds a client up. The zero Problem says that
// nothing does.
type Problem struct {
	// Err is the last of the failures: usually what a broker answered, or why none did.
	Err error

	// Since is when the first failure of an unbroken row was met.
	Since time.Time

	// Count is how often a try has failed since then, this one included. For a wait that
	// no try can end, such as one for an open transaction, it is how often the client
	// looked.
	Count int64
}

// met returns the problem after another failure.
func (p Problem) met(err error) Problem {
	if p.Count == 0 {
		p.Since = time.Now()
	}
	p.Err = err
	p.Count++
	return p
}

// health keeps the part of Status that changes as the client runs.
type health struct {
	mu      sync.Mutex
	reading Problem // of the goroutine that follows the log
	asking  Problem // of the requests for the log's end, which Sync waits for
	writing Problem
	quota   func() Problem // of those that the client has used up; may be nil

	storing time.Time // since when the storage is busy with a change, zero if it is not

	writeQuota func() Problem // of those that writes have used up; may be nil
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

// stalled enters StateStalled from StateLive only: opening and rebuilding go on
// to be what they are while they meet errors.
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

// readFailed notes another failure to read the log or to show what was read.
func (h *health) readFailed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reading = h.reading.met(err)
}

// readFine ends the row of failures that readFailed noted.
func (h *health) readFine() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reading = Problem{}
}

// busyStorage notes that the storage begins with a change, or is done with it.
func (h *health) busyStorage(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storing = time.Time{}
	if busy {
		h.storing = time.Now()
	}
}

// storageProblem is a storage that has been busy with a change for so long that it is
// worth a word: what comes behind waits for it.
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
		Err:   fmt.Errorf("the storage has been busy with a change for %v", time.Since(h.storing).Round(time.Millisecond)),
		Since: h.storing, Count: 1,
	}
}

// topicIs notes what is wrong with the topic's configuration, nil for nothing.
func (h *health) topicIs(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.topic = Problem{}
		return
	}
	h.topic = h.topic.met(err)
}

// askFailed notes another failure to ask for the log's end.
func (h *health) askFailed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asking = h.asking.met(err)
}

// askProblem is what askFailed noted.
func (h *health) askProblem() Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asking
}

// askFine ends the row of failures that askFailed noted.
func (h *health) askFine() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asking = Problem{}
}

// writeFailed notes another try of a write that did not get through.
func (h *health) writeFailed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writing = h.writing.met(err)
}

// writeFine ends the row of failures that writeFailed noted.
func (h *health) writeFine() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writing = Problem{}
}

// readProblem is what holds up reading: the reader's failures come first, since
// they are what keeps the data from being current.
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

// writeProblem is what holds up writing.
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

// Status returns the client's state. It never blocks and works on a closed
// client.
func (c *Client) Status() Status {
	_, position, _ := c.tracker.now()
	h := c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return Status{
		State: h.state, Since: h.since, Err: h.err,
		Position: position, End: h.end, Lag: max(0, h.end-position),
		Reading: h.readProblem(), Writing: h.writeProblem(), Topic: h.topic,
		SkippedRecords: h.skipped, HookPanics: c.hooks.panics.Load(), Rebuilds: h.rebuilds,
	}
}

// Progress is how far a client has come in reading the log while it opens.
type Progress struct {
	// Position is the next offset to apply.
	Position int64

	// Target is the end of the log as it stood when opening began.
	Target int64

	// Records is the number of records applied so far; a compacted log has
	// fewer records than offsets.
	Records int64

	// RecordsPerSecond is the rate since opening began.
	RecordsPerSecond float64

	// Done says that the position reached the target; it is set in the last
	// call only.
	Done bool
}
