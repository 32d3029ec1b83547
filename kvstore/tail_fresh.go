package kvstore

import "time"

// freshness is the moment since which a client cannot have missed anything of the log.
//
// I9: compaction removes a tombstone once it has been in the log for delete.retention.ms.
// A client that reads on after a longer time may find neither the tombstone nor the record
// that it deleted, and would show the key forever.
//
// So the client has to know a moment such that it has read everything that was in the log
// then: the moment at which a fetch was sent whose answer named a high watermark that the
// client has reached. Every record behind it was committed later. The last stable offset
// will not do, although nothing behind it can be shown: brokers before Kafka 3.1 count a
// tombstone's time from when it was written, even while its transaction is open.
type freshness struct {
	since time.Time
	marks []mark // answers whose end is still to be reached, oldest first
}

// mark says that end was the high watermark at some moment after sent.
type mark struct {
	sent time.Time
	end  int64
}

// begin says that the log is read from its start, which was asked for at sent.
func (f *freshness) begin(sent time.Time) { f.since, f.marks = sent, nil }

// heard processes the end of the log that a fetch named, when the client has read up to
// pos. On a busy log the client is never at the end that the last answer named; so ends are
// remembered, at intervals of at least apart, until they are reached.
func (f *freshness) heard(sent time.Time, end, pos int64, apart time.Duration) {
	for len(f.marks) > 0 && f.marks[0].end <= pos {
		f.since = f.marks[0].sent
		f.marks = f.marks[1:]
	}
	switch n := len(f.marks); {
	case n == 0 && end == pos:
		f.since = sent
	case end <= pos:
		// An end below one that was named before, or below what was read: a new leader does
		// not know yet how far the log is replicated. It proves nothing.
	case n == 0 || elapsed(f.marks[n-1].sent, sent) >= apart:
		if n == mostMarks {
			f.thin()
		}
		f.marks = append(f.marks, mark{sent, end})
	}
}

// mostMarks bounds how many ends are remembered, even while another producer's transaction
// keeps the position where it is forever.
const mostMarks = 8 * marksAway

// thin drops every second one of the older ends. A client that reaches one of them then
// counts as having been away for a little longer than it was.
func (f *freshness) thin() {
	older, newer := f.marks[:mostMarks/2], f.marks[mostMarks/2:]
	kept := f.marks[:0]
	for i := 0; i < len(older); i += 2 {
		kept = append(kept, older[i])
	}
	f.marks = append(kept, newer...)
}

// elapsed returns the time between two moments by the clock that shows more: the monotonic
// one stands still while a machine sleeps, the wall clock may be set back.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// absence returns how long a client may be away from a log that keeps tombstones for the
// given time: a tenth less, and at least a minute or half of it less, whichever is smaller.
// The brokers' clocks may run differently from ours, and a record is a little older than
// the high watermark that includes it.
func absence(retention time.Duration) time.Duration {
	return retention - max(retention/10, min(time.Minute, retention/2))
}
