package linearizability

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// An ErrorClass is what kind of error an operation or a process met.
type ErrorClass uint8

// The classes of errors.
const (
	// ErrorNone says that there is no error, or that its class is not known.
	ErrorNone ErrorClass = iota
	// ErrorArgument says that the call itself is wrong, and would be wrong again.
	ErrorArgument
	// ErrorCanceled says that the caller took the call back.
	ErrorCanceled
	// ErrorDeadline says that the deadline of the operation passed.
	ErrorDeadline
	// ErrorTimeout says that a time limit of the client passed.
	ErrorTimeout
	// ErrorClosed says that the client is closed.
	ErrorClosed
	// ErrorUnavailable says that brokers can't be reached, or refuse for the moment.
	ErrorUnavailable
	// ErrorThrottled says that a quota slows the client.
	ErrorThrottled
	// ErrorDenied says that credentials or a right are missing.
	ErrorDenied
	// ErrorTopic says that the topic is gone, is another one, or does not fit.
	ErrorTopic
	// ErrorLoss says that the log lost records.
	ErrorLoss
	// ErrorAbsence says that the process may have missed deletions.
	ErrorAbsence
	// ErrorWithheld says that a leader had answered without records that it has.
	ErrorWithheld
	// ErrorTransaction says that an open transaction of another program is in the way.
	ErrorTransaction
	// ErrorStorage says that the storage of the client failed.
	ErrorStorage
	// ErrorConflict says that a condition of the operation did not hold.
	ErrorConflict
	// ErrorFenced says that another process has taken the place of this one.
	ErrorFenced
	// ErrorCompacted says that the log no longer has what was asked for.
	ErrorCompacted
	// ErrorLease says that the lease of the operation has ended.
	ErrorLease
	// ErrorOther says that it is none of these.
	ErrorOther
)

var errorClasses = [...]string{
	ErrorNone: "", ErrorArgument: "argument", ErrorCanceled: "canceled", ErrorDeadline: "deadline", ErrorTimeout: "timeout",
	ErrorClosed: "closed", ErrorUnavailable: "unavailable", ErrorThrottled: "throttled", ErrorDenied: "denied",
	ErrorTopic: "topic", ErrorLoss: "loss", ErrorAbsence: "absence", ErrorWithheld: "withheld",
	ErrorTransaction: "transaction", ErrorStorage: "storage", ErrorConflict: "conflict", ErrorFenced: "fenced",
	ErrorCompacted: "compacted", ErrorLease: "lease", ErrorOther: "other",
}

// String returns the name of the class in the history format, "" for ErrorNone.
func (c ErrorClass) String() string { return enumName(errorClasses[:], int(c)) }

// Details are what only some operations have, and only version 2 of the format can say.
type Details struct {
	// If are the conditions of a put, a delete, a batch or a transaction. The operation is
	// done only if all of them hold in the state that the log has right before the first of
	// its records.
	If []Condition
	// At is the revision at which a get or a range reads: it returns the state that the
	// records up to this offset give, this one included. If it is None, or the operation
	// has no Details, it is an ordinary read.
	At int64
	// From is the offset of the first record that a watch wants to hear of, or None if it
	// starts where its process is. For an open, it is the position that the storage holds
	// already, or None if the storage is empty.
	From int64
	// Storage names the storage that a process opens with. Processes with the same name
	// have the same storage, one after the other. It is empty if the storage is new.
	Storage string
	// Lease names the lease that a grant, a renew or a revoke is about. For a put, a batch
	// or a transaction, it is the one that the keys are bound to which it sets: they are
	// deleted when that lease ends.
	Lease string
	// TTL is for how long a grant or a renew asks.
	TTL time.Duration
	// Until is until when the process may rely on the lease that a grant or a renew
	// returned, in the time of the history; 0 if not known.
	Until time.Duration
}

// ConditionKind is what a condition asks for.
type ConditionKind uint8

// The kinds of conditions.
const (
	// IfRevision asks that the value of Key is the one of the record at offset Revision.
	IfRevision ConditionKind = iota + 1
	// IfValue asks that Key has the value with the id Value.
	IfValue
	// IfAbsent asks that Key has no value.
	IfAbsent
	// IfUnchanged asks that no record at offset Position or above sets or deletes a key
	// from Start on and below End. An empty End means no upper bound.
	IfUnchanged
)

// A Condition is what has to hold for an operation to be done.
type Condition struct {
	Kind ConditionKind
	// Key is of all kinds but IfUnchanged.
	Key      string
	Value    string
	Revision int64
	// Start, End and Position are of IfUnchanged.
	Start, End string
	Position   int64
}

// String describes the condition.
func (c Condition) String() string {
	switch c.Kind {
	case IfRevision:
		return fmt.Sprintf("%s is from offset %d", quote(c.Key), c.Revision)
	case IfValue:
		return quote(c.Key) + " is " + c.Value
	case IfAbsent:
		return quote(c.Key) + " has no value"
	case IfUnchanged:
		return fmt.Sprintf("%s is as at position %d", interval(c.Start, c.End), c.Position)
	}
	return "unknown(" + strconv.Itoa(int(c.Kind)) + ")"
}

// interval describes an interval of keys.
func interval(start, end string) string {
	if end == "" {
		return quote(start) + "..end"
	}
	return quote(start) + ".." + quote(end)
}

// newer reports whether only version 2 of the format can say what the operation is.
func (o *Operation) newer() bool {
	return o.Kind > OpClose || o.Deadline != 0 || o.Class != ErrorNone || o.Details != nil
}

// newer reports whether only version 2 of the format can say what is in the history.
func (h *History) newer() bool {
	return len(h.Statuses)+len(h.Watched)+len(h.Expiries) > 0 ||
		slices.ContainsFunc(h.Ops, func(o Operation) bool { return o.newer() }) ||
		slices.ContainsFunc(h.Hooks, func(k Hook) bool { return k.Away }) ||
		slices.ContainsFunc(h.Log, func(l LogEvent) bool { return l.Lease != "" }) ||
		slices.ContainsFunc(h.Rebuilds, func(b Rebuild) bool { return b.Cause == RebuildWithheld })
}
