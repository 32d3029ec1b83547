package kvstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// writer puts writes into the log: one record batch at a time, each holding
// the writes that came while the one before was on its way (group commit).
//
// One batch at a time is what makes outcomes definite. A write that still
// queues when its context ends was never handed to Kafka and can be withdrawn;
// with a producer that buffers, it could not. And because the produce requests
// between two answers all belong to one batch, the writer knows how often that
// batch was sent, and so whether a refusal can be trusted: an earlier try may
// have been appended with its answer lost.
type writer struct {
	cl      *kgo.Client // changed by run only, under mu
	connect func() (*kgo.Client, error)
	topic   string
	limit   func() int // bytes of one record batch
	track   *tracker
	recent  *recent
	probe   *produceProbe
	backoff func(failures int) time.Duration

	failures int   // groups in a row that could not be sent; of run only
	wrote    int64 // the end of the log after what was acknowledged in term wroteIn; of run only
	wroteIn  uint64
	before   int64 // the furthest end after what was acknowledged in earlier terms; of run only
	settled  bool  // settle was called for cl; of run only

	// over has writes that have ended, each with its channel, which a bubble of
	// testing/synctest does not share: so it is this writer's. Without it 64 callers get a
	// tenth less done.
	over sync.Pool

	mu     sync.Mutex
	queue  []*write
	wake   chan struct{} // of capacity 1
	dead   error         // new writes fail with it
	failed bool          // and so do those that queue
	calls  int           // writes that have not returned to their callers
	idle   chan struct{} // not nil: closed when calls gets 0
	gone   bool          // disconnect was called
}

// change is one key's change; a nil value deletes.
type change struct {
	key, value []byte
}

// write is one Put, Delete or Execute on its way.
type write struct {
	changes []change
	size    int // of the changes alone, without the batch's header
	alone   bool
	left    bool // the caller has gone; guarded by the writer's mu

	// res is set before visible is released: by the writer when there is
	// nothing to wait for, else by the tracker once the write is visible.
	// So the caller is woken once.
	res     written
	visible waiter
}

// newWrite returns a write of changes that fit a record batch of size bytes.
func (w *writer) newWrite(changes []change, size int) *write {
	wr, _ := w.over.Get().(*write)
	if wr == nil {
		wr = &write{visible: newWaiter()}
	}
	wr.changes, wr.size = changes, size-batchOverhead
	return wr
}

// received returns what became of a write whose release its caller has received: err, if it
// waited in vain. Nobody else has the write any more, so it is used again.
func (w *writer) received(wr *write, err error) written {
	res := wr.res
	res.wait = err
	*wr = write{visible: waiter{index: outside, ready: wr.visible.ready}}
	w.over.Put(wr)
	return res
}

// end gives a write an outcome that it does not have to become visible for.
func (wr *write) end(res written) {
	wr.res = res
	wr.visible.ready <- nil
}

// written is what became of a write.
type written struct {
	revision int64  // offset of the write's last record, -1 unknown
	producer int64  // the id under which it was produced
	term     uint64 // the tracker's term when it was handed to Kafka
	outcome  error  // nil when acknowledged
	cause    error
	wait     error // why it is not visible although acknowledged
}

// nobody is no producer's id; -1 is that of a producer that has none.
const nobody = -2

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
	case err := <-wr.visible.ready:
		return w.received(wr, err)
	case <-ctx.Done():
	}
	if w.withdraw(wr) {
		return written{revision: -1, outcome: ErrNotWritten, cause: contextError(ctx)}
	}
	if acknowledged, err := w.track.leave(ctx, &wr.visible); acknowledged {
		wr.res.wait = err
		return wr.res
	}
	select {
	case err := <-wr.visible.ready: // ended in the same moment
		wr.res.wait = err
		return wr.res
	default:
		return written{revision: -1, outcome: ErrOutcomeUnknown, cause: contextError(ctx)}
	}
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// withdraw takes a write out of the queue. It reports false when the write is
// on its way already.
func (w *writer) withdraw(wr *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == wr {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	wr.left = true
	return false
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

// fail refuses new writes and fails those that queue. One on its way is not
// touched: its fate is decided by Kafka or by the end of the kgo client.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
	if w.dead == nil {
		w.dead = err
	}
	for _, wr := range w.queue {
		wr.end(written{revision: -1, outcome: ErrNotWritten, cause: err})
	}
	w.queue = nil
}

// run sends groups until ctx ends. It returns once nothing is on its way.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for group := w.next(); group != nil; group = w.next() {
			began := time.Now()
			w.send(ctx, group)
			if len(group) > 1 || w.queued() > 0 {
				w.linger(ctx, time.Since(began))
			}
		}
	}
}

const (
	// mostLinger bounds how long a group is held back.
	mostLinger = 20 * time.Millisecond

	// mostTurns bounds how often others go first while more and more of them queue.
	mostTurns = 4
)

// linger holds back those who queue until the last group is visible, or for as long as that
// took to be acknowledged. Whoever waited for it is likely to write again at once, and goes
// with them: half as many record batches, requests and fetches as if the two took turns.
func (w *writer) linger(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, min(most, mostLinger))
	defer cancel()
	_ = w.track.wait(ctx, w.wrote, w.wroteIn) // whatever ends it
	for n, turn := -1, 0; turn < mostTurns && n < w.queued(); turn++ {
		n = w.queued()
		runtime.Gosched() // to those who were released by it
	}
}

// queued returns how many writes queue.
func (w *writer) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// next takes the writes for one record batch from the queue, nil when there are
// none.
func (w *writer) next() []*write {
	w.mu.Lock()
	defer w.mu.Unlock()
	size, records, n, limit := batchOverhead, 0, 0, w.limit()
	for _, wr := range w.queue {
		// A record's size depends a little on its place in the batch.
		grow := wr.size + 4*len(wr.changes)
		if n > 0 && (wr.alone || size+grow > limit || records+len(wr.changes) > maxGroup) {
			break
		}
		size, records = size+grow, records+len(wr.changes)
		n++
		if wr.alone {
			break
		}
	}
	if n == 0 {
		return nil
	}
	group := append([]*write(nil), w.queue[:n]...)
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	return group
}

// send writes one group and tells each write its outcome. A group of several
// that is too large for the broker goes again, each write by itself: one
// write's size must not fail its neighbours.
func (w *writer) send(ctx context.Context, group []*write) {
	term, applied, _ := w.track.now()
	records, err := w.produce(ctx, group)
	tries := w.probe.count()
	switch {
	case err == nil:
		w.failures = 0
	case tries.sent == 0 && errors.Is(err, kerr.ClusterAuthorizationFailed):
		w.reconnect()
	case tries.sent == 0 && hungUp(err):
		w.failures++
		w.putBack(group)
		sleep(ctx, w.backoff(w.failures))
		return
	}
	if err != nil && tooLarge(err) && tries.definite() && len(group) > 1 {
		for _, wr := range group {
			wr.alone = true
			w.send(ctx, []*write{wr})
		}
		return
	}
	producer := int64(-1)
	if err == nil {
		producer = records[0].ProducerID
		w.recent.own.Store(producer + 1)
	}
	if term != w.wroteIn {
		w.before = max(w.before, w.wrote)
		w.wrote, w.wroteIn = 0, term
	}
	known := max(applied, w.wrote) // the log was that long before the group was sent
	next := 0
	for _, wr := range group {
		next += len(wr.changes)
		res := written{revision: -1, producer: producer, term: term}
		switch last := records[next-1]; {
		case err != nil:
			res.outcome, res.cause = w.outcome(err, tries, wr)
		case records[0].Offset < 0:
			// A duplicate that the broker recognised, but whose offset
			// it has forgotten: in the log, at an unknown place.
		case last.Offset < known:
			// The log is not the one that this client reads, or wrote
			// before: it was created anew or cut off since, and the tail
			// has yet to find out.
			res.outcome = ErrOutcomeUnknown
			res.cause = fmt.Errorf("%w: acknowledged at offset %d, below position %d", ErrDataLoss, last.Offset, known)
		default:
			res.revision = last.Offset
			if last.Offset < w.before {
				// In a log that was lost the offset may be that of
				// another write of this producer, and a client that
				// reads on in that one would take it for this write.
				res.producer = nobody
			}
		}
		if res.revision < 0 {
			wr.end(res)
			continue
		}
		wr.res = res
		w.track.enlist(&wr.visible, res.revision+1, term)
	}
	if err == nil {
		w.wrote = max(w.wrote, records[len(records)-1].Offset+1)
	}
}

// hungUp reports whether a broker's address took the connection and closed it
// again, as a port forwarder does while the broker behind it restarts. kgo does
// not try that again, because it may also mean that TLS is missing; a refused
// connection it does.
func hungUp(err error) bool {
	var eof *kgo.ErrFirstReadEOF
	return errors.As(err, &eof)
}

// putBack returns a group that was never sent to the head of the queue, but for
// the writes whose callers have gone.
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
			again = append(again, wr)
		}
	}
	w.queue = append(again, w.queue...)
}

// reconnect replaces the kgo client: it keeps a refusal of a producer id for
// good, and would not notice when the right to write is given.
func (w *writer) reconnect() {
	next, err := w.connect()
	if err != nil {
		return // as with the options that worked before; the old client stays
	}
	w.mu.Lock()
	last := w.cl
	if w.gone {
		last = next
	} else {
		w.cl = next
	}
	w.mu.Unlock()
	w.settled = false
	last.Close()
}

// disconnect closes the kgo client, which ends what is on its way.
func (w *writer) disconnect() {
	w.mu.Lock()
	w.gone = true
	last := w.cl
	w.mu.Unlock()
	last.Close()
}

// outcome turns a produce error into one of the three outcomes.
func (w *writer) outcome(err error, tries attempts, wr *write) (outcome, cause error) {
	switch {
	case tries.definite() && refusal(err):
		outcome = ErrRefused
	case tries.sent == 0:
		outcome = ErrNotWritten
	default:
		outcome = ErrOutcomeUnknown
	}
	if errors.Is(outcome, ErrRefused) && tooLarge(err) {
		size := &SizeError{Records: len(wr.changes), Bytes: batchSize(wr.changes), Limit: w.limit()}
		return outcome, fmt.Errorf("%w: %w", size, err)
	}
	if errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", ErrClientClosed, err)
	}
	return outcome, err
}
