package kvstore

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// writer puts writes into the log: one record batch at a time, each holding
// the writes that came while the one before was on its way (group commit).
//
// It produces by itself, with requests of its own, because franz-go's producer
// hides what outcomes depend on: how often a batch was sent, what was answered,
// and that it was sent again under another identity.
//
// I15: one batch at a time is what makes outcomes definite. A write that still
// queues when its context ends was never handed to Kafka and can be withdrawn. And
// every producer id has at most one batch of which the outcome is open, its last.
type writer struct {
	anyone  *requests // goes through the kgo client that writes
	wires   *wires    // of that client
	quota   *quota    // of that client
	part    *partition
	limit   func() byteLimit          // of one record batch
	refresh func(ctx context.Context) // updates what limit returns
	track   *position.Tracker
	recent  *position.Recent
	health  *health
	log     *repeatLog
	backoff func(failures int) time.Duration
	stop    context.CancelCauseFunc // ends run, and the batch on its way

	life           time.Duration // of a write
	produceTimeout time.Duration // how long the leader may wait for the replicas
	peekBytes      int32
	codec          kgo.Compressor // nil for none

	// Of run only:
	busy   invariant.Last[bool] // a batch is on its way
	wrote  invariant.Last[*wroteAt]
	who    sender // under which the next batch goes
	whoAt  leader // under which who was last in order
	leader leader // the last one that was asked
	plain  []byte // memory for batches
	own    ownEnds
	tries  int // of consecutive batches that were not sent because callers took writes back
	taken  int // bytes of the largest batch that was acknowledged

	// asks says what the batch on its way waits for: see asking.
	asks atomic.Int64

	// over is a pool of writes that have ended, each with its channel, which bubbles of
	// testing/synctest can't share: so each writer has its own pool. It saves an allocation
	// and a channel for each write.
	over sync.Pool

	queue queue

	mu      sync.Mutex
	trouble Problem // what blocks or slows writes; guarded by mu
}

// run sends groups until ctx ends. It returns once nothing is on its way.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.queue.wake:
		}
		for group := w.queue.next(w.limit().bytes); group != nil; group = w.queue.next(w.limit().bytes) {
			began := time.Now()
			w.send(ctx, group)
			if len(group) > 1 || w.queue.length() > 0 {
				w.linger(ctx, time.Since(began))
			}
		}
	}
}

const (
	// mostLinger bounds how long a group is held back.
	mostLinger = 20 * time.Millisecond

	// mostTurns bounds how often the writer yields to other goroutines while more writes
	// keep coming.
	mostTurns = 4
)

// linger holds back queued writes until the last group is visible, but no longer than that
// took to be acknowledged. Callers that waited for the last group are likely to write again
// immediately, and can join: that makes half as many record batches, requests and fetches as if
// the two groups took turns.
func (w *writer) linger(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, min(most, mostLinger))
	defer cancel()
	_ = w.track.Wait(ctx, w.own.end, w.own.term) // however it ends
	for n, turn := -1, 0; turn < mostTurns && n < w.queue.length(); turn++ {
		n = w.queue.length()
		runtime.Gosched() // to the callers that this released
	}
}

// send writes one group and tells each write its outcome.
func (w *writer) send(ctx context.Context, group []*write) {
	if invariant.On {
		w.checkFront(true)
		defer w.checkFront(false)
	}
	term, applied, _ := w.track.Now()
	w.own.begin(term)
	b := w.pack(group, applied)
	life, cancel := w.lifeOf(ctx, group)
	defer cancel()
	d := w.deliver(life, b)
	switch {
	case errors.Is(d.cause, errWithdrawn):
		w.queue.putBack(group)
	case d.outcome == nil:
		w.acknowledge(ctx, group, d, b, applied)
	case errors.Is(d.outcome, ErrNotWritten) && errors.Is(d.cause, ErrDeliveryTimeout):
		w.queue.putBack(w.expire(group, d.cause))
	case errors.Is(d.outcome, ErrRefused) && w.divide(life, group, b, d.cause):
		w.queue.putBack(group)
	default:
		w.splits(group, b, d.cause)
		w.end(group, d)
	}
}

// pack makes the record batch of a group. The log has been read up to applied.
func (w *writer) pack(group []*write, applied int64) *recordBatch {
	all := make([][]change, len(group))
	b := &recordBatch{who: noSender, from: max(applied, 0), searchedAt: noLeader}
	b.known, b.epoch = w.track.Known()
	for i, wr := range group {
		all[i] = wr.changes
		b.records += len(wr.changes)
	}
	b.plain = appendBatch(w.plain[:0], time.Now(), all...)
	if w.plain = b.plain; cap(w.plain) > mostKept {
		w.plain = nil
	}
	return b
}

// mostKept is how many bytes of memory the writer keeps for the next batch.
const mostKept = 1 << 20

// acknowledge ends a group that is in the log: each write is done once it is visible. The
// log had been read up to applied when the group was sent.
func (w *writer) acknowledge(ctx context.Context, group []*write, d delivered, b *recordBatch, applied int64) {
	w.own.from(w.leader)
	if d.offset >= 0 && d.offset < w.own.end && w.lies(ctx, b, d.offset) {
		// What was answered before was not true, or the leader lost it.
		w.own.end = 0
	}
	w.settle(group, result{delivered: d, who: b.who, by: w.leader, term: w.own.term, known: max(applied, w.own.end)})
	if d.offset >= 0 {
		w.own.end = max(w.own.end, d.offset+int64(b.records))
	}
}

// end ends a group that is not in the log, or may not be.
func (w *writer) end(group []*write, d delivered) {
	w.settle(group, result{delivered: d, limit: w.limit()})
}

// expire ends the writes of a group whose time is over, and returns the others. The
// group was not written.
func (w *writer) expire(group []*write, cause error) (rest []*write) {
	now := time.Now()
	var over []*write
	for _, wr := range group {
		if wr.deadline.After(now) {
			rest = append(rest, wr)
		} else {
			over = append(over, wr)
		}
	}
	w.end(over, delivered{outcome: ErrNotWritten, cause: cause})
	return rest
}

// divide reports whether a refused group is sent again in smaller ones, because a single
// write may be the cause and must not fail its neighbours. ctx bounds the wait for the
// current limit.
func (w *writer) divide(ctx context.Context, group []*write, b *recordBatch, cause error) bool {
	switch {
	case tooLarge(cause):
		w.refresh(ctx)
		if limit := w.limit().bytes; len(b.plain) <= limit {
			// The broker has another limit than the known one.
			w.queue.shrink(max(len(b.packed)/2, batchOverhead), limit)
		}
	case errors.Is(cause, kerr.InvalidRecord):
		for _, wr := range group {
			wr.alone = true
		}
	default:
		return false
	}
	return len(group) > 1
}
