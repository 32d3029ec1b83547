package linearizability

import (
	"iter"
	"time"
)

// Tap says how exactly the log was observed. The log tap is whatever notes the log's
// events in the history.
type Tap uint8

const (
	// TapNone says that the log was not observed. If a history with this header
	// has log events nevertheless, it is treated as TapLate.
	TapNone Tap = iota
	// TapLate says that a record may be noted after clients have seen it, for
	// example because the tap consumes the log like any other client. The time
	// of the append is then known only from the operation that wrote the record.
	TapLate
	// TapExact says that an append is noted before any client can see its effect:
	// the acknowledgement, the record itself, or an end of the log beyond it.
	TapExact
)

var taps = [...]string{TapNone: "none", TapLate: "late", TapExact: "exact"}

// String returns the name of the tap in the history format.
func (t Tap) String() string { return enumName(taps[:], int(t)) }

// A Header says how a history was recorded.
type Header struct {
	// Version is the version of the format. What is below 1 counts as 1.
	Version int
	// Tap says what the order between log events and other events means.
	Tap Tap
	// Hooks says that every process of every client reports its hooks. A
	// process that reports none is then judged too.
	Hooks bool
	// Meta is for people: seed, versions and the like.
	Meta map[string]string
}

// LogKind is what happened to the log.
type LogKind uint8

// The kinds of log events.
const (
	// LogAppend says that one record was appended.
	LogAppend LogKind = iota + 1
	// LogTruncate says that all records at Offset and above were lost (an unclean
	// leader election). Offsets from there on are used again.
	LogTruncate
	// LogRecreate says that the whole log was deleted and starts again, empty.
	LogRecreate
	// LogTrim says that all records below Offset were deleted (retention, DeleteRecords).
	LogTrim
	// LogCompact says that the records in Removed were removed by compaction.
	LogCompact
	// LogUncompact says that the records in Returned, which compaction had removed, are in the
	// log again: another replica leads, which has not compacted its copy of the log as far.
	LogUncompact
	// LogCommit says that the transaction Txn was committed.
	LogCommit
	// LogAbort says that the transaction Txn was aborted.
	LogAbort
	// LogEnd says that the end of what readers can read was seen at Offset. A client that
	// starts to open later must get at least that far.
	LogEnd
)

var logKinds = [...]string{
	LogAppend: "append", LogTruncate: "truncate", LogRecreate: "recreate", LogTrim: "trim",
	LogCompact: "compact", LogUncompact: "uncompact", LogCommit: "commit", LogAbort: "abort", LogEnd: "end",
}

// String returns the name of the event in the history format.
func (k LogKind) String() string { return enumName(logKinds[:], int(k)) }

// loses reports whether an event takes records out of the log that were in it.
func (k LogKind) loses() bool { return k == LogTruncate || k == LogRecreate || k == LogTrim }

// A Record is one record of the log.
type Record struct {
	Offset int64
	// Key is empty for a record that sets no key: a transaction marker, or a record that
	// was written without a key. Such a record only takes up an offset.
	Key string
	// Value is the value id, empty for a tombstone.
	Value string
	// Txn names the transaction that the record is part of. The record becomes
	// visible when the transaction is committed, and never if it is aborted. Txn
	// is empty for a record outside a transaction.
	Txn string
	// Foreign marks a record that no operation of the history wrote.
	Foreign bool
	// Lease names the lease whose end wrote the record. It is empty for a record of an
	// operation, and for a foreign one.
	Lease string
}

// A LogEvent is one event of the log tap.
type LogEvent struct {
	Stamp

	Kind LogKind
	// Record holds what was appended. Truncate, trim and end use only its
	// Offset, commit and abort only its Txn.
	Record
	// Removed are the offsets that compaction removed, ascending.
	Removed []int64
	// Returned are the offsets of removed records that are in the log again, ascending.
	Returned []int64
}

// A Fault is something that was done to the system under test between Start and
// End. If End is zero, the fault lasted until the end of the history.
type Fault struct {
	ID         int64
	Text       string
	Start, End Stamp
}

// A Hook is one call of a client's hook.
type Hook struct {
	Stamp

	Client  string
	Process int
	// Delete tells a delete hook from a set hook.
	Delete bool
	Key    string
	Value  string
	// Offset is the offset of the record that caused the hook, or None.
	Offset int64
	// Away says that something kept the process from reading, so that it may take records that are
	// there for ones that are not, as in Rebuild: what it tells after a loss is then not held against
	// it.
	Away bool
}

// RebuildCause is why a process reread the log.
type RebuildCause uint8

const (
	// RebuildUnknown says that the process did not give a cause.
	RebuildUnknown RebuildCause = iota
	// RebuildLoss says that the process found that the log had lost records.
	RebuildLoss
	// RebuildAbsence says that the process had not read the log for so long that
	// compaction may have removed deletions that it had not seen.
	RebuildAbsence
	// RebuildWithheld says that a leader had answered without records that it has.
	RebuildWithheld
)

var rebuildCauses = [...]string{
	RebuildUnknown: "", RebuildLoss: "loss", RebuildAbsence: "absence", RebuildWithheld: "withheld",
}

// String returns the name of the cause in the history format, "" for
// RebuildUnknown.
func (c RebuildCause) String() string { return enumName(rebuildCauses[:], int(c)) }

// lossless reports whether the process says that the log lost nothing: offsets still name the
// records that it had read.
func (c RebuildCause) lossless() bool { return c == RebuildAbsence || c == RebuildWithheld }

// A Rebuild is the moment at which a process discards its whole state and starts
// to read the log from the beginning again. Reading the log for the first time,
// when the process opens, is not a rebuild.
type Rebuild struct {
	Stamp

	Client  string
	Process int
	Cause   RebuildCause
	// Away says that the process may have missed deletions: a fault had kept it from
	// reading for so long, or another leader was elected while it read the log from its
	// start. After RebuildWithheld, it says that a leader had withheld records.
	Away bool
	// Err is the cause as the process described it.
	Err string
}

// SnapshotKind says what a snapshot is of.
type SnapshotKind uint8

const (
	// SnapshotClient is the state of a process while others may be writing. It
	// must be the log's state at some position. If the tap is exact, that
	// position is at most Position.
	SnapshotClient SnapshotKind = iota + 1
	// SnapshotFinal is the state of a process when nobody writes any more and
	// the process has caught up. It must be the log's state at its end.
	SnapshotFinal
	// SnapshotCold is the state that a new reader got by reading the log from its
	// start to Position. It must be the log's state there, compacted or not.
	SnapshotCold
)

var snapshotKinds = [...]string{SnapshotClient: "client", SnapshotFinal: "final", SnapshotCold: "cold"}

// String returns the name of the kind in the history format.
func (k SnapshotKind) String() string { return enumName(snapshotKinds[:], int(k)) }

// A Snapshot is the full state of a client or of a reader of the log.
type Snapshot struct {
	Stamp

	Kind    SnapshotKind
	Client  string
	Process int
	// Position is the next offset to apply, or None.
	Position int64
	Items    []Item
}

// A History is everything that was observed during one run.
type History struct {
	Header Header
	// Ops are the operations, ordered by Call.Seq.
	Ops []Operation
	// Log, Hooks, Rebuilds and Snapshots are ordered by Seq, Faults by Start.Seq.
	Log       []LogEvent
	Hooks     []Hook
	Rebuilds  []Rebuild
	Snapshots []Snapshot
	Faults    []Fault
	// Statuses, Watched and Expiries are ordered by Seq, too.
	Statuses []ClientStatus
	Watched  []WatchEvent
	Expiries []Expiry
	// Torn says that the stored history ended in the middle of a line, because the
	// program that wrote it was killed. That line was left out.
	Torn bool
}

// Stamps returns the stamps of all events, one list of the history after the other.
func (h *History) Stamps() iter.Seq[Stamp] {
	return func(yield func(Stamp) bool) {
		ok := true
		for _, list := range h.lists() {
			list(func(begin, end Stamp) {
				ok = ok && yield(begin)
				if end.Seq != 0 {
					ok = ok && yield(end)
				}
			})
		}
	}
}

// lists returns a function for each list of events. It calls see with the stamps of each event in the
// list: when it began and, if it is not of one moment and has ended, when it ended.
func (h *History) lists() []func(see func(begin, end Stamp)) {
	return []func(see func(begin, end Stamp)){
		each(h.Ops, func(o *Operation) (Stamp, Stamp) {
			if o.Outcome == Pending {
				return o.Call, Stamp{}
			}
			return o.Call, o.Return
		}),
		each(h.Log, func(l *LogEvent) (Stamp, Stamp) { return l.Stamp, Stamp{} }),
		each(h.Hooks, func(k *Hook) (Stamp, Stamp) { return k.Stamp, Stamp{} }),
		each(h.Rebuilds, func(b *Rebuild) (Stamp, Stamp) { return b.Stamp, Stamp{} }),
		each(h.Snapshots, func(s *Snapshot) (Stamp, Stamp) { return s.Stamp, Stamp{} }),
		each(h.Faults, func(f *Fault) (Stamp, Stamp) { return f.Start, f.End }),
		each(h.Statuses, func(s *ClientStatus) (Stamp, Stamp) { return s.Stamp, Stamp{} }),
		each(h.Watched, func(w *WatchEvent) (Stamp, Stamp) { return w.Stamp, Stamp{} }),
		each(h.Expiries, func(x *Expiry) (Stamp, Stamp) { return x.Stamp, Stamp{} }),
	}
}

func each[E any](list []E, of func(*E) (begin, end Stamp)) func(see func(begin, end Stamp)) {
	return func(see func(begin, end Stamp)) {
		for i := range list {
			see(of(&list[i]))
		}
	}
}

// Events returns the number of events in the history.
func (h *History) Events() (n int) {
	for range h.Stamps() {
		n++
	}
	return n
}

// Duration returns the time of the last event.
func (h *History) Duration() (d time.Duration) {
	for s := range h.Stamps() {
		d = max(d, s.Time)
	}
	return d
}

// ActiveFaults returns the faults that were active at some time between from and
// to, both included.
func (h *History) ActiveFaults(from, to Stamp) []Fault {
	var active []Fault
	for _, f := range h.Faults {
		if f.Start.Seq <= to.Seq && (f.End.Seq == 0 || f.End.Seq >= from.Seq) {
			active = append(active, f)
		}
	}
	return active
}
