package kvstore

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// change is one key's change; a nil value deletes.
type change struct {
	key, value []byte
}

// write is one Put, Delete or Execute on its way.
type write struct {
	changes  []change
	size     int       // of the changes alone, without the batch's header
	deadline time.Time // when its life ends
	alone    bool      // in a record batch of its own
	left     bool      // the caller has gone; guarded by the writer's mu
	group    uint64    // that it was taken from the queue for, 0 while it queues; likewise

	// res is set before visible is released: by the writer when there is
	// nothing to wait for, else by the tracker once the write is visible.
	// So the caller is woken once.
	res     written
	visible position.Waiter
}

// newWrite returns a write of changes that fit a record batch of size bytes.
func (w *writer) newWrite(changes []change, size int) *write {
	wr, _ := w.over.Get().(*write)
	if wr == nil {
		wr = &write{visible: position.NewWaiter()}
	}
	wr.changes, wr.size, wr.deadline = changes, size-batchOverhead, w.deadline()
	return wr
}

// received returns what became of a write whose release its caller has received: err, if
// it was not released by the position. Nobody else has the write any more, so it is used
// again.
func (w *writer) received(wr *write, err error) written {
	res := wr.res
	res.wait = err
	*wr = write{visible: wr.visible.Again()}
	w.over.Put(wr)
	return res
}

// end gives a write an outcome that it does not have to become visible for.
func (wr *write) end(res written) {
	wr.res = res
	wr.visible.Dismiss()
}

// written is what became of a write.
type written struct {
	revision int64  // offset of the write's last record, -1 unknown
	producer int64  // the id of who, or position.Nobody
	who      sender // under which its batch was produced
	term     uint64 // the tracker's term when it was handed to Kafka
	outcome  error  // nil when acknowledged
	cause    error
	wait     error // why it is not visible although acknowledged
	below    error // it was acknowledged below the position of its time, which says this
	itself   bool  // to be confirmed only by what is in the log, see Client.confirm
}

// ended is the group of a write that ended while it queued.
const ended = math.MaxUint64

// maxGroup bounds the records of a group of single writes, so that a burst of
// tiny writes does not make one batch that all of them wait for.
const maxGroup = 4096

// submit queues a write and waits until it is visible or has failed, or for the
// end of ctx. Each one that is not refused, which err says, is ended by leave.
func (w *writer) submit(ctx context.Context, wr *write) (res written, err error) {
	w.mu.Lock()
	if w.dead != nil {
		w.mu.Unlock()
		return res, w.dead
	}
	w.calls++
	w.queue = append(w.queue, wr)
	w.mu.Unlock()
	w.signal()
	return w.await(ctx, wr), nil
}

// await waits for the end of a write that was queued.
func (w *writer) await(ctx context.Context, wr *write) written {
	select {
	case err := <-wr.visible.Ready():
		return w.received(wr, err)
	case <-ctx.Done():
	}
	if w.withdraw(wr) {
		return written{revision: -1, outcome: ErrNotWritten, cause: w.because(contextError(ctx))}
	}
	if acknowledged, err := w.track.Leave(ctx, &wr.visible); acknowledged {
		wr.res.wait = err
		return wr.res
	}
	select {
	case err := <-wr.visible.Ready(): // ended in the same moment
		wr.res.wait = err
		return wr.res
	default:
		return written{revision: -1, outcome: ErrOutcomeUnknown, cause: w.because(contextError(ctx))}
	}
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// errWithdrawn ends a batch of which nothing was sent, because a caller took a write of it back.
var errWithdrawn = errors.New("a write of the batch was withdrawn")

// handOver reports whether the batch on its way may be sent, because no write of it was
// withdrawn. From then on none can be.
func (w *writer) handOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed = !slices.ContainsFunc(w.front, func(wr *write) bool { return wr.left })
	return w.handed
}

// handBack lets writes of the batch on its way be withdrawn again, after tries of which it is
// certain that none was appended.
func (w *writer) handBack(t trial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed = w.handed && t.doubt
}

// withdraw takes back a write that is certainly not in the log: one that queues, or one of a
// batch of which no try was sent, or none was appended. It reports false when the
// write is on its way.
func (w *writer) withdraw(wr *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wr.left = true
	if wr.group > 0 {
		return wr.group == w.group && !w.handed
	}
	// The queue passes over it, and lets go of such writes once they are more than half
	// of it: a search for each would take many at once the square of their number.
	wr.changes = nil
	if w.gone++; w.gone > len(w.queue)/2 {
		w.queue = slices.DeleteFunc(w.queue, func(q *write) bool { return q.left })
		w.gone = 0
	}
	return true
}

// leave ends a write that submit began.
func (w *writer) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls--; w.calls == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// drained returns a channel that closes once no write is under way.
func (w *writer) drained() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	ch := w.idle
	if w.calls == 0 {
		close(w.idle)
		w.idle = nil
	}
	return ch
}

// refuse makes new writes fail with err; those that queue go on.
func (w *writer) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead == nil {
		w.dead = err
	}
}

// fail refuses new writes and fails those that queue. One on its way is given up.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
	if w.dead == nil {
		w.dead = err
	}
	for _, wr := range w.queue {
		if !wr.left {
			wr.group = ended
			wr.end(written{revision: -1, outcome: ErrNotWritten, cause: err})
		}
	}
	w.queue, w.gone = nil, 0
	w.stop(err)
}

// putBack returns writes of which it is certain that they are not in the log to the
// head of the queue, but for those whose callers have gone.
func (w *writer) putBack(group []*write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var again []*write
	for _, wr := range group {
		switch {
		case wr.left:
		case w.failed:
			wr.end(written{revision: -1, outcome: ErrNotWritten, cause: w.dead})
		default:
			wr.group = 0
			again = append(again, wr)
		}
	}
	w.queue = append(again, w.queue...)
}
