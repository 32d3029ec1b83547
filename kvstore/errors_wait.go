package kvstore

import "fmt"

// WaitError says how far a client had come when a context ended. It matches
// the context's error and the last cause seen, with errors.Is.
type WaitError struct {
	// Position is how far the client had come: the records below it can be read, and hooks have
	// returned for them. -1 before it found the log's start. [Status].Position is ahead of it while
	// hooks are being called: reads show a record before its hooks are told.
	Position int64

	// Target is the position waited for: the requested revision plus one, or the end of the
	// log as it was when the wait, or a rebuild that blocks it, began. It is -1 when the
	// end was still being asked for.
	Target int64

	// Cause is the last known reason for the position to stand still: a
	// broker's error, a storage's error, a hook that has not returned, an open transaction, or else a request
	// that has no answer yet. If the position is not below
	// the target, compaction removed records below it, and the cause names what has to be
	// read to show what superseded them. Nil when the client was just not there yet.
	Cause error

	// Count is how often that reason was met in a row, 0 for none.
	Count int64

	// Err is the error of the context.
	Err error
}

// Error gives position, target and cause.
func (e *WaitError) Error() string {
	if e == nil {
		return noError
	}
	target := "the end of the log, not known yet"
	if e.Target >= 0 {
		target = fmt.Sprintf("%d", e.Target)
	}
	msg := fmt.Sprintf("at position %d, waiting for %s: %v", e.Position, target, e.Err)
	switch {
	case e.Cause != nil && e.Count > 1:
		msg += fmt.Sprintf(" (last cause, met %d times in a row: %v)", e.Count, e.Cause)
	case e.Cause != nil:
		msg += fmt.Sprintf(" (last cause: %v)", e.Cause)
	}
	return msg
}

// Unwrap returns the context's error and the cause.
func (e *WaitError) Unwrap() []error {
	switch {
	case e == nil:
		return nil
	case e.Cause == nil:
		return []error{e.Err}
	}
	return []error{e.Err, e.Cause}
}
