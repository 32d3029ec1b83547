package linearizability

import "time"

// Tap says how exact the log tap of a history is.
type Tap uint8

const (
	// TapNone says that nothing of the log was noted. A history with this
	// header that has log events all the same is taken for TapLate.
	TapNone Tap = iota
	// TapLate says that a record may be noted after clients have seen it
	// (a tap that consumes the log as any other client, for example). When a
	// record came to be is then bounded by the operation that wrote it.
	TapLate
	// TapExact says that an append is noted before any client can see its effect: an
	// acknowledgement, the record itself, or an end of the log beyond it.
	TapExact
)

var taps = [...]string{TapNone: "none", TapLate: "late", TapExact: "exact"}

// String returns the name of the tap in the history format.
func (t Tap) String() string { return enumName(taps[:], int(t)) }

// A Header says how a history was recorded.
type Header struct {
	// Version is the version of the format, FormatVersion.
	Version int
	// Tap says what the order of log events against other events means.
	Tap Tap
	// Hooks says that every process of every client reports its hooks, so
	// that a process without any is judged too.
	Hooks bool
	// Meta is for people: seed, versions, and the like.
	Meta map[string]string
}

// LogKind is what happened to the log.
type LogKind uint8

// What the log tap tells.
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
	// LogCommit says that the transaction Txn was committed.
	LogCommit
	// LogAbort says that the transaction Txn was aborted.
	LogAbort
	// LogEnd says that readers may reach Offset by now, as someone saw: a
	// client that starts to open later gets at least there.
	LogEnd
)

var logKinds = [...]string{
	LogAppend: "append", LogTruncate: "truncate", LogRecreate: "recreate", LogTrim: "trim",
	LogCompact: "compact", LogCommit: "commit", LogAbort: "abort", LogEnd: "end",
}

// String returns the name of the event in the history format.
func (k LogKind) String() string { return enumName(logKinds[:], int(k)) }

// A Record is one record of the log.
type Record struct {
	Offset int64
	// Key is empty for a record that sets no key: a transaction marker, or a
	// record that someone wrote without a key. It takes an offset only.
	Key string
	// Value is the value id, empty for a tombstone.
	Value string
	// Txn names the transaction that the record is part of. The record is
	// visible once that is committed, and never if it is aborted. Empty for
	// a record outside of transactions.
	Txn string
	// Foreign marks a record that no operation of the history wrote.
	Foreign bool
}

// A LogEvent is one event of the log tap.
type LogEvent struct {
	Stamp

	Kind LogKind
	// Record holds what was appended. Of the other kinds, truncate, trim and
	// end use its Offset, commit and abort its Txn.
	Record
	// Removed are the offsets that compaction removed, ascending.
	Removed []int64
}

// A Fault is something that was done to the system under test, from Start to
// End. A fault whose End is zero lasted to the end of the history.
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
}

// RebuildCause is why a process reread the log.
type RebuildCause uint8

const (
	// RebuildUnknown says that the process did not tell.
	RebuildUnknown RebuildCause = iota
	// RebuildLoss says that the process found that the log had lost records.
	RebuildLoss
	// RebuildAbsence says that the process had not heard of the log for so long
	// that compaction may have removed deletions that it had not seen.
	RebuildAbsence
)

var rebuildCauses = [...]string{RebuildUnknown: "", RebuildLoss: "loss", RebuildAbsence: "absence"}

// String returns the name of the cause in the history format, "" for
// RebuildUnknown.
func (c RebuildCause) String() string { return enumName(rebuildCauses[:], int(c)) }

// A Rebuild is the moment at which a process throws away all that it holds and
// begins to read the log from its start again. That of its opening is none.
type Rebuild struct {
	Stamp

	Client  string
	Process int
	Cause   RebuildCause
	// Away says that something had held the process up long enough for it to
	// miss deletions.
	Away bool
	// Err is the cause in the words of the process.
	Err string
}

// SnapshotKind says what a snapshot is of.
type SnapshotKind uint8

const (
	// SnapshotClient is all that a process holds, while others may write. It is
	// the log's state at some position that, where the tap is exact, is at
	// most Position.
	SnapshotClient SnapshotKind = iota + 1
	// SnapshotFinal is all that a process holds when nobody writes any more and
	// it has caught up. It is the log's state at its end.
	SnapshotFinal
	// SnapshotCold is what a new reader made of the log by reading it from its
	// start to Position. It is the log's state there, compacted or not.
	SnapshotCold
)

var snapshotKinds = [...]string{SnapshotClient: "client", SnapshotFinal: "final", SnapshotCold: "cold"}

// String returns the name of the kind in the history format.
func (k SnapshotKind) String() string { return enumName(snapshotKinds[:], int(k)) }

// A Snapshot is the full state of a client, or of a reader of the log.
type Snapshot struct {
	Stamp

	Kind    SnapshotKind
	Client  string
	Process int
	// Position is the next offset to apply, or None.
	Position int64
	Items    []Item
}

// A History is all that was observed of one run.
type History struct {
	Header Header
	// Ops are the operations in the order of their Call.
	Ops []Operation
	// Log, Hooks, Rebuilds, Snapshots and Faults are in the order of their Seq
	// (Faults by Start).
	Log       []LogEvent
	Hooks     []Hook
	Rebuilds  []Rebuild
	Snapshots []Snapshot
	Faults    []Fault
	// Torn says that the stored history ended inside of a line, which was
	// left out: the program that wrote it was killed.
	Torn bool
}

// Events returns how many events the history has.
func (h *History) Events() int {
	n := len(h.Log) + len(h.Hooks) + len(h.Rebuilds) + len(h.Snapshots) + len(h.Faults)
	for i := range h.Faults {
		if h.Faults[i].End.Seq != 0 {
			n++
		}
	}
	for i := range h.Ops {
		n++
		if h.Ops[i].Outcome != Pending {
			n++
		}
	}
	return n
}

// Duration returns the time of the last event.
func (h *History) Duration() time.Duration {
	var d time.Duration
	for i := range h.Ops {
		d = max(d, h.Ops[i].Call.Time, h.Ops[i].Return.Time)
	}
	for i := range h.Faults {
		d = max(d, h.Faults[i].Start.Time, h.Faults[i].End.Time)
	}
	if n := len(h.Log); n > 0 {
		d = max(d, h.Log[n-1].Time)
	}
	if n := len(h.Hooks); n > 0 {
		d = max(d, h.Hooks[n-1].Time)
	}
	if n := len(h.Rebuilds); n > 0 {
		d = max(d, h.Rebuilds[n-1].Time)
	}
	if n := len(h.Snapshots); n > 0 {
		d = max(d, h.Snapshots[n-1].Time)
	}
	return d
}

// ActiveFaults returns the faults that were active at some time in [from, to].
func (h *History) ActiveFaults(from, to Stamp) []Fault {
	var active []Fault
	for _, f := range h.Faults {
		if f.Start.Seq <= to.Seq && (f.End.Seq == 0 || f.End.Seq >= from.Seq) {
			active = append(active, f)
		}
	}
	return active
}
