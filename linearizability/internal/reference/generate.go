package reference

import (
	"fmt"
	"math/rand/v2"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Generate returns a small correct history: that of a few processes that follow a log,
// each at its own pace, while the log suffers what logs suffer. The seed decides all.
func Generate(seed uint64, tap lin.Tap) *lin.History {
	w := newWorld(seed, tap)
	w.rough = tap != lin.TapNone && w.one(2)
	w.hooks = tap != lin.TapNone && w.one(2)
	return w.run()
}

// GenerateTorn is like Generate. But the log has records in the beginning and suffers much, so that
// processes that have hooks often read it again, and more happens to it meanwhile.
func GenerateTorn(seed uint64, tap lin.Tap) *lin.History {
	w := newWorld(seed, tap)
	w.rough, w.hooks, w.torn = true, true, true
	return w.run()
}

func newWorld(seed uint64, tap lin.Tap) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, uint64(tap))), tap: tap, txns: map[string]bool{}}
}

func (w *world) run() *lin.History {
	w.opens, w.dull = w.one(2), w.one(4)
	w.keys = "abc"
	w.rec = lin.NewRecorder(func() time.Duration {
		if !w.one(3) {
			w.clock += time.Millisecond
		}
		return w.clock
	}, lin.RecorderOptions{Header: lin.Header{Tap: w.tap, Hooks: w.hooks}})
	for i := range 1 + w.rng.IntN(3) {
		w.start(fmt.Sprintf("c%d", i+1), 1)
	}
	if w.torn {
		for range 6 {
			w.append(lin.Record{Key: w.key(), Value: w.value(), Foreign: true})
		}
	}
	steps := 8 + w.rng.IntN(30)
	if w.tap == lin.TapNone { // all that there is are operations, and keys have nothing to do with each other
		w.keys, steps = w.keys[:1+w.rng.IntN(3)], 4*steps
	}
	for range steps {
		w.step()
	}
	w.finish()
	return w.rec.History()
}

type world struct {
	rng   *rand.Rand
	tap   lin.Tap
	rec   *lin.Recorder
	clock time.Duration
	rough bool // the log loses records and is compacted
	torn  bool // often
	hooks bool
	opens bool
	dull  bool // most values are shared
	keys  string

	log    []*entry // by offset
	start0 int64    // the first offset that was not trimmed
	era    int
	cuts   []int64         // of each loss
	notes  []func()        // what the tap has not noted yet
	txns   map[string]bool // transactions: true while open
	values int
	procs  []*proc
	writes []*write
}

// An entry is a record of the log, with what the generator knows about it.
type entry struct {
	lin.Record

	last      int64          // the offset of the last record of its batch
	seen      map[*proc]bool // who has applied it
	removed   bool
	returned  bool // it was removed once, and came back
	lost      bool
	committed bool
	aborted   bool
}

// A proc is a process with its state.
type proc struct {
	client string
	n      int
	dead   bool
	closes bool // it has been asked to
	opened bool
	begun  bool // it has made its first call
	era    int
	view   []*entry // the log as it was, once it is in the past
	at     int64
	behind int64 // it can't claim anything below this, because it skipped records
	state  map[string]lin.Item
	calls  []*call

	// While it reads the log again, it tells nothing and no operation takes place.
	was   map[string]lin.Item // what its hooks have told, nil if it does not
	from  int64               // where the log began then
	least int64               // up to where it reads before it tells what differs
	// shown is up to where the log still has what it had read before: operations wait for that.
	shown int64
}

// A call is an operation under way.
type call struct {
	*lin.Call

	op    lin.Operation
	era   int // of the log that it has to read
	until int64
	needs []*entry
	write *write
}

// A write may get into the log as long as it is not gone.
type write struct {
	op      lin.Operation
	gone    bool
	records []*entry
	acked   bool
}

func (w *world) one(in int) bool { return w.rng.IntN(in) == 0 }

func (w *world) key() string { return string(w.keys[w.rng.IntN(len(w.keys))]) }

func (w *world) value() string {
	if w.one(6) || w.dull && !w.one(3) {
		return "~e"
	}
	w.values++
	return fmt.Sprint("v", w.values)
}

// note tells the tap of something, now or, if the tap is late, later.
func (w *world) note(what func()) {
	w.notes = append(w.notes, what)
	if w.tap == lin.TapExact || w.one(2) {
		w.flush()
	}
}

func (w *world) flush() {
	for _, what := range w.notes {
		if w.tap != lin.TapNone {
			what()
		}
	}
	w.notes = nil
}

func (w *world) append(rs ...lin.Record) []*entry {
	var es []*entry
	first := int64(len(w.log))
	for i, r := range rs {
		r.Offset = first + int64(i)
		e := &entry{Record: r, last: first + int64(len(rs)) - 1, seen: map[*proc]bool{}}
		w.log, es = append(w.log, e), append(es, e)
		w.note(func() { w.rec.Append(r) })
	}
	return es
}

// stable returns the offset up to which readers can read.
func stable(log []*entry) int64 {
	for _, e := range log {
		if e.Txn != "" && !e.committed && !e.aborted {
			return e.Offset
		}
	}
	return int64(len(log))
}

func (w *world) start(client string, n int) {
	p := &proc{client: client, n: n, era: w.era, at: w.start0, state: map[string]lin.Item{}, opened: !w.opens}
	w.procs = append(w.procs, p)
	if w.opens {
		w.begin(p, lin.Operation{Kind: lin.OpOpen}, stable(w.log))
	}
}

func (w *world) begin(p *proc, op lin.Operation, until int64) *call {
	op.Client, op.Process = p.client, p.n
	if !p.begun {
		p.begun, p.era, p.at = true, w.era, w.start0
	}
	c := &call{op: op, until: until}
	if op.Barrier || op.Kind == lin.OpSync {
		c.needs, c.era = w.log[:stable(w.log)], w.era
	}
	if op.Kind == lin.OpOpen {
		c.era = w.era
	}
	c.Call = w.rec.Begin(op)
	p.calls = append(p.calls, c)
	return c
}

func (w *world) step() {
	p := w.procs[w.rng.IntN(len(w.procs))]
	switch n := w.rng.IntN(100); {
	case w.torn && n >= 25 && n < 35:
		w.suffer()
	case n < 25:
		w.call(p)
	case n < 50:
		w.advance(p)
	case n < 62:
		w.deliver()
	case n < 82:
		w.end(p)
	case n < 84 && !p.dead && p.begun:
		p.dead = true
		w.start(p.client, p.n+1)
	case n < 89 && w.tap != lin.TapNone:
		w.foreign()
	case n < 91 && w.tap != lin.TapNone:
		w.flush()
		w.rec.End(stable(w.log))
	case n < 92:
		w.flush()
	case n < 94:
		w.look(p)
	case w.rough:
		w.suffer()
	default:
		w.advance(p)
	}
}

// call begins an operation.
func (w *world) call(p *proc) {
	if p.dead || p.closes || !p.opened || len(p.calls) >= 2 {
		return
	}
	op := lin.Operation{Key: w.key(), Revision: lin.None, Position: lin.None}
	what := w.rng.IntN(12)
	if w.tap == lin.TapNone && w.one(2) {
		what = 5
	}
	switch what {
	case 0, 1, 2:
		op.Kind, op.Value = lin.OpPut, w.value()
	case 3:
		op.Kind = lin.OpDelete
	case 4:
		op.Kind, op.Key = lin.OpBatch, ""
		for range 2 + w.rng.IntN(2) {
			it := lin.Item{Key: w.key(), Revision: lin.None}
			if deletes := w.one(3) || w.dull && w.one(2); !deletes {
				it.Value = w.value()
			}
			op.Items = append(op.Items, it)
		}
	case 5, 6, 7:
		op.Kind, op.Barrier = lin.OpGet, w.one(4)
	case 8, 9:
		op.Kind, op.Key, op.Barrier = lin.OpRange, "", w.one(4)
		op.Start, op.End, op.Limit = []string{"", "a", "b"}[w.rng.IntN(3)], []string{"", "", "c"}[w.rng.IntN(3)], w.rng.IntN(3)
	case 10:
		op.Kind, op.Key = lin.OpSync, ""
		if p.closes = w.one(5); p.closes {
			op.Kind = lin.OpClose
		}
	default:
		most := max(len(w.log), len(p.log(w))) // it may wait for what was lost
		if w.tap == lin.TapNone || most == 0 {
			return
		}
		op.Kind, op.Key, op.Revision = lin.OpWait, "", int64(w.rng.IntN(most+1))
	}
	c := w.begin(p, op, 0)
	switch {
	case op.Kind.Writes():
		c.write = &write{op: op}
		w.writes = append(w.writes, c.write)
	case op.Kind == lin.OpWait:
		c.until = op.Revision + 1
	}
}
