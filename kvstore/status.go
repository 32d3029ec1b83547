package kvstore

import (
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/position"
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
	// answered without records ([ErrRecordsWithheld]). Reads wait until the client's data equals the
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

	// End is the high watermark that the last fetch saw, -1 before it. The client fetches nothing
	// more while a hook or the storage does not return.
	End int64

	// Lag is the number of offsets between Position and End.
	Lag int64

	// Reading is what blocks or slows the reading of the log, or keeps what was read from
	// being shown: brokers that can't be reached or refuse, a quota, a storage that fails
	// or is slow, a hook that has not returned for more than a second, an open transaction of
	// another producer, a loss from which the client rebuilds.
	Reading Problem

	// Writing is what blocks or slows writes: brokers that can't be reached or refuse, too
	// few replicas in sync, a quota, a missing right. It is what writes last met: a client
	// that writes nothing does not learn that it is over. Always zero for a read-only
	// client.
	Writing Problem

	// Topic is what makes the topic's configuration unfit for a store, or for this client,
	// since that was found: a cleanup.policy that removes keys, a delete.retention.ms too
	// short to keep up with, a max.message.bytes above what kgo.BrokerMaxReadBytes lets the
	// client read. The client keeps going, and the problem ends when the setting is corrected.
	// [TopicValidationSkip] keeps it zero.
	Topic Problem

	// SkippedRecords counts records without a key, which another program wrote and which
	// mean nothing to a key-value store; again each time that the log is reread.
	SkippedRecords int64

	// HookPanics counts hooks that panicked.
	HookPanics int64

	// Rebuilds counts how often the client had to reread the log: because the log lost
	// records ([ErrDataLoss]), because it may have missed deletions ([ErrTombstonesExpired])
	// or because a leader had kept records back ([ErrRecordsWithheld]). It does not count
	// what is part of opening.
	Rebuilds int64
}

// Problem is something that blocks or delays a client. The zero Problem says that nothing
// does.
type Problem struct {
	// Err is the last of the failures: usually what a broker answered, or why none did.
	Err error

	// Since is when the first of an unbroken series of failures was met.
	Since time.Time

	// Count is how many tries have failed since then, this one included. For a wait that no
	// try can end, such as one for an open transaction, it is how often the client looked.
	Count int64
}

// met returns the problem after another failure.
func (p Problem) met(err error) Problem {
	return Problem(position.Reason(p).Met(err))
}

// Status returns the client's state. It never blocks and works on a closed
// client.
func (c *Client) Status() Status {
	_, applied, _ := c.tracker.Now()
	h := c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return Status{
		State: h.state, Since: h.since, Err: h.err,
		Position: applied, End: h.end, Lag: max(0, h.end-applied),
		Reading: h.readProblem(), Writing: h.writeProblem(), Topic: h.topic,
		SkippedRecords: h.skipped, HookPanics: c.hooks.panics.Load(), Rebuilds: h.rebuilds,
	}
}

// Progress is how far a client has got in reading the log while it opens.
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
