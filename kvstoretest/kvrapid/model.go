package kvrapid

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A model is what the log has to be, learned record by record: each must have been written
// by a known write. What a client has to show at a position follows from it.
type model struct {
	// log has every record that was ever seen and was not lost since, ascending by offset;
	// compaction removes none of them.
	log []kvstoretest.LogRecord
	end int64 // of what was seen

	// pending are writes that may get into the log at any time: those of
	// unknown outcome.
	pending []Change
}

// trim removes the records below an offset from the model.
func (m *model) trim(start int64) {
	m.log = slices.DeleteFunc(m.log, func(r kvstoretest.LogRecord) bool { return r.Offset < start })
}

// learn takes over the log as it is now, and returns the new records that are relevant for
// a store.
func (m *model) learn(log kvstoretest.Log) (fresh []kvstoretest.LogRecord, err error) {
	for _, r := range log {
		i, known := slices.BinarySearchFunc(m.log, r.Offset, func(a kvstoretest.LogRecord, off int64) int {
			return int(a.Offset - off)
		})
		if known {
			old := m.log[i]
			if old.Kind != r.Kind || !bytes.Equal(old.Key, r.Key) || !bytes.Equal(old.Value, r.Value) {
				return nil, fmt.Errorf("the log changed: it had %v, now it has %v", old, r)
			}
			m.log[i].Txn = r.Txn
			continue
		}
		if r.Offset < m.end {
			return nil, fmt.Errorf("the log has %v now, which was not there when it ended at %d", r, m.end)
		}
		m.log = append(m.log, r)
		m.end = r.Offset + 1
		if r.Kind == kvstoretest.KindSet || r.Kind == kvstoretest.KindTombstone {
			fresh = append(fresh, r)
		}
	}
	return fresh, nil
}

// says reports whether a record is the one of a write.
func says(r kvstoretest.LogRecord, c Change) bool {
	if !bytes.Equal(r.Key, c.Key) || (r.Kind == kvstoretest.KindTombstone) != c.Delete {
		return false
	}
	return c.Delete || bytes.Equal(r.Value, c.Value)
}

// claim finds the writes of new records: first among the pending ones, then among may. It
// returns those of may that were not found.
func (m *model) claim(records []kvstoretest.LogRecord, may []Change) (left []Change, err error) {
	left = slices.Clone(may)
	for _, r := range records {
		match := func(c Change) bool { return says(r, c) }
		if i := slices.IndexFunc(m.pending, match); i >= 0 {
			m.pending = slices.Delete(m.pending, i, i+1)
			continue
		}
		i := slices.IndexFunc(left, match)
		if i < 0 {
			return left, fmt.Errorf("the log holds %v, which nobody wrote, or which was said not to be written, or which is there once more than it was written", r)
		}
		left = slices.Delete(left, i, i+1)
	}
	return left, nil
}

// at returns what a client at a position shows.
func (m *model) at(position int64) kvstoretest.Entries {
	behind := func(r kvstoretest.LogRecord) bool { return r.Offset >= position }
	return kvstoretest.Log(slices.DeleteFunc(slices.Clone(m.log), behind)).Entries()
}

// record returns the record at an offset.
func (m *model) record(off int64) (kvstoretest.LogRecord, bool) {
	i, ok := slices.BinarySearchFunc(m.log, off, func(a kvstoretest.LogRecord, off int64) int { return int(a.Offset - off) })
	if !ok {
		return kvstoretest.LogRecord{}, false
	}
	return m.log[i], true
}

// reach is how far a client can get: the end, or the first record of an open
// transaction.
func (m *model) reach() int64 {
	for _, r := range m.log {
		if r.Txn == kvstoretest.TxnOpen {
			return r.Offset
		}
	}
	return m.end
}

// query returns the result of a range query on some entries.
func query(all kvstoretest.Entries, q RangeQuery) kvstoretest.Entries {
	var out kvstoretest.Entries
	for _, e := range all {
		if q.Limit > 0 && len(out) == q.Limit {
			break
		}
		// Spelled out here, so as not to use the code under test.
		c := q.Constraint
		if c.Start != nil && bytes.Compare(e.Key, c.Start) < 0 || c.End != nil && bytes.Compare(e.Key, c.End) >= 0 {
			continue
		}
		out = append(out, e)
	}
	return out
}

// same compares entries, with revisions and times.
func same(got, want kvstoretest.Entries) bool {
	return slices.EqualFunc(got, want, func(a, b kvstore.Entry) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Revision == b.Revision && a.Time.Equal(b.Time)
	})
}

// find returns the one entry of a key.
func find(all kvstoretest.Entries, key []byte) kvstoretest.Entries {
	for _, e := range all {
		if bytes.Equal(e.Key, key) {
			return kvstoretest.Entries{e}
		}
	}
	return nil
}

// tail prints the end of the log.
func (m *model) tail() string {
	const most = 10
	lines := []string{fmt.Sprintf("the log, up to offset %d:", m.end)}
	for _, r := range m.log[max(0, len(m.log)-most):] {
		lines = append(lines, "    "+r.String())
	}
	for _, c := range m.pending {
		lines = append(lines, "    may still come: "+c.String())
	}
	return strings.Join(lines, "\n")
}
