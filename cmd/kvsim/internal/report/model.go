package report

import (
	"fmt"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A model is what the page's script gets, as JSON. Tables are stored by column, because a history
// may have many thousands of rows. Clients, keys and lanes are indexes, times are nanoseconds, and
// -1 means none.
type model struct {
	Clients []string `json:"clients"`
	// Keys are sorted by their bytes, so that a range is an interval of indexes.
	Keys []string `json:"keys"`
	// Lanes are the names of the lanes above those of the clients; see lanesOf.
	Lanes      []string         `json:"lanes"`
	End        point            `json:"end"`
	Ops        opColumns        `json:"ops"`
	Log        logColumns       `json:"log"`
	Hooks      eventColumns     `json:"hooks"`
	Snapshots  eventColumns     `json:"snapshots"`
	Faults     []faultModel     `json:"faults"`
	Violations []violationModel `json:"violations"`
	Pictures   []picture        `json:"pictures"`
}

// A point is a Stamp.
type point struct {
	Seq  int64 `json:"seq"`
	Time int64 `json:"time"`
}

func pointOf(s lin.Stamp) point { return point{s.Seq, int64(s.Time)} }

// opColumns has the operations in the order of their calls.
type opColumns struct {
	ID      []int64  `json:"id"`
	Client  []int    `json:"client"`
	Process []int    `json:"process"`
	Kind    []string `json:"kind"`
	// Low and High bound the keys of an operation: low <= key < high. For a batch,
	// Keys has the indexes of its keys instead.
	Low      []int         `json:"low"`
	High     []int         `json:"high"`
	Keys     map[int][]int `json:"keys"`
	Outcome  []string      `json:"outcome"`
	CallSeq  []int64       `json:"callSeq"`
	CallTime []int64       `json:"callTime"`
	// ReturnSeq is 0 for an operation that never returned.
	ReturnSeq  []int64  `json:"returnSeq"`
	ReturnTime []int64  `json:"returnTime"`
	Revision   []int64  `json:"revision"`
	Position   []int64  `json:"position"`
	Call       []string `json:"call"`
	Result     []string `json:"result"`
}

// logColumns has the events of the log tap.
type logColumns struct {
	Seq    []int64  `json:"seq"`
	Time   []int64  `json:"time"`
	Kind   []string `json:"kind"`
	Offset []int64  `json:"offset"`
	Key    []int    `json:"key"`
	Text   []string `json:"text"`
}

// eventColumns has hooks, or snapshots and rebuilds.
type eventColumns struct {
	Seq    []int64  `json:"seq"`
	Time   []int64  `json:"time"`
	Client []int    `json:"client"`
	Key    []int    `json:"key"`
	Offset []int64  `json:"offset"`
	Text   []string `json:"text"`
}

type violationModel struct {
	Check   string  `json:"check"`
	Client  int     `json:"client"`
	Key     int     `json:"key"`
	Ops     []int64 `json:"ops"`
	Offsets []int64 `json:"offsets"`
	From    point   `json:"from"`
	To      point   `json:"to"`
}

// An indexer gives each string of a list its index.
type indexer map[string]int

func indexOf(list []string) indexer {
	x := make(indexer, len(list))
	for i, s := range list {
		x[s] = i
	}
	return x
}

func (x indexer) of(s string) int {
	if i, ok := x[s]; ok {
		return i
	}
	return -1
}

// A modeller makes a model of a history.
type modeller struct {
	h       *lin.History
	m       *model
	rawKeys []string
	keys    indexer
	clients indexer
}

func newModel(r *Report) *model {
	b := modeller{h: r.History, m: &model{}}
	clients := clientsOf(b.h)
	b.clients = indexOf(clients)
	b.rawKeys = keysOf(b.h)
	b.keys = indexOf(b.rawKeys)
	b.m.Clients = printableAll(clients)
	b.m.Keys = printableAll(b.rawKeys)
	b.m.End = endOf(b.h)
	b.ops()
	b.log()
	b.events()
	b.m.Lanes, b.m.Faults = lanesOf(r, b.clients)
	b.m.Violations = []violationModel{}
	for _, v := range r.Verdict.Violations {
		b.m.Violations = append(b.m.Violations, violationModel{
			Check: string(v.Check), Client: b.clients.of(v.Client), Key: b.keyOf(v.Key),
			Ops: orEmpty(v.Ops), Offsets: orEmpty(v.Offsets), From: pointOf(v.From), To: pointOf(v.To),
		})
	}
	return b.m
}

// keyOf is the index of a key; no record has an empty one.
func (b *modeller) keyOf(key string) int {
	if key == "" {
		return -1
	}
	return b.keys.of(key)
}

func (b *modeller) ops() {
	c := &b.m.Ops
	*c = opColumns{Keys: map[int][]int{}}
	for i := range b.h.Ops {
		o := &b.h.Ops[i]
		c.ID = append(c.ID, o.ID)
		c.Client = append(c.Client, b.clients.of(o.Client))
		c.Process = append(c.Process, o.Process)
		c.Kind = append(c.Kind, o.Kind.String())
		low, high := b.interval(o)
		c.Low, c.High = append(c.Low, low), append(c.High, high)
		if o.Kind == lin.OpBatch || o.Kind == lin.OpTxn {
			for _, it := range o.Items {
				c.Keys[i] = append(c.Keys[i], b.keys.of(it.Key))
			}
		}
		c.Outcome = append(c.Outcome, o.Outcome.String())
		c.CallSeq = append(c.CallSeq, o.Call.Seq)
		c.CallTime = append(c.CallTime, int64(o.Call.Time))
		c.ReturnSeq = append(c.ReturnSeq, o.Return.Seq)
		c.ReturnTime = append(c.ReturnTime, int64(o.Return.Time))
		c.Revision = append(c.Revision, o.Revision)
		c.Position = append(c.Position, o.Position)
		c.Call = append(c.Call, callText(o))
		c.Result = append(c.Result, resultText(o))
	}
}

// interval bounds the keys that an operation concerns.
func (b *modeller) interval(o *lin.Operation) (low, high int) {
	switch o.Kind {
	case lin.OpPut, lin.OpDelete, lin.OpGet:
		i := b.keys.of(o.Key)
		return i, i + 1
	case lin.OpRange, lin.OpWatch:
		low, _ = slices.BinarySearch(b.rawKeys, o.Start)
		if high = len(b.rawKeys); o.End != "" {
			high, _ = slices.BinarySearch(b.rawKeys, o.End)
		}
		return low, high
	default:
	}
	return -1, -1
}

func (b *modeller) log() {
	c := &b.m.Log
	for i := range b.h.Log {
		e := &b.h.Log[i]
		off := lin.None
		switch e.Kind {
		case lin.LogAppend, lin.LogTruncate, lin.LogTrim, lin.LogEnd:
			off = e.Offset
		case lin.LogRecreate:
			off = 0
		case lin.LogCompact, lin.LogCommit, lin.LogAbort:
		}
		c.Seq = append(c.Seq, e.Seq)
		c.Time = append(c.Time, int64(e.Time))
		c.Kind = append(c.Kind, e.Kind.String())
		c.Offset = append(c.Offset, off)
		c.Key = append(c.Key, b.keyOf(e.Key))
		c.Text = append(c.Text, clean(e.String()))
	}
}

func (b *modeller) events() {
	for i := range b.h.Hooks {
		k := &b.h.Hooks[i]
		text := "set " + quote(k.Key) + " = " + valueName(k.Value)
		if k.Delete {
			text = "delete " + quote(k.Key)
		}
		b.m.Hooks.add(k.Stamp, b.clients.of(k.Client), b.keyOf(k.Key), k.Offset, text)
	}
	for i := range b.h.Rebuilds {
		r := &b.h.Rebuilds[i]
		text := "rereads the log"
		if r.Err != "" {
			text += ": " + clean(r.Err)
		}
		b.m.Snapshots.add(r.Stamp, b.clients.of(r.Client), -1, lin.None, text)
	}
	for i := range b.h.Statuses {
		s := &b.h.Statuses[i]
		b.m.Snapshots.add(s.Stamp, b.clients.of(s.Client), -1, s.Position, clean(s.String()))
	}
	for i := range b.h.Watched {
		w := &b.h.Watched[i]
		text := fmt.Sprintf("%s of watch %d", w.Kind, w.Watch)
		if len(w.Items) > 0 {
			text += ": " + itemsText(w.Items)
		}
		if w.Err != "" {
			text += ": " + clean(w.Err)
		}
		b.m.Snapshots.add(w.Stamp, b.clients.of(w.Client), -1, w.Position, text)
	}
	for i := range b.h.Expiries {
		x := &b.h.Expiries[i]
		b.m.Snapshots.add(x.Stamp, b.clients.of(x.Client), -1, lin.None, "lease "+printable(x.Lease)+" has ended")
	}
	for i := range b.h.Snapshots {
		s := &b.h.Snapshots[i]
		text := s.Kind.String() + " state, " + count(len(s.Items), "key")
		b.m.Snapshots.add(s.Stamp, b.clients.of(s.Client), -1, s.Position, text)
	}
}

func (c *eventColumns) add(at lin.Stamp, client, key int, offset int64, text string) {
	c.Seq = append(c.Seq, at.Seq)
	c.Time = append(c.Time, int64(at.Time))
	c.Client = append(c.Client, client)
	c.Key = append(c.Key, key)
	c.Offset = append(c.Offset, offset)
	c.Text = append(c.Text, text)
}

func printableAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = printable(s)
	}
	return out
}

func orEmpty(list []int64) []int64 {
	if list == nil {
		return []int64{}
	}
	return list
}
