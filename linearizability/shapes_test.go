package linearizability_test

import (
	"errors"
	"fmt"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A shape makes a history of about n operations that is hard to judge in time and memory in
// proportion to its size.
type shape struct {
	name string
	make func(n int) *lin.History
}

// maker makes the histories of shapes.
type maker struct {
	*lin.Recorder

	off int64
}

func newMaker(tap lin.Tap, hooks bool) *maker {
	return &maker{Recorder: lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Tap: tap, Hooks: hooks}})}
}

var errLost = errors.New("no answer")

func (m *maker) begin(client string, kind lin.OpKind, key, value string) *lin.Call {
	return m.Begin(lin.Operation{Client: client, Process: 1, Kind: kind, Key: key, Value: value})
}

// append appends a record, of a write of the history.
func (m *maker) append(key, value string) int64 {
	m.Append(lin.Record{Offset: m.off, Key: key, Value: value})
	m.off++
	return m.off - 1
}

// put does a whole write. It deletes if there is no value.
func (m *maker) put(client, key, value string) {
	kind := lin.OpPut
	if value == "" {
		kind = lin.OpDelete
	}
	c := m.begin(client, kind, key, value)
	c.Revision(m.append(key, value)).OK()
}

func (m *maker) get(client, key, value string) { m.begin(client, lin.OpGet, key, "").Value(value).OK() }

func value(i int) string { return fmt.Sprint("v", i) }

// underWay has n/2 puts of one key under way together, and as many reads.
func underWay(tap lin.Tap, shared bool) func(n int) *lin.History {
	return func(n int) *lin.History {
		m := newMaker(tap, false)
		name := func(i int) string {
			if shared {
				return "~same"
			}
			return value(i)
		}
		for i := range n / 2 {
			c := m.begin(fmt.Sprint("w", i), lin.OpPut, "a", name(i))
			if i%3 == 0 {
				c.Unknown(errLost)
			}
		}
		for i := range n / 2 {
			if tap != lin.TapNone {
				m.append("a", name(i))
			}
			m.get(fmt.Sprint("r", i%7), "a", name(i))
		}
		return m.History()
	}
}

// atOnce has n/2 puts of one key that are all acknowledged in the end, while others read.
func atOnce(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	calls := make([]*lin.Call, n/4)
	for i := range calls {
		calls[i] = m.begin(fmt.Sprint("w", i), lin.OpPut, "a", value(i))
	}
	for i := range calls {
		m.append("a", value(i))
		m.get(fmt.Sprint("r", i%7), "a", value(i))
		m.begin("s", lin.OpSync, "", "").OK()
		m.get("s", "a", value(i))
	}
	for _, c := range calls {
		c.OK()
	}
	return m.History()
}

// trims deletes records from the start of the log, one after the other.
func trims(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	for i := range n / 2 {
		m.put("w", fmt.Sprint("k", i), value(i))
	}
	for i := range n / 2 {
		m.Trim(int64(i + 1))
		m.get(fmt.Sprint("c", i%50), fmt.Sprint("k", i), value(i))
	}
	return m.History()
}

// openTransactions has many open transactions, while others read and the log is trimmed.
func openTransactions(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	for i := range n {
		m.Append(lin.Record{Offset: int64(i), Key: "a", Value: value(i), Txn: fmt.Sprint("t", i), Foreign: true})
		if i%4 == 0 {
			m.Trim(int64(i / 8))
		}
	}
	for i := range n / 2 {
		m.get(fmt.Sprint("c", i%9), "a", "")
	}
	for i := range n {
		m.Transaction(fmt.Sprint("t", n-1-i), false)
	}
	return m.History()
}

// losses loses the tail of a log with n/2 records of as many keys, n/4 times.
func losses(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	for i := range n / 2 {
		m.put("w", fmt.Sprint("k", i), value(i))
	}
	for i := range n / 4 {
		m.Truncate(m.off - 1)
		m.off--
		m.put("w", fmt.Sprint("k", i%10), value(n+i))
		m.get(fmt.Sprint("c", i%5), "k0", value(n+i/10*10))
	}
	return m.History()
}

// batches loses the tail of a log of batches.
func batches(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	batch := func(i int) {
		items := []lin.Item{{Key: "a", Value: value(2 * i), Revision: lin.None}, {Key: "b", Value: value(2*i + 1), Revision: lin.None}}
		c := m.Begin(lin.Operation{Client: "w", Process: 1, Kind: lin.OpBatch, Items: items})
		for _, it := range items {
			m.append(it.Key, it.Value)
		}
		c.OK()
	}
	for i := range n / 2 {
		batch(i)
	}
	for i := range n / 4 {
		m.Truncate(m.off - 2)
		m.off -= 2
		batch(n + i)
		m.get("w", "a", value(2*(n+i)))
	}
	return m.History()
}

// again uses offset 0 again and again, and deletes the same key there.
func again(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	for i := range n / 2 {
		m.put(fmt.Sprint("c", i%3), "a", "")
		m.begin("s", lin.OpSync, "", "").Position(1).OK()
		m.Recreate()
		m.off = 0
	}
	return m.History()
}

// rebuilds has clients that reread the log after each of many losses.
func rebuilds(n int) *lin.History {
	m := newMaker(lin.TapExact, true)
	put := m.begin("c1", lin.OpPut, "a", "v")
	m.append("a", "v")
	m.Hook(lin.Hook{Client: "c1", Process: 1, Key: "a", Value: "v", Offset: 0})
	put.OK()
	for range n / 2 {
		m.Trim(0)
		m.Rebuild(lin.Rebuild{Client: "c1", Process: 1, Cause: lin.RebuildLoss})
		m.get("c1", "a", "v")
	}
	return m.History()
}

// processes has a new process for each read, and a final state of each.
func processes(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	m.begin("w", lin.OpOpen, "", "").OK()
	m.put("w", "a", "v")
	items := []lin.Item{{Key: "a", Value: "v", Revision: lin.None}}
	for i := range n / 2 {
		open := m.Begin(lin.Operation{Client: "c", Process: i + 1, Kind: lin.OpOpen})
		open.Position(1).OK()
		get := m.Begin(lin.Operation{Client: "c", Process: i + 1, Kind: lin.OpGet, Key: "a"})
		get.Value("v").OK()
		m.Hook(lin.Hook{Client: "c", Process: i + 1, Key: "a", Value: "v", Offset: 0})
		m.Snapshot(lin.Snapshot{Kind: lin.SnapshotFinal, Client: "c", Process: i + 1, Position: 1, Items: items})
	}
	return m.History()
}

// doubled has each record twice, so that half of them is wrong.
func doubled(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	c := m.begin("c", lin.OpDelete, "a", "")
	for range n {
		m.append("a", "")
	}
	c.OK()
	return m.History()
}

// oneBatch writes many keys with one batch.
func oneBatch(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	var items []lin.Item
	for i := range n / 2 {
		items = append(items, lin.Item{Key: fmt.Sprint("k", i%(n/4)), Value: value(i), Revision: lin.None})
	}
	c := m.Begin(lin.Operation{Client: "c", Process: 1, Kind: lin.OpBatch, Items: items})
	for _, it := range items {
		m.append(it.Key, it.Value)
	}
	c.OK()
	for i := range n / 2 {
		m.get("c", fmt.Sprint("k", i%(n/4)), value(n/4+i%(n/4)))
	}
	return m.History()
}

// linearShapes are judged in time and memory in proportion to their size.
var linearShapes = []shape{
	{"under way, no tap", underWay(lin.TapNone, false)},
	{"under way, no tap, one value", underWay(lin.TapNone, true)},
	{"under way", underWay(lin.TapExact, false)},
	{"under way, one value", underWay(lin.TapExact, true)},
	{"at once", atOnce},
	{"trims", trims},
	{"open transactions", openTransactions},
	{"losses", losses},
	{"losses of batches", batches},
	{"offsets again", again},
	{"rebuilds", rebuilds},
	{"processes", processes},
	{"doubled", doubled},
	{"one batch", oneBatch},
}

// ranges reads all keys, n/4 times, and gets nothing, which takes a step for each key.
func ranges(n int) *lin.History {
	m := newMaker(lin.TapExact, false)
	for i := range n / 2 {
		m.put("w", fmt.Sprintf("k%06d", i), value(i))
	}
	for range n / 4 {
		m.begin("r", lin.OpRange, "", "").Items(nil).OK()
	}
	return m.History()
}
