package linearizability_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A world is a small log with clients that follow it correctly. The history that it
// records is legal, whatever is drawn.
type world struct {
	// choose draws a number in [0, n).
	choose func(n int) int
	// calm leaves out everything that removes records from the log.
	calm bool

	r   *lin.Recorder
	now time.Duration

	log     []worldRecord // the records that are still there, by offset
	end     int64
	txn     int64 // the first offset of the open transaction, or -1
	txns    int
	values  int
	late    bool
	queue   []func() // log events that a late tap has not recorded yet
	clients []*worldClient
	limbo   []*worldOp // writes without an answer that may still arrive
	batches map[int64]int64
	epoch   int
	cuts    []int64 // of the end of each epoch but the last
}

type worldClient struct {
	name    string
	process int
	pos     int64
	epoch   int   // the timeline that it follows
	behind  bool  // it must reread the log
	must    int64 // after records were removed, reads wait until it has got here
	state   map[string]lin.Item
	open    bool
	ops     []*worldOp
	hooks   bool
}

type worldOp struct {
	client *worldClient
	op     lin.Operation
	call   *lin.Call
	off    int64 // of the last record, -1 if not appended
	epoch  int   // in which it was appended
	lost   bool
	again  bool // it was lost, and will be sent again
	target int64
}

var worldKeys = []string{"p1", "p2", "d1", "d2", "d\x00\xff"} // those with p are never deleted

func newWorld(choose func(n int) int) *world {
	w := &world{choose: choose, txn: -1, batches: map[int64]int64{}}
	w.late = w.one(3)
	tap := lin.TapExact
	if w.late {
		tap = lin.TapLate
	}
	w.r = lin.NewRecorder(w.clock, lin.RecorderOptions{Header: lin.Header{Tap: tap, Version: 2}})
	for i := range w.between(1, 4) {
		c := &worldClient{name: fmt.Sprintf("c%d", i+1), hooks: w.one(2)}
		w.clients = append(w.clients, c)
		w.start(c)
	}
	return w
}

// clock returns the time, which advances only now and then, so that some times tie.
func (w *world) clock() time.Duration {
	w.now += time.Duration(w.values%2) * time.Millisecond
	return w.now
}

// one is true in one of the given number of cases.
func (w *world) one(in int) bool { return w.choose(in) == in-1 }

func (w *world) between(low, high int64) int64 { return low + int64(w.choose(int(high-low+1))) }

func pick[T any](w *world, from []T) T { return from[w.choose(len(from))] }

// drawn makes a world that draws from rapid, which can shrink its choices.
func drawn(t *rapid.T) *world {
	return newWorld(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
}

// seeded makes a world whose choices are evenly distributed.
func seeded(seed uint64) *world {
	return newWorld(rand.New(rand.NewPCG(seed, 1)).IntN)
}

func (w *world) run(steps int) *lin.History {
	for range steps {
		w.step()
	}
	w.finish()
	return w.r.History()
}

func (w *world) step() {
	c := pick(w, w.clients)
	switch int(w.between(0, 22)) {
	case 0, 1, 2, 3, 4:
		w.begin(c)
	case 5, 6, 7, 8:
		w.arrive()
	case 9, 10, 11, 12:
		w.advance(c, false)
	case 13, 14, 15, 16, 17:
		if len(c.ops) > 0 {
			w.end1(pick(w, c.ops))
		}
	case 18:
		w.transaction()
	case 19:
		w.compact()
	case 20:
		w.tell(int(w.between(0, 3)))
	case 21:
		if w.one(10) {
			w.crash(c)
		}
	case 22:
		switch w.choose(12) {
		case 0:
			w.trim()
		case 1:
			w.truncate(w.one(3))
		}
	}
}

func (w *world) start(c *worldClient) {
	c.process++
	c.pos, c.epoch, c.state, c.open, c.must, c.behind = 0, w.epoch, map[string]lin.Item{}, false, w.stable(), false
	o := &worldOp{client: c, op: lin.Operation{Kind: lin.OpOpen}, off: -1, target: w.stable(), epoch: w.epoch}
	o.call = w.call(c, o.op)
	c.ops = []*worldOp{o}
}

func (w *world) call(c *worldClient, op lin.Operation) *lin.Call {
	op.Client, op.Process = c.name, c.process
	return w.r.Begin(op)
}

func (w *world) value() string {
	w.values++
	return fmt.Sprintf("v%d", w.values)
}

func (w *world) item(deletes bool) lin.Item {
	key := pick(w, worldKeys)
	it := lin.Item{Key: key, Revision: lin.None}
	switch {
	case deletes && key[0] == 'd' && w.one(3):
	case w.one(12):
		it.Value = "~empty"
	default:
		it.Value = w.value()
	}
	return it
}

func (w *world) begin(c *worldClient) {
	if !c.open || len(c.ops) >= 2 {
		return
	}
	o := &worldOp{client: c, off: -1, epoch: w.epoch}
	switch int(w.between(0, 9)) {
	case 0, 1, 2:
		it := w.item(true)
		o.op = lin.Operation{Kind: lin.OpPut, Key: it.Key, Value: it.Value}
		if it.Value == "" {
			o.op.Kind = lin.OpDelete
		}
	case 3:
		o.op = lin.Operation{Kind: lin.OpBatch}
		for range int(w.between(1, 4)) {
			o.op.Items = append(o.op.Items, w.item(true))
		}
	case 4, 5, 6:
		o.op = lin.Operation{Kind: lin.OpGet, Key: pick(w, worldKeys), Barrier: w.one(6)}
		o.target = w.stable()
	case 7:
		o.op = lin.Operation{Kind: lin.OpRange, Start: "d", Limit: int(w.between(0, 3))}
		if w.one(2) {
			o.op.End = "p2"
		}
	case 8:
		o.op, o.target = lin.Operation{Kind: lin.OpSync}, w.stable()
	case 9:
		if w.stable() == 0 {
			return
		}
		rev := w.between(0, w.stable()-1)
		o.op, o.target = lin.Operation{Kind: lin.OpWait, Revision: rev}, rev+1
	}
	o.client, o.call = c, w.call(c, o.op)
	c.ops = append(c.ops, o)
}

// advance lets a client apply more of the log, or all that it may. A client that follows
// an old timeline starts over and catches up immediately.
func (w *world) advance(c *worldClient, all bool) {
	to := w.stable()
	if !all && c.epoch == w.epoch && c.pos < to {
		to = w.between(c.pos, to)
	}
	if c.must > c.pos {
		to = max(to, c.must)
	}
	if c.epoch != w.epoch || c.behind {
		w.rebuild(c)
		return
	}
	for start, end := range w.batches {
		if start < to && to < end {
			to = end
		}
	}
	to = min(to, w.stable())
	w.applyAll(c, c.pos, to)
	c.pos = max(c.pos, to)
}

func (w *world) apply(c *worldClient, r worldRecord) {
	if r.Value == "" {
		delete(c.state, r.Key)
	} else {
		c.state[r.Key] = lin.Item{Key: r.Key, Value: r.Value, Revision: r.Offset}
	}
	if c.hooks {
		off := r.Offset
		if r.Offset%2 == 0 {
			off = lin.None
		}
		w.r.Hook(lin.Hook{Client: c.name, Process: c.process, Delete: r.Value == "", Key: r.Key, Value: r.Value, Offset: off})
	}
}

// rebuild makes the client's state that of the log, and calls hooks for what differs where what it
// had read ends, and then for each record.
func (w *world) rebuild(c *worldClient) {
	before, hooks := c.state, c.hooks
	c.behind = false
	left := c.pos // of what it had read
	for ; c.epoch < w.epoch; c.epoch++ {
		left = min(left, w.cuts[c.epoch])
	}
	c.pos, c.must, c.state, c.hooks = w.stable(), 0, map[string]lin.Item{}, false
	w.applyAll(c, 0, left)
	if c.hooks = hooks; hooks {
		w.differ(c, before)
	}
	w.applyAll(c, left, c.pos)
}

// applyAll applies the records from one offset up to another.
func (w *world) applyAll(c *worldClient, from, to int64) {
	for _, r := range w.log {
		if r.Offset >= from && r.Offset < to && !r.control && !r.aborted {
			w.apply(c, r)
		}
	}
}

// differ calls hooks for what differs from the state before.
func (w *world) differ(c *worldClient, before map[string]lin.Item) {
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := c.state[key]; !ok {
			w.r.Hook(lin.Hook{Client: c.name, Process: c.process, Delete: true, Key: key, Offset: lin.None})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.state)) {
		if it := c.state[key]; before[key] != it {
			w.r.Hook(lin.Hook{Client: c.name, Process: c.process, Key: key, Value: it.Value, Offset: it.Revision})
		}
	}
}

// end1 ends an operation, if it can end.
func (w *world) end1(o *worldOp) {
	c := o.client
	if o.op.Kind.Writes() {
		w.endWrite(o)
		return
	}
	if c.must > c.pos || c.behind || (o.epoch != w.epoch && c.epoch != w.epoch) {
		return // it waits until it has caught up
	}
	if o.op.Kind != lin.OpRange && (o.op.Kind != lin.OpGet || o.op.Barrier) && (c.pos < o.target && o.epoch == w.epoch || c.epoch != w.epoch) {
		return
	}
	switch o.op.Kind {
	case lin.OpGet:
		if it, ok := c.state[o.op.Key]; ok {
			o.call.Value(it.Value)
			if w.one(2) {
				o.call.Revision(it.Revision)
			}
		}
	case lin.OpRange:
		o.call.Items(c.list(o.op.Start, o.op.End, o.op.Limit))
	case lin.OpOpen:
		c.open = true
	}
	w.done(o)
	if w.one(3) {
		o.call.Position(c.pos)
	}
	o.call.OK()
}

func (c *worldClient) list(start, end string, limit int) []lin.Item {
	var items []lin.Item
	for _, key := range slices.Sorted(maps.Keys(c.state)) {
		if key >= start && (end == "" || key < end) && (limit == 0 || len(items) < limit) {
			items = append(items, c.state[key])
		}
	}
	return items
}

func (w *world) done(o *worldOp) {
	o.client.ops = slices.DeleteFunc(o.client.ops, func(p *worldOp) bool { return p == o })
}

func (w *world) endWrite(o *worldOp) {
	c := o.client
	visible := o.off >= 0 && !o.lost && c.epoch == w.epoch && c.pos > o.off && !c.behind
	switch {
	case visible && !w.one(12):
		if w.one(2) {
			o.call.Revision(o.off)
		}
		if w.one(3) {
			o.call.Position(c.pos)
		}
		o.call.OK()
	case !w.one(6):
		return // it waits
	case o.off < 0 && !o.lost && !o.again && w.one(2):
		o.call.Failed(errors.New("refused"))
	default:
		if o.off < 0 {
			w.limbo = append(w.limbo, o)
		}
		if (o.off < 0 || o.lost || o.again) && w.one(3) {
			o.call.Class(lin.ErrorLoss)
		}
		o.call.Unknown(errors.New("timed out"))
	}
	w.done(o)
}

// crash ends a process and all its operations under way.
func (w *world) crash(c *worldClient) {
	for _, o := range c.ops {
		if o.op.Kind.Writes() && o.off < 0 {
			w.limbo = append(w.limbo, o)
		}
	}
	w.start(c)
}

// finish lets all clients catch up, and records their states.
func (w *world) finish() {
	if w.txn >= 0 {
		w.transaction()
	}
	w.tell(len(w.queue))
	for _, c := range w.clients {
		w.advance(c, true)
		w.advance(c, true)
		for _, o := range slices.Clone(c.ops) {
			w.end1(o)
		}
		w.r.Snapshot(lin.Snapshot{Kind: lin.SnapshotFinal, Client: c.name, Process: c.process, Position: c.pos, Items: c.list("", "", 0)})
	}
	cold := &worldClient{state: map[string]lin.Item{}}
	for _, r := range w.log {
		if !r.control && !r.aborted {
			w.apply(cold, r)
		}
	}
	w.r.Snapshot(lin.Snapshot{Kind: lin.SnapshotCold, Client: "reader", Position: w.end, Items: cold.list("", "", 0)})
}
