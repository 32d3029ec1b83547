package linearizability

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// RecorderOptions configures a Recorder. The zero value records in memory only.
type RecorderOptions struct {
	// Header is the header of the history. Its Version is that of Output, 1 if not set.
	Header Header
	// Output, if not nil, gets the history as it happens: one Write of one line
	// for each event, made before the method that records the event returns. If
	// the program is killed, nothing that was recorded before is lost.
	Output io.Writer
	// Discard says to keep nothing in memory. History then returns no events.
	Discard bool
}

// A Recorder records a history. It is safe for concurrent use: it gives each event
// its sequence number and its time under one lock.
//
// It keeps the slices that it is given, so they must not be changed afterwards.
type Recorder struct {
	clock func() time.Duration
	opts  RecorderOptions

	mu  sync.Mutex
	seq int64
	enc encoder
	err error

	pending   []*Call
	ops       int64
	log       []LogEvent
	hooks     []Hook
	rebuilds  []Rebuild
	snapshots []Snapshot
	faults    []Fault
	statuses  []ClientStatus
	watched   []WatchEvent
	expiries  []Expiry
}

// NewRecorder returns a recorder. Clock returns the time since the start of the
// history; the recorder reads no other clock. If it goes back, the recorder records
// that as it is, and Check reports it.
func NewRecorder(clock func() time.Duration, opts RecorderOptions) *Recorder {
	opts.Header.Version = max(1, opts.Header.Version)
	r := &Recorder{clock: clock, opts: opts}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(false, func(e *encoder) []byte { return e.header(opts.Header) })
	return r
}

// A Call is an operation under way. Exactly one of OK, Failed and Unknown must be called
// to end it. The methods that return the Call note what the operation returned; they must
// be called before that. A Call is not safe for concurrent use.
type Call struct {
	r    *Recorder
	op   Operation
	done bool

	value    string
	items    []Item
	hasItems bool
	revision int64
	position int64
	class    ErrorClass
	until    time.Duration
}

// Begin records that an operation is called. It uses the fields of op that are known
// by then: Client, Process, Kind, Key, Value of a put, Items of a batch, Start, End and
// Limit of a range, Barrier, Revision of a wait, Deadline and Details. The recorder sets
// the id and the time.
func (r *Recorder) Begin(op Operation) *Call {
	c := &Call{r: r, op: op, revision: None, position: None}
	c.op.Outcome = Pending
	c.op.Position = None
	c.op.Return = Stamp{}
	c.op.Err, c.op.Class = "", ErrorNone
	if op.Kind != OpWait {
		c.op.Revision = None
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops++
	c.op.ID = r.ops
	c.op.Call = r.stamp()
	if !r.opts.Discard {
		r.pending = append(r.pending, c)
	}
	r.write(c.op.newer(), func(e *encoder) []byte { return e.invoke(&c.op) })
	return c
}

// ID returns the operation's id.
func (c *Call) ID() int64 { return c.op.ID }

// Value notes the value id that a get returned. If it is not called, the get found no
// value.
func (c *Call) Value(id string) *Call { c.value = id; return c }

// Items notes the result of a range, or the items of a batch with their revisions.
func (c *Call) Items(items []Item) *Call { c.items, c.hasItems = items, true; return c }

// Revision notes the offset of the record that was written (for a batch, of the last
// one) or of the record whose value was read.
func (c *Call) Revision(offset int64) *Call { c.revision = offset; return c }

// Position notes the client's position, read after the operation. With [TapExact], a
// read must not have shown anything at or beyond it.
func (c *Call) Position(next int64) *Call { c.position = next; return c }

// Class notes what kind of error the operation returned. An operation that is OK has none.
func (c *Call) Class(class ErrorClass) *Call { c.class = class; return c }

// Until notes until when the process may rely on the lease that a grant or a renew
// returned.
func (c *Call) Until(at time.Duration) *Call { c.until = at; return c }

// OK records that the operation returned without error.
func (c *Call) OK() { c.finish(OK, nil) }

// Failed records that the operation failed. For a write it means that the write is
// certain not to be in the log and never will be; for a read, that it returned nothing.
func (c *Call) Failed(err error) { c.finish(Failed, err) }

// Unknown records that the operation returned, but that it is not known whether it was
// done: a write may be in the log, or may get there later.
func (c *Call) Unknown(err error) { c.finish(Unknown, err) }

func (c *Call) finish(outcome Outcome, err error) {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.done {
		panic(fmt.Sprintf("linearizability: operation %d ended twice", c.op.ID))
	}
	c.done = true
	op := &c.op
	op.Outcome = outcome
	if c.revision != None && op.Kind != OpWait {
		op.Revision = c.revision
	}
	op.Position = c.position
	if err != nil {
		op.Err = err.Error()
	}
	if outcome == OK {
		c.answer()
	} else {
		op.Class = c.class
	}
	op.Return = r.stamp()
	r.write(op.newer(), func(e *encoder) []byte { return e.complete(op) })
}

// answer notes in the operation what it returned.
func (c *Call) answer() {
	op := &c.op
	if op.Kind == OpGet {
		op.Value = c.value
	}
	if c.hasItems {
		op.answered(c.items)
	}
	if c.until != 0 && op.Details != nil {
		d := *op.Details // the caller's
		d.Until = c.until
		op.Details = &d
	}
}

// Append records that a record was appended to the log.
func (r *Recorder) Append(rec Record) { r.logEvent(LogEvent{Kind: LogAppend, Record: rec}) }

// Truncate records that the log lost its records at offset and above.
func (r *Recorder) Truncate(offset int64) { r.logAt(LogTruncate, offset) }

// Recreate records that the log was deleted and recreated, empty.
func (r *Recorder) Recreate() { r.logAt(LogRecreate, 0) }

// Trim records that the records below offset were deleted.
func (r *Recorder) Trim(offset int64) { r.logAt(LogTrim, offset) }

// Compact records that compaction removed the records at the given offsets,
// ascending. The records must have been recorded by Append before.
func (r *Recorder) Compact(removed []int64) {
	r.logEvent(LogEvent{Kind: LogCompact, Removed: removed})
}

// Uncompact records that the records at the given offsets, ascending, which [Recorder.Compact] had
// recorded as removed, are in the log again: another replica leads, which has not compacted its copy
// of the log as far.
func (r *Recorder) Uncompact(returned []int64) {
	r.logEvent(LogEvent{Kind: LogUncompact, Returned: returned})
}

// End records that the end of what readers can read was seen at offset. A client that
// starts to open after that must get at least that far.
func (r *Recorder) End(offset int64) { r.logAt(LogEnd, offset) }

// Transaction records the outcome of a transaction.
func (r *Recorder) Transaction(txn string, committed bool) {
	kind := LogAbort
	if committed {
		kind = LogCommit
	}
	r.logEvent(LogEvent{Kind: kind, Record: Record{Txn: txn}})
}

func (r *Recorder) logAt(kind LogKind, offset int64) {
	r.logEvent(LogEvent{Kind: kind, Record: Record{Offset: offset}})
}

func (r *Recorder) logEvent(l LogEvent) {
	note(r, &r.log, &l, &l.Stamp, l.Lease != "", (*encoder).log)
}

// Hook records a call of a client's hook. The recorder sets the Stamp.
func (r *Recorder) Hook(h Hook) { note(r, &r.hooks, &h, &h.Stamp, h.Away, (*encoder).hook) }

// Rebuild records that a process starts to reread the log. The recorder sets the Stamp.
func (r *Recorder) Rebuild(b Rebuild) {
	note(r, &r.rebuilds, &b, &b.Stamp, b.Cause == RebuildWithheld, (*encoder).rebuild)
}

// Snapshot records the full state of a client or of a reader of the log. The recorder
// sets the Stamp.
func (r *Recorder) Snapshot(s Snapshot) {
	note(r, &r.snapshots, &s, &s.Stamp, false, (*encoder).snapshot)
}

// Status records what a process says of itself. The recorder sets the Stamp.
func (r *Recorder) Status(s ClientStatus) {
	note(r, &r.statuses, &s, &s.Stamp, true, (*encoder).status)
}

// Watched records what a watch told its process. The recorder sets the Stamp.
func (r *Recorder) Watched(w WatchEvent) {
	note(r, &r.watched, &w, &w.Stamp, true, (*encoder).watched)
}

// Expire records that a process took a lease for ended. The recorder sets the Stamp.
func (r *Recorder) Expire(x Expiry) {
	note(r, &r.expiries, &x, &x.Stamp, true, (*encoder).expiry)
}

// note stamps an event, keeps it in its list, and writes it. newer says that only version 2
// of the format can say what it is.
func note[E any](r *Recorder, list *[]E, event *E, at *Stamp, newer bool, encode func(*encoder, *E) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*at = r.stamp()
	if !r.opts.Discard {
		*list = append(*list, *event)
	}
	r.write(newer, func(e *encoder) []byte { return encode(e, event) })
}

// Fault records the start of a fault, and returns a function that records its end.
// Text describes the fault for people; Check does not read it.
func (r *Recorder) Fault(text string) (heal func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.faults)
	f := Fault{ID: int64(i + 1), Text: text, Start: r.stamp()}
	r.faults = append(r.faults, f)
	r.write(false, func(e *encoder) []byte { return e.fault(f.Start, &f, "fault") })
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.faults[i].End.Seq != 0 {
			return
		}
		r.faults[i].End = r.stamp()
		r.write(false, func(e *encoder) []byte { return e.fault(r.faults[i].End, &r.faults[i], "heal") })
	}
}

// History returns what has been recorded so far. It may be called while others go on
// recording. Operations that have not ended are pending.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &History{
		Header:    r.opts.Header,
		Ops:       make([]Operation, len(r.pending)),
		Log:       slices.Clone(r.log),
		Hooks:     slices.Clone(r.hooks),
		Rebuilds:  slices.Clone(r.rebuilds),
		Snapshots: slices.Clone(r.snapshots),
		Statuses:  slices.Clone(r.statuses),
		Watched:   slices.Clone(r.watched),
		Expiries:  slices.Clone(r.expiries),
	}
	if !r.opts.Discard {
		h.Faults = append([]Fault(nil), r.faults...)
	}
	for i, c := range r.pending {
		h.Ops[i] = c.op
	}
	return h
}

// Err returns the first error of writing to Output, which is also that the version of its
// header cannot say what was recorded. Nothing is written after an error, so later events
// are in memory only.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// stamp returns the next sequence number and the time. The caller holds the lock.
func (r *Recorder) stamp() Stamp {
	r.seq++
	return Stamp{Seq: r.seq, Time: r.clock()}
}

// write writes one line. newer says that only version 2 of the format has it. The caller
// holds the lock.
func (r *Recorder) write(newer bool, line func(*encoder) []byte) {
	if r.opts.Output == nil || r.err != nil {
		return
	}
	if newer && r.opts.Header.Version < 2 {
		r.err = fmt.Errorf("write history, event %d: only version 2 of the format can say it: set the Version of the header", r.seq)
		return
	}
	if _, err := r.opts.Output.Write(line(&r.enc)); err != nil {
		r.err = fmt.Errorf("write history, event %d: %w", r.seq, err)
	}
}
