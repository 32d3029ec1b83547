package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// FormatVersion is the newest version of the history format, which docs/history-format.md
// describes. This package reads and writes all versions from 1 on.
const FormatVersion = 2

// None stands for a revision, a position or an offset that is not known.
const None int64 = -1

// A Stamp says when an event happened.
type Stamp struct {
	// Seq orders all events of a history: of two events, the one with the
	// lower Seq was recorded first. It starts at 1; 0 means "did not happen".
	Seq int64
	// Time is the time since the start of the history. It never goes back as
	// Seq grows. Several events may have the same Time.
	Time time.Duration
}

// OpKind is what an operation does.
type OpKind uint8

// The operations. Put, Delete, Batch and Txn write; Get and Range read; Sync, Wait,
// Open and Close concern the client's position. Only version 2 of the format has Txn and
// those after it.
const (
	OpPut    OpKind = iota + 1 // write one key
	OpDelete                   // delete one key
	OpBatch                    // write several keys together, at contiguous offsets
	OpGet                      // read one key
	OpRange                    // read all keys of an interval, at one position
	OpSync                     // wait until every write acknowledged before the call is visible
	OpWait                     // wait until a revision is visible
	OpOpen                     // start a process of a client, caught up with the log
	OpClose                    // end a process of a client
	OpTxn                      // write several keys together if conditions hold, at any offsets
	OpWatch                    // start to be told of changes in an interval of keys
	OpGrant                    // begin a lease
	OpRenew                    // prolong a lease
	OpRevoke                   // end a lease
)

var opKinds = [...]string{
	OpPut: "put", OpDelete: "delete", OpBatch: "batch", OpGet: "get", OpRange: "range",
	OpSync: "sync", OpWait: "wait", OpOpen: "open", OpClose: "close",
	OpTxn: "txn", OpWatch: "watch", OpGrant: "grant", OpRenew: "renew", OpRevoke: "revoke",
}

// String returns the name of the operation in the history format.
func (k OpKind) String() string { return enumName(opKinds[:], int(k)) }

// Writes reports whether the operation changes the log.
func (k OpKind) Writes() bool {
	return k == OpPut || k == OpDelete || k == OpBatch || k == OpTxn
}

// Reads reports whether the operation returns values.
func (k OpKind) Reads() bool { return k == OpGet || k == OpRange }

// Outcome is how an operation ended, as its caller saw it.
type Outcome uint8

// The outcomes. Failed means that a write is certain not to be in the log and never
// will be; where that is not certain, the outcome is Unknown. An operation that had
// not returned when the history ended is Pending, and is judged as Unknown.
const (
	Pending Outcome = iota
	OK
	Failed
	Unknown
)

var outcomes = [...]string{Pending: "pending", OK: "ok", Failed: "failed", Unknown: "unknown"}

// String returns the name of the outcome in the history format.
func (o Outcome) String() string { return enumName(outcomes[:], int(o)) }

// An Item is one key of a batch, of a range's result or of a snapshot.
type Item struct {
	Key string
	// Value is the id of the value. Empty in a batch means delete.
	Value string
	// Revision is the offset of the record, or None. Note that 0 is a valid
	// revision, that of the first record of a log.
	Revision int64
}

// An Operation is one call that a client made, from its invocation to its
// return.
//
// Keys are strings that may hold any bytes. A value is represented by its value
// id, a string that is different for each write of the history. If several writes
// may have the same value (an empty one, for example), its id starts with "~"; all
// values with the same id are the same value.
type Operation struct {
	// ID is unique in the history and greater than 0.
	ID int64
	// Client names the client, and Process its incarnation: a client that
	// crashed and was started again has a higher process number. What a process
	// has seen limits what it may see later, but not what the next one may see.
	Client  string
	Process int
	Kind    OpKind

	// Key is the key of put, delete and get.
	Key string
	// Value is the value id that a put wrote or a get returned. It is empty
	// for a delete, and for a get that found no value.
	Value string
	// Start and End bound a range or a watch: Start <= key < End. An empty End means no
	// upper bound. Limit, if above 0, is the maximum number of keys returned.
	Start, End string
	Limit      int
	// Items are the writes of a batch or a transaction in order, or the result of a
	// range in the order in which it was returned.
	Items []Item
	// Answer are the items that the answer to a batch or a transaction named, if they are
	// others than those that were called, and nil if not.
	Answer []Item
	// Barrier marks a get or a range that claims to see everything that was acknowledged to
	// any client before it began.
	Barrier bool
	// Deadline is when the caller gives up, in the time of the history; 0 if it does not,
	// or if that is not known. The operation should have returned by then.
	Deadline time.Duration
	// Details are nil for most operations.
	Details *Details

	Outcome Outcome
	// Revision is an offset: of the record that a put or a delete wrote, of the
	// last record of a batch, of the record whose value a get returned, or of the
	// record that a wait waits for. None if it is not known.
	Revision int64
	// Position is the client's position when the operation returned: the next
	// offset to apply. Everything below it is applied. None if it is not known.
	Position int64
	// Err is the text of the error, for people, and Class what kind of error it is.
	Err   string
	Class ErrorClass

	// Call is when the operation began, Return when it returned. Return is
	// zero while the operation is pending.
	Call, Return Stamp
}

// String describes the operation as a call with its result.
func (o *Operation) String() string {
	return fmt.Sprintf("operation %d, %s", o.ID, o.describe())
}

// enumName returns a name out of a table. The first one may be empty, which says that nothing is known.
func enumName(names []string, i int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

// answered notes the items of an answer: the result of a range, or the revisions of the
// items of a batch or a transaction. These stay what was called, whatever its answer says.
func (o *Operation) answered(items []Item) {
	same := func(a, b Item) bool { return a.Key == b.Key && a.Value == b.Value }
	if (o.Kind == OpBatch || o.Kind == OpTxn) && !slices.EqualFunc(o.Items, items, same) {
		o.Answer = items
		return
	}
	o.Items = items
}
