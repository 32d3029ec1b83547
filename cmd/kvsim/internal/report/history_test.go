package report_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A maker makes the history of clients that follow one log without lag. All that it records is
// legal, except for what staleRead adds.
type maker struct {
	r       *lin.Recorder
	random  *rand.Rand
	now     time.Duration
	clients []string
	keys    []string
	state   map[string]lin.Item
	end     int64
	values  int
	flight  map[string]*flight
}

// A flight is an operation that has not returned.
type flight struct {
	op   lin.Operation
	call *lin.Call
}

func newMaker(clients, keys int) *maker {
	m := &maker{random: rand.New(rand.NewPCG(1, 2)), state: map[string]lin.Item{}, flight: map[string]*flight{}}
	m.r = lin.NewRecorder(func() time.Duration { return m.now }, lin.RecorderOptions{
		Header: lin.Header{Tap: lin.TapExact, Meta: map[string]string{"scenario": "hand-made"}},
	})
	for i := range clients {
		m.clients = append(m.clients, fmt.Sprintf("c%d", i+1))
	}
	for i := range keys {
		m.keys = append(m.keys, fmt.Sprintf("key/%02d", i))
	}
	return m
}

func (m *maker) pass(d time.Duration) { m.now += d }

// open starts a process of each client.
func (m *maker) open() {
	for _, c := range m.clients {
		m.whole(lin.Operation{Client: c, Process: 1, Kind: lin.OpOpen})
	}
}

// run records the given number of operations.
func (m *maker) run(operations int) {
	for done := 0; done < operations; {
		m.pass(time.Duration(m.random.Int64N(int64(400 * time.Microsecond))))
		c := m.clients[m.random.IntN(len(m.clients))]
		if f := m.flight[c]; f != nil {
			m.finish(f)
			delete(m.flight, c)
			done++
			continue
		}
		m.flight[c] = m.begin(m.draw(c))
	}
	for _, c := range m.clients {
		if f := m.flight[c]; f != nil {
			m.finish(f)
			delete(m.flight, c)
		}
	}
}

// draw makes an operation up.
func (m *maker) draw(client string) lin.Operation {
	key := m.keys[m.random.IntN(len(m.keys))]
	op := lin.Operation{Client: client, Process: 1, Kind: lin.OpGet, Key: key}
	switch m.random.IntN(10) {
	case 0, 1, 2, 3:
		op.Kind, op.Value = lin.OpPut, m.value()
	case 4:
		op.Kind = lin.OpDelete
	case 5:
		op = lin.Operation{Client: client, Process: 1, Kind: lin.OpRange, Start: "key/01", End: "key/03"}
	}
	return op
}

func (m *maker) value() string {
	m.values++
	return fmt.Sprintf("v%d", m.values)
}

func (m *maker) begin(op lin.Operation) *flight {
	return &flight{op: op, call: m.r.Begin(op)}
}

// finish lets an operation take effect, and return.
func (m *maker) finish(f *flight) {
	switch f.op.Kind {
	case lin.OpPut, lin.OpDelete:
		f.call.Revision(m.append(f.op.Key, f.op.Value))
		m.pass(50 * time.Microsecond)
	case lin.OpGet:
		if it, ok := m.state[f.op.Key]; ok {
			f.call.Value(it.Value).Revision(it.Revision)
		}
	case lin.OpRange:
		var items []lin.Item
		for _, key := range m.keys {
			if it, ok := m.state[key]; ok && f.op.Start <= key && key < f.op.End {
				items = append(items, it)
			}
		}
		f.call.Items(items)
	default:
	}
	f.call.Position(m.end).OK()
}

func (m *maker) whole(op lin.Operation) {
	f := m.begin(op)
	m.pass(100 * time.Microsecond)
	m.finish(f)
}

// append appends a record to the log and returns its offset.
func (m *maker) append(key, value string) int64 {
	off := m.end
	m.r.Append(lin.Record{Offset: off, Key: key, Value: value})
	m.end++
	if value == "" {
		delete(m.state, key)
	} else {
		m.state[key] = lin.Item{Key: key, Value: value, Revision: off}
	}
	return off
}

// staleRead lets a client write a key and read what was there before.
func (m *maker) staleRead(client, key string) {
	m.whole(lin.Operation{Client: client, Process: 1, Kind: lin.OpPut, Key: key, Value: m.value()})
	before := m.state[key]
	m.pass(time.Millisecond)
	m.whole(lin.Operation{Client: client, Process: 1, Kind: lin.OpPut, Key: key, Value: m.value()})
	m.pass(time.Millisecond)
	f := m.begin(lin.Operation{Client: client, Process: 1, Kind: lin.OpGet, Key: key})
	f.call.Value(before.Value).Revision(before.Revision).Position(m.end).OK()
}

// history returns a history with everything in it: faults, outcomes of all kinds and, in the middle,
// a stale read.
func history(tb testing.TB, operations int) *lin.History {
	tb.Helper()
	m := newMaker(6, 12)
	m.open()
	m.run(operations / 2)
	heal := []func(){
		m.r.Fault("lag client=c2 from=1.2s for=800ms"), m.r.Fault("restart broker=1 from=2s for=600ms"),
		m.r.Fault("lose-answer api=produce count=2 from=1s for=2s"),
	}
	m.run(operations / 20)
	m.staleRead("c3", "key/04")
	unknown := m.begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "key/01", Value: m.value()})
	m.append("key/01", unknown.op.Value)
	m.pass(3 * time.Millisecond)
	unknown.call.Unknown(errors.New("the answer was lost"))
	refused := m.begin(lin.Operation{Client: "c4", Process: 1, Kind: lin.OpPut, Key: "key/02", Value: m.value()})
	m.pass(2 * time.Millisecond)
	refused.call.Failed(errors.New("not enough replicas"))
	for _, h := range heal {
		h()
	}
	m.run(operations / 2)
	m.begin(lin.Operation{Client: "c5", Process: 1, Kind: lin.OpPut, Key: "key/03", Value: m.value()})
	return m.r.History()
}

// hostile returns a history in which every text tries to be taken for markup or code.
func hostile(tb testing.TB) *lin.History {
	tb.Helper()
	m := newMaker(1, 0)
	for i, text := range attacks {
		m.clients = append(m.clients, text)
		m.keys = append(m.keys, fmt.Sprintf("key%d %s", i, text))
	}
	m.open()
	m.run(60)
	m.r.Fault("lag client=" + attacks[0])
	m.r.Fault(attacks[1] + " broker=" + attacks[1])
	for i, text := range attacks {
		op := lin.Operation{Client: text, Process: 1, Kind: lin.OpPut, Key: m.keys[i], Value: fmt.Sprintf("value%d %s", i, text)}
		m.whole(op)
		op.Value = "again " + op.Value
		m.whole(op)
		f := m.begin(lin.Operation{Client: text, Process: 1, Kind: lin.OpGet, Key: op.Key})
		f.call.Value(fmt.Sprintf("value%d %s", i, text)).Position(m.end).OK()
		m.begin(lin.Operation{Client: text, Process: 1, Kind: lin.OpPut, Key: op.Key, Value: m.value()}).call.Unknown(errors.New(text))
	}
	return m.r.History()
}

// attacks are texts that set window.hacked if they are taken for markup or code.
var attacks = []string{
	`</script><script>window.hacked=1</script>`,
	`<img/src=x/onerror=window.hacked=1>`,
	`"><svg/onload=window.hacked=1>`,
	`'-window.hacked=1-'`,
	"<!--<script>",
	"{{.Title}}%s\x00\xff\u202egnol\u2028",
	"javascript:window.hacked=1",
}
