package kvstoretest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
)

// LogRecord is one record of the topic's log.
type LogRecord struct {
	Offset int64
	Time   time.Time
	Kind   RecordKind
	Key    []byte // nil without a key
	Value  []byte // nil for a tombstone

	// Producer is the id of the producer; -1 for one that is not idempotent,
	// as [Kit.Append] is.
	Producer int64

	// Txn says how the transaction ended that the record is part of.
	Txn TxnState
}

// RecordKind is what a record means to a store.
type RecordKind int

// The kinds of records.
const (
	KindSet       RecordKind = iota // sets a key
	KindTombstone                   // deletes a key
	KindKeyless                     // has no key and means nothing
	KindCommit                      // marks the end of a transaction
	KindAbort                       // marks the end of a transaction
	KindCorrupt                     // a batch that can't be decoded
)

// TxnState says how a transaction ended.
type TxnState int

// The states of a transaction.
const (
	TxnNone TxnState = iota // the record is in no transaction
	TxnCommitted
	TxnAborted
	TxnOpen
)

// Visible reports whether the record changes what a client shows.
func (r LogRecord) Visible() bool {
	return (r.Kind == KindSet || r.Kind == KindTombstone) && (r.Txn == TxnNone || r.Txn == TxnCommitted)
}

// String returns the record as one line: "offset 4  "theme" = "dark"".
func (r LogRecord) String() string {
	s := ""
	switch r.Kind {
	case KindSet:
		s = fmt.Sprintf("%s = %s", quote(string(r.Key)), quote(string(r.Value)))
	case KindTombstone:
		s = quote(string(r.Key)) + " deleted"
	case KindKeyless:
		s = fmt.Sprintf("no key, value %s", quote(string(r.Value)))
	case KindCommit:
		s = "marker: committed"
	case KindAbort:
		s = "marker: aborted"
	case KindCorrupt:
		s = "batch that can't be decoded"
	}
	switch r.Txn {
	case TxnOpen:
		s += " (transaction open)"
	case TxnAborted:
		s += " (transaction aborted)"
	case TxnNone, TxnCommitted:
	}
	return fmt.Sprintf("offset %d  %s", r.Offset, s)
}

// Log is the topic's log, in the order of offsets.
type Log []LogRecord

// String returns one line for each record.
func (l Log) String() string {
	lines := make([]string, len(l))
	for i, r := range l {
		lines[i] = r.String()
	}
	return strings.Join(lines, "\n")
}

// Entries returns what a client shows that has read the whole log: everything
// committed before the first record of an open transaction.
func (l Log) Entries() Entries {
	end := slices.IndexFunc(l, func(r LogRecord) bool { return r.Txn == TxnOpen })
	if end < 0 {
		end = len(l)
	}
	state := map[string]kvstore.Entry{}
	for _, r := range l[:end] {
		switch {
		case !r.Visible():
		case r.Kind == KindTombstone:
			delete(state, string(r.Key))
		default:
			state[string(r.Key)] = kvstore.Entry{Key: r.Key, Value: r.Value, Revision: r.Offset, Time: r.Time}
		}
	}
	out := slices.AppendSeq(make(Entries, 0, len(state)), maps.Values(state))
	slices.SortFunc(out, func(a, b kvstore.Entry) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

// Entries are keys with their values, in the order of the keys.
type Entries []kvstore.Entry

// Map returns the values by key.
func (e Entries) Map() map[string]string {
	m := make(map[string]string, len(e))
	for _, entry := range e {
		m[string(entry.Key)] = string(entry.Value)
	}
	return m
}

// String returns the entries with their revisions: "a"="1" (0), "b"="2" (1).
func (e Entries) String() string {
	if len(e) == 0 {
		return "no keys"
	}
	all := make([]string, len(e))
	for i, entry := range e {
		all[i] = fmt.Sprintf("%s=%s (%d)", quote(string(entry.Key)), quote(string(entry.Value)), entry.Revision)
	}
	return strings.Join(all, ", ")
}

// Log reads the topic's log from its start to its end. It goes past the network
// and its faults.
func (k *Kit) Log() Log {
	k.t.Helper()
	log, err := k.readLog()
	if err != nil {
		k.fatal("read the log: %v", err)
	}
	return log
}

// readLog reads the log from its start. The batch that the log starts in is there whole:
// what lies before the start is deleted nevertheless.
func (k *Kit) readLog() (Log, error) {
	info, err := k.cluster.Partition(k.cfg.topic, 0)
	if err != nil {
		return nil, err
	}
	batches, err := k.cluster.ReadLog(k.cfg.topic, 0, 0)
	if err != nil {
		return nil, err
	}
	log := slices.DeleteFunc(logOf(batches), func(r LogRecord) bool { return r.Offset < info.LogStartOffset })
	for i := range log {
		// The brokers aborted it when they lost the marker or crashed.
		if log[i].Txn == TxnOpen && log[i].Offset < info.LastStableOffset {
			log[i].Txn = TxnAborted
		}
	}
	return log, nil
}

// Snapshot returns what a client would show that had read the whole log as it is now.
func (k *Kit) Snapshot() Entries {
	k.t.Helper()
	return k.Log().Entries()
}

// End returns the offset that the next record gets.
func (k *Kit) End() int64 {
	k.t.Helper()
	end, err := k.cluster.EndOffset(k.cfg.topic, 0)
	if err != nil {
		k.fatal("end of the log: %v", err)
	}
	return end
}

// logOf flattens batches.
func logOf(batches []fakecluster.Batch) Log {
	var log Log
	outcomes := recordlog.Outcomes(batches)
	for i := range batches {
		b := &batches[i]
		base := LogRecord{Offset: b.LastOffset, Time: b.MaxTimestamp, Producer: b.ProducerID}
		if commit, ok := b.Marker(); ok {
			base.Kind = KindAbort
			if commit {
				base.Kind = KindCommit
			}
			log = append(log, base)
			continue
		}
		if b.Unreadable != nil {
			base.Kind = KindCorrupt
			log = append(log, base)
			continue
		}
		for _, r := range b.Records {
			rec := LogRecord{
				Offset: r.Offset, Time: r.Timestamp, Producer: b.ProducerID, Key: r.Key, Value: r.Value,
				Kind: KindSet, Txn: txnStates[outcomes[i]],
			}
			switch {
			case len(r.Key) == 0:
				rec.Kind = KindKeyless
			case r.Value == nil:
				rec.Kind = KindTombstone
			}
			log = append(log, rec)
		}
	}
	return log
}

var txnStates = map[recordlog.Outcome]TxnState{
	recordlog.NoTransaction: TxnNone, recordlog.Open: TxnOpen, recordlog.Committed: TxnCommitted, recordlog.Aborted: TxnAborted,
}
