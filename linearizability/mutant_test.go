package linearizability_test

import (
	"maps"
	"math"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A mutant is a history with methods that choose places in it to change.
type mutant struct {
	*lin.History

	choose func(n int) int
}

func unique(id string) bool { return id != "" && !strings.HasPrefix(id, "~") }

func sameProcess(a, b *lin.Operation) bool { return a.Client == b.Client && a.Process == b.Process }

// op chooses an operation for which fits returns true.
func (m *mutant) op(fits func(o *lin.Operation) bool) *lin.Operation {
	var all []*lin.Operation
	for i := range m.Ops {
		if fits(&m.Ops[i]) {
			all = append(all, &m.Ops[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[m.choose(len(all))]
}

// appended returns the index in the log of the event that appended the value of a write,
// or -1.
func (m *mutant) appended(o *lin.Operation) int {
	if o == nil {
		return -1
	}
	return slices.IndexFunc(m.Log, func(l lin.LogEvent) bool {
		return l.Kind == lin.LogAppend && l.Key == o.Key && l.Value == o.Value
	})
}

// tampered reports whether records were removed from the log or lost. The judges then
// excuse much that they would report otherwise.
func (m *mutant) tampered() bool {
	return slices.ContainsFunc(m.Log, func(l lin.LogEvent) bool {
		return l.Kind == lin.LogCompact || l.Kind == lin.LogTruncate || l.Kind == lin.LogRecreate || l.Kind == lin.LogTrim
	})
}

// blank makes a get of a key that is never deleted return no value, although it must see
// a write that was acknowledged before it.
func (m *mutant) blank(needs func(o, before *lin.Operation) bool) bool {
	o := m.op(func(o *lin.Operation) bool {
		if o.Kind != lin.OpGet || o.Outcome != lin.OK || o.Key[0] != 'p' || o.Value == "" {
			return false
		}
		return slices.ContainsFunc(m.Ops, func(before lin.Operation) bool {
			return before.Outcome == lin.OK && before.Return.Seq < o.Call.Seq && needs(o, &before)
		})
	})
	if o == nil || m.tampered() {
		return false
	}
	o.Value, o.Revision = "", lin.None
	return true
}

// hook chooses a hook of a process that lives until the end.
func (m *mutant) hook() int {
	last := map[string]int{}
	for i := range m.Ops {
		last[m.Ops[i].Client] = m.Ops[i].Process
	}
	count := map[string]int{}
	for _, h := range m.Hooks {
		if last[h.Client] == h.Process {
			count[h.Client]++
		}
	}
	var all []int
	for i, h := range m.Hooks {
		if last[h.Client] == h.Process && count[h.Client] > 1 {
			all = append(all, i)
		}
	}
	if len(all) == 0 || m.tampered() {
		return -1
	}
	return all[m.choose(len(all))]
}

// behindGap puts a value into a final state that was deleted from the start of the log
// together with a later value of its key.
func (m *mutant) behindGap() bool {
	type versions struct {
		before, last string
		offset       int64 // of the last
	}
	keys := map[string]versions{}
	var start int64
	for _, l := range m.Log {
		switch l.Kind {
		case lin.LogAppend:
			v := keys[l.Key]
			if l.Txn == "" { // a transaction may be aborted
				keys[l.Key] = versions{v.last, l.Value, l.Offset}
			} else {
				keys[l.Key] = versions{"", "", math.MaxInt64}
			}
		case lin.LogTrim:
			start = max(start, l.Offset)
		case lin.LogTruncate, lin.LogRecreate:
			return false
		default:
		}
	}
	for i := range m.Snapshots {
		s := &m.Snapshots[i]
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			v := keys[key]
			if s.Kind != lin.SnapshotFinal || v.offset >= start || !unique(v.before) || v.before == v.last {
				continue
			}
			n, there := slices.BinarySearchFunc(s.Items, key, func(it lin.Item, key string) int { return strings.Compare(it.Key, key) })
			if !there {
				s.Items = slices.Insert(slices.Clone(s.Items), n, lin.Item{Key: key})
			}
			s.Items[n].Value, s.Items[n].Revision = v.before, lin.None
			return true
		}
	}
	return false
}

// snapshot changes one item of a snapshot.
func (m *mutant) snapshot(kind lin.SnapshotKind, change func(items []lin.Item, i int) []lin.Item) bool {
	var all []*lin.Snapshot
	for i := range m.Snapshots {
		if s := &m.Snapshots[i]; s.Kind == kind && len(s.Items) > 0 {
			all = append(all, s)
		}
	}
	if len(all) == 0 || m.tampered() {
		return false
	}
	s := all[m.choose(len(all))]
	s.Items = change(slices.Clone(s.Items), m.choose(len(s.Items)))
	return true
}

func (m *mutant) exchange(a, b int) {
	x, y := &m.Log[a].Record, &m.Log[b].Record
	x.Key, y.Key = y.Key, x.Key
	x.Value, y.Value = y.Value, x.Value
}

// after returns a stamp later than those of all events.
func (m *mutant) after() lin.Stamp {
	var s lin.Stamp
	later := func(t lin.Stamp) {
		if t.Seq > s.Seq {
			s = t
		}
	}
	for _, o := range m.Ops {
		later(o.Call)
		later(o.Return)
	}
	for _, l := range m.Log {
		later(l.Stamp)
	}
	for _, h := range m.Hooks {
		later(h.Stamp)
	}
	for _, p := range m.Snapshots {
		later(p.Stamp)
	}
	s.Seq++
	return s
}

// add appends a record to the log, as the last event.
func (m *mutant) add(rec lin.Record) {
	var end int64
	for _, l := range m.Log {
		switch l.Kind {
		case lin.LogAppend:
			end = l.Offset + 1
		case lin.LogTruncate:
			end = min(end, l.Offset)
		}
	}
	rec.Offset = end
	m.Log = append(m.Log, lin.LogEvent{Stamp: m.after(), Kind: lin.LogAppend, Record: rec})
}
