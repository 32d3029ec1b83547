// Package reference judges small histories by brute force. It was written from the
// sentences of linearizability's documentation, and shares no code with the judges there,
// so that tests can compare the two. It tries every assignment of records to writes, and
// for each process every way in which it may have followed the log. Its time grows
// exponentially with a history, so it is of use for tests only.
package reference

import (
	"cmp"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A record is one appended record.
type record struct {
	lin.Record

	since   int64 // when its era began
	seq     int64 // when it was appended, or for a late tap the earliest moment that explains it
	noted   int64 // when the tap noted it
	removed int64 // when compaction first removed it, or forever
	lost    int64 // when the broker lost it, or forever
}

const forever = int64(1) << 62

// An era is the log between two losses.
type era struct {
	since   int64 // when it began
	cut     int64 // what this era has in common with the one before: all below cut
	records map[int64]*record
	trims   [][2]int64 // when, and up to which offset
}

// start returns the lowest offset that a new reader gets at a moment.
func (e *era) start(now int64) (at int64) {
	for _, t := range e.trims {
		if t[0] <= now {
			at = max(at, t[1])
		}
	}
	return at
}

// starts returns the offsets at which a new reader may begin at a moment. With a late tap, records
// may have been deleted before it was noted.
func (t *timeline) starts(e *era, now int64) []int64 {
	if !t.late {
		return []int64{e.start(now)}
	}
	all := []int64{e.start(now)}
	for _, trim := range e.trims {
		if trim[1] > all[0] && trim[1] <= e.end(now) {
			all = append(all, trim[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// end returns the next offset to be appended at a moment.
func (e *era) end(now int64) (at int64) {
	for _, r := range e.records {
		if r.seq <= now {
			at = max(at, r.Offset+1)
		}
	}
	return at
}

// A timeline is all that happened to the log.
type timeline struct {
	late    bool // events of the log may have been noted late
	eras    []*era
	records []*record
	ends    [][2]int64     // when an end was seen, and where
	took    []lin.LogEvent // the losses and deletions that took something
	commits map[string]int64
	aborts  map[string]int64
	// reported says that processes report when they read the log again.
	reported bool
}

func newTimeline(h *lin.History) *timeline {
	t := &timeline{late: h.Header.Tap != lin.TapExact, commits: map[string]int64{}, aborts: map[string]int64{}, reported: len(h.Rebuilds) > 0}
	cur := &era{records: map[int64]*record{}}
	t.eras = append(t.eras, cur)
	loss := func(seq, at int64) {
		next := &era{since: seq, cut: at, records: map[int64]*record{}, trims: slices.Clone(cur.trims)}
		for o, r := range cur.records {
			if o < at {
				next.records[o] = r
			} else {
				r.lost = min(r.lost, seq)
			}
		}
		cur = next
		t.eras = append(t.eras, cur)
	}
	start := int64(0)
	for _, e := range h.Log {
		switch e.Kind {
		case lin.LogAppend:
			r := &record{Record: e.Record, since: cur.since, seq: e.Seq, noted: e.Seq, removed: forever, lost: forever}
			cur.records[e.Offset] = r
			t.records = append(t.records, r)
		case lin.LogTruncate:
			before := cur
			loss(e.Seq, e.Offset)
			if start = min(start, e.Offset); t.late || len(cur.records) < len(before.records) {
				t.took = append(t.took, e)
			}
		case lin.LogRecreate:
			loss(e.Seq, 0)
			cur.trims, start = nil, 0
			t.took = append(t.took, e)
		case lin.LogTrim:
			if e.Offset > start {
				t.took = append(t.took, e)
			}
			start = max(start, e.Offset)
			cur.trims = append(cur.trims, [2]int64{e.Seq, e.Offset})
		case lin.LogCompact:
			for _, o := range e.Removed {
				cur.records[o].removed = min(cur.records[o].removed, e.Seq)
			}
		case lin.LogUncompact: // one who follows the log slowly may be where the record was away
		case lin.LogCommit:
			t.commits[e.Txn] = e.Seq
		case lin.LogAbort:
			t.aborts[e.Txn] = e.Seq
		case lin.LogEnd:
			t.ends = append(t.ends, [2]int64{e.Seq, e.Offset})
		}
	}
	return t
}

// current returns the number of the era at a moment.
func (t *timeline) current(now int64) int {
	at := 0
	for i, e := range t.eras {
		if e.since <= now {
			at = i
		}
	}
	return at
}

// stable returns the offset up to which readers can read at a moment: the end, or the
// first record of a transaction that is open.
func (t *timeline) stable(e *era, now int64) int64 {
	at, start := e.end(now), e.start(now)
	for _, r := range e.records {
		if r.seq <= now && r.Txn != "" && !t.committed(r, now) && !t.aborted(r, now) {
			at = min(at, max(r.Offset, start)) // readers go on where the log begins
		}
	}
	return at
}

func (t *timeline) committed(r *record, now int64) bool {
	at, ok := t.commits[r.Txn]
	return ok && at <= now
}

func (t *timeline) aborted(r *record, now int64) bool {
	at, ok := t.aborts[r.Txn]
	return ok && at <= now
}

// shows reports whether a record, once applied, changes the state.
func (t *timeline) shows(r *record) bool {
	_, committed := t.commits[r.Txn]
	return r.Key != "" && (r.Txn == "" || committed)
}

// move moves each append as early as its writer, its predecessor in the log and the
// losses allow, and the ends of transactions to the start.
func (t *timeline) move(h *lin.History, of map[*record]*lin.Operation) {
	for _, ends := range []map[string]int64{t.commits, t.aborts} {
		for txn := range ends {
			ends[txn] = 0
		}
	}
	floor, i := int64(0), 0
	for _, e := range h.Log {
		switch e.Kind {
		case lin.LogAppend:
		case lin.LogTruncate, lin.LogRecreate:
			floor = max(floor, e.Seq)
			continue
		default:
			continue
		}
		r := t.records[i]
		i++
		if op := of[r]; op != nil {
			floor = max(floor, op.Call.Seq)
		}
		r.seq = min(floor, r.noted)
	}
}

// byKey returns items in the order of their keys.
func byKey(items []lin.Item) []lin.Item {
	return slices.SortedFunc(slices.Values(items), func(a, b lin.Item) int { return cmp.Compare(a.Key, b.Key) })
}
