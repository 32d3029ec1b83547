package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// opKind is what a worker can do. Several map to the same kind of operation in the history.
type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opBatch
	opGet
	opRange
	opBarrierGet
	opBarrierRange
	opSync
	opWait
	opOpen
	opReopen
	opKinds // the number of kinds
)

func (k opKind) writes() bool { return k <= opBatch }

// waits reports whether the operation waits for the log.
func (k opKind) waits() bool { return k != opGet && k != opRange }

// reads reports whether the operation reads the log.
func (k opKind) reads() bool { return !k.writes() && k != opOpen && k != opReopen }

// A worker is one goroutine of a client. It does one operation after another.
type worker struct {
	w     *world
	ctx   context.Context //nolint:containedctx // the run's life, in the worker's lane
	slot  *slot
	n     int // index among the client's workers
	index int // among those of all clients
	id    string
	rng   *rand.Rand
	odd   *rand.Rand // for forms; nil for a worker that uses none
	keys  *zipf
	next  int // number of the next value
}

// payload draws a value with an id of its own.
func (k *worker) payload() payload {
	if k.rng.IntN(40) == 0 {
		return payload{id: emptyID}
	}
	k.next++
	return payload{id: fmt.Sprintf("%s.%d", k.id, k.next), size: k.size()}
}

// value draws a value as it is written.
func (k *worker) value() (id string, b []byte) {
	v := k.payload()
	return v.id, v.bytes()
}

// size draws the size of a value: most are small, a few as large as allowed.
func (k *worker) size() int {
	most := k.w.plan.Workload.Value
	switch n := k.rng.IntN(100); {
	case n < 70:
		most = min(most, 48)
	case n < 95:
		most = min(most, 256)
	case n < 99:
		most = min(most, 4096)
	}
	if most <= 0 {
		return 0
	}
	return 1 + k.rng.IntN(most)
}

func (k *worker) key() string { return k.w.keys[k.keys.draw(k.rng)] }

// do does one operation and records it.
func (k *worker) do(ctx context.Context, p *process, kind opKind) {
	op := &operation{worker: k, p: p}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	if p.ctx.Err() != nil {
		cancel() // now, and not when the function of AfterFunc gets to run
	}
	defer op.bound(ctx, k.timeout())()
	k.w.inflight.begin(kind)
	defer k.w.inflight.end(kind)
	k.slot.calls.Add(1)
	if kind != opReopen {
		p.calls.Add(1)
		defer p.calls.Add(-1)
	}
	if kind.waits() && !kind.writes() {
		k.slot.asks.Add(1)
	}
	p.labelled(op.ctx, func(context.Context) { op.do(kind) })
}

// timeout draws how long an operation may take.
func (k *worker) timeout() time.Duration {
	most := k.w.plan.Workload.Timeout
	return most/2 + time.Duration(k.rng.Int64N(int64(most/2)+1))
}

// An operation is one under way.
type operation struct {
	*worker
	p     *process
	begun time.Time
	ctx   context.Context //nolint:containedctx // one operation's
	until time.Time       // when ctx ends; zero if that is its deadline

	hasEnded  bool // ctx had ended before the call
	hasty     bool // ctx may end before the call can meet what is in its way
	takesTime bool // a local read lets time pass
}

func (o *operation) do(kind opKind) {
	switch kind {
	case opPut:
		o.put()
	case opDelete:
		o.delete()
	case opBatch:
		o.batch()
	case opGet, opBarrierGet:
		o.get(o.key(), kind == opBarrierGet)
	case opRange, opBarrierRange:
		o.scan(kind == opBarrierRange)
	case opSync:
		o.sync()
	case opWait:
		o.wait()
	case opReopen:
		o.reopen()
	case opOpen, opKinds:
	}
}

func (o *operation) begin(op lin.Operation) *lin.Call {
	op.Client, op.Process = o.slot.name, o.p.number
	op.Deadline = outcome.Deadline(o.ctx, o.w.start)
	o.begun = time.Now()
	if op.Kind.Writes() {
		o.slot.writes.Add(1)
		o.p.writing.Add(1)
	}
	return o.w.rec.Begin(op)
}

// end records how an operation ended, unless its process crashed: then no caller got the
// answer.
//
// Of goroutines that the same event wakes, each first waits some nanoseconds of its own.
// Otherwise it would be chance which one is recorded first.
func (o *operation) end(record func()) bool {
	if !o.p.crashed.Load() {
		until := o.until
		if until.IsZero() {
			until = deadline(o.ctx)
		}
		o.w.judgePunctual(until, o.slot.name, "a call", lateCall)
	}
	_ = sleep(context.WithoutCancel(o.ctx), time.Duration(1+o.rng.Int64N(20_000)))
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	if o.p.crashed.Load() {
		o.w.sometimes.hit(sometimesCrashedInFlight)
		return false
	}
	record()
	o.p.said()
	return true
}

// ended ends a write.
func (o *operation) ended(call *lin.Call, key string, revision int64, err error) {
	o.p.writing.Add(-1)
	o.cut(err)
	if err == nil {
		o.p.showed(o.begun)
	}
	o.judgeServed(err)
	o.judgeWriting(err)
	o.notServed(err)
	o.end(func() {
		switch blind := o.w.blind(o.p); {
		case blind && err == nil:
			call.Revision(revision).Class(lin.ErrorWithheld).Unknown(errBlind)
			o.w.acknowledged()
			return
		case blind && errors.Is(err, kvstore.ErrDataLoss): // nothing was at the write's offset, or so the leader said
			call.Class(lin.ErrorWithheld).Unknown(err)
			return
		}
		if outcome.Wrote(call, o.p.client.Position, revision, err) {
			o.w.sometimes.hit(sometimesNotVisible)
		}
		if err == nil {
			o.w.acknowledged()
			o.w.board.post(note{o.slot.name, key, revision})
		}
	})
	o.judge(err)
	o.over(err)
}

// over judges how a call ended, and replaces the client if it can't go on.
func (o *operation) over(err error) {
	o.judgeHostile(err)
	o.judgeContext(err)
	o.lost(err)
}

// lost replaces the client when the error says that it can't go on.
func (o *operation) lost(err error) {
	if err != nil && !o.p.crashed.Load() {
		o.judgeFailed()
	}
	if gone(err) {
		o.w.ended(o.p, err)
		o.slot.replace(o.p)
	}
}

func (o *operation) put() {
	if c := o.other(); c != nil {
		o.putAs(c)
		return
	}
	key := o.key()
	id, value := o.value()
	call := o.begin(lin.Operation{Kind: lin.OpPut, Key: key, Value: id})
	rev, err := o.p.client.PutRevision(o.ctx, []byte(key), value)
	spoil(value)
	o.ended(call, key, rev, err)
}

// spoil overwrites a buffer, as its owner may do once a call has returned, whatever the
// outcome of the write.
func spoil(value []byte) {
	for i := range value {
		value[i] ^= 0xff
	}
}

func (o *operation) delete() {
	if c := o.other(); c != nil {
		o.deleteAs(c)
		return
	}
	key := o.key()
	call := o.begin(lin.Operation{Kind: lin.OpDelete, Key: key})
	rev, err := o.p.client.DeleteRevision(o.ctx, []byte(key))
	o.ended(call, key, rev, err)
}

func (o *operation) batch() {
	if c := o.other(); c != nil {
		o.batchAs(c)
		return
	}
	n := 2 + o.rng.IntN(4)
	items := make([]lin.Item, n)
	changes := make([]Change, n)
	for i := range items {
		key := o.key()
		items[i] = lin.Item{Key: key, Revision: lin.None}
		changes[i] = Change{Key: []byte(key), Delete: o.rng.IntN(5) == 0}
		if !changes[i].Delete {
			items[i].Value, changes[i].Value = o.value()
		}
	}
	call := o.begin(lin.Operation{Kind: lin.OpBatch, Items: items})
	rev, err := o.p.client.Execute(o.ctx, changes)
	for _, ch := range changes {
		spoil(ch.Value)
	}
	o.ended(call, items[n-1].Key, rev, err)
}

// read does the barrier of a read, if it has one, and then the read, and records its
// result.
func (o *operation) read(call *lin.Call, barrier bool, read func() error) {
	var err error
	if barrier {
		before := o.p.client.Position()
		if err = o.p.client.Sync(o.ctx); o.p.client.Position() > before {
			o.w.sometimes.hit(sometimesBarrierWaited)
		}
	}
	if err == nil {
		err = read()
	}
	if !barrier && err == nil && !o.takesTime && !o.p.waits {
		// A local read lets no time pass: what it is about to record
		// happens at the worker's own instant.
		o.p.mu.Lock()
		defer o.p.mu.Unlock()
		if !o.p.crashed.Load() {
			o.told(call, nil)
			o.judgeContext(nil)
		}
		return
	}
	o.answered(call, "a read behind a barrier", err)
}

// answered ends an operation that asked for the log.
func (o *operation) answered(call *lin.Call, what string, err error) (recorded bool) {
	o.judgeServed(err)
	recorded = o.end(func() { o.told(call, err) })
	o.judgeWaiting(what, err)
	o.over(err)
	return recorded
}

// told records the result of an operation that does not write.
func (o *operation) told(call *lin.Call, err error) {
	if err == nil && o.w.blind(o.p) {
		err = errBlind
	}
	outcome.Told(call, o.p.client.Position, err)
}

func (o *operation) get(key string, barrier bool) {
	call := o.begin(lin.Operation{Kind: lin.OpGet, Key: key, Barrier: barrier})
	o.read(call, barrier, func() error {
		if c := o.other(); c != nil {
			return o.getAs(c, call, key)
		}
		e, err := o.p.client.GetEntry(o.ctx, []byte(key))
		return outcome.Got(call, decodePayload, e, err)
	})
}

func (o *operation) scan(barrier bool) {
	if c := o.other(); c != nil {
		o.scanAs(c, barrier)
		return
	}
	r := ranges[o.rng.IntN(len(ranges))]
	limit := 0
	if o.rng.IntN(4) == 0 {
		limit = 1 + o.rng.IntN(8)
	}
	call := o.begin(lin.Operation{Kind: lin.OpRange, Start: r[0], End: r[1], Limit: limit, Barrier: barrier})
	o.read(call, barrier, func() error {
		items, err := entries(o.ctx, o.p.client, r[0], r[1], limit)
		call.Items(items)
		return err
	})
}

// entries reads an interval; empty bounds are open.
func entries(ctx context.Context, c Client, start, end string, limit int) ([]lin.Item, error) {
	var con kvstore.KeyConstraint
	if start != "" {
		con.Start = []byte(start)
	}
	if end != "" {
		con.End = []byte(end)
	}
	items := []lin.Item{}
	for e, err := range c.RangeEntries(ctx, con, kvstore.QueryOptions{Limit: limit}) {
		if err != nil {
			return nil, err
		}
		items = append(items, outcome.Item(decodePayload, e))
	}
	return items, nil
}

func (o *operation) sync() {
	call := o.begin(lin.Operation{Kind: lin.OpSync})
	o.answered(call, "a Sync", o.p.client.Sync(o.ctx))
}

// wait takes the newest revision noted by another client, waits for it and reads its key.
// If there is none, it just reads.
func (o *operation) wait() {
	if c := o.other(); c != nil && o.odd.IntN(2) == 0 {
		o.waitAs(c)
		return
	}
	n, ok := o.w.board.read(o.slot.name)
	if !ok {
		o.get(o.key(), false)
		return
	}
	call := o.begin(lin.Operation{Kind: lin.OpWait, Revision: n.revision})
	behind := o.p.client.Position() <= n.revision
	o.hasEnded = o.hasEnded && behind // nobody waits for what is shown
	err := o.p.client.WaitRevision(o.ctx, n.revision)
	recorded := o.answered(call, "a wait", err)
	if err == nil && recorded {
		if behind {
			o.w.sometimes.hit(sometimesHandedOver)
		}
		if o.slot.has(o.p) { // the wait may have ended as the client was closed
			o.get(n.key, false)
		}
	}
}
