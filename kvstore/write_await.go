package kvstore

import (
	"context"
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
	size     int       // of the changes only, without the batch's header
	deadline time.Time // when its life ends
	alone    bool      // in a record batch of its own
	left     bool      // the caller has gone; guarded by the queue's mu
	group    uint64    // for which it was taken from the queue, 0 while it queues; guarded likewise

	// res is set before visible is released: by the writer when there is nothing to wait
	// for, else by the tracker once the write is visible. So the caller wakes up once.
	res     written
	visible position.Waiter
}

// newWrite returns a write of changes that fit a record batch of size bytes. Its life ends at the
// deadline.
func (w *writer) newWrite(changes []change, size int, deadline time.Time) *write {
	wr, _ := w.over.Get().(*write)
	if wr == nil {
		wr = &write{visible: position.NewWaiter()}
	}
	wr.changes, wr.size, wr.deadline = changes, size-batchOverhead, deadline
	return wr
}

// received returns the result of a write whose release its caller has received: err, if it
// was not released by the position. Nobody else has the write any more, so it is reused.
func (w *writer) received(wr *write, err error) written {
	res := wr.res
	res.wait = err
	*wr = write{visible: wr.visible.Again()}
	w.over.Put(wr)
	return res
}

// end gives a write an outcome that needs no visibility.
func (wr *write) end(res written) {
	wr.res = res
	wr.visible.Dismiss()
}

// written is the result of a write.
type written struct {
	revision int64  // offset of the write's last record, -1 unknown
	last     int64  // offset of the last record of its batch, if revision is known
	who      sender // under which its batch was produced
	epoch    int32  // of the leader that acknowledged it, -1 for none
	term     uint64 // the tracker's term when it was handed to Kafka
	outcome  error  // nil when acknowledged
	cause    error
	wait     error // why it is not visible although acknowledged
	below    error // the error if it was acknowledged below the position at that time
	itself   bool  // to be confirmed only by what is in the log, see Client.confirm
}

// submit queues a write and waits until it is visible or has failed, or for the end of ctx.
// Unless err says that it was refused, the caller has to call queue.leave afterwards.
func (w *writer) submit(ctx context.Context, wr *write) (res written, err error) {
	if err := w.queue.add(wr); err != nil {
		return res, err
	}
	return w.await(ctx, wr), nil
}

// await waits for the end of a write that was queued.
func (w *writer) await(ctx context.Context, wr *write) written {
	select {
	case err := <-wr.visible.Ready():
		return w.received(wr, err)
	case <-ctx.Done():
	}
	if w.queue.withdraw(wr) {
		return written{revision: -1, outcome: ErrNotWritten, cause: w.because(contextError(ctx))}
	}
	if acknowledged, err := w.track.Leave(ctx, &wr.visible); acknowledged {
		wr.res.wait = err
		return wr.res
	}
	select {
	case err := <-wr.visible.Ready(): // ended at the same moment
		wr.res.wait = err
		return wr.res
	default:
		return written{revision: -1, outcome: ErrOutcomeUnknown, cause: w.because(contextError(ctx))}
	}
}

// fail refuses new writes and fails those that queue. One on its way is abandoned.
func (w *writer) fail(err error) {
	w.queue.fail(err)
	w.stop(err)
}
