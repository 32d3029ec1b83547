package kvstore

import (
	"errors"
	"math"
	"slices"
	"sync"
)

// ended is the group of a write that ended while it queued.
const ended = math.MaxUint64

// maxGroup bounds the records of a group of single writes, so that a burst of
// tiny writes does not make one batch that all of them wait for.
const maxGroup = 4096

// queue has the writes that are still to be sent, and the group of them that is on its way.
// It is safe for concurrent use. I15: what waits here was never handed to Kafka.
type queue struct {
	mu      sync.Mutex
	waiting []*write
	gone    int           // how many of those waiting were withdrawn
	group   uint64        // the number of the group on its way, counted from 1
	front   []*write      // that group
	handed  bool          // the front has a try that may have been sent, so nobody can withdraw from it
	wake    chan struct{} // of capacity 1
	dead    error         // new writes fail with it
	failed  bool          // and so do those that wait
	calls   int           // number of writes that have not returned to their callers
	idle    chan struct{} // not nil: closed when calls gets 0
	most    int           // bytes of a group, when the broker accepts less than limit; else 0
	mostOf  int           // the limit when most was found
}

// add queues a write, unless new ones are refused. For each one that was added leave has to
// be called.
func (q *queue) add(wr *write) error {
	q.mu.Lock()
	if q.dead != nil {
		defer q.mu.Unlock()
		return q.dead
	}
	q.calls++
	q.waiting = append(q.waiting, wr)
	q.mu.Unlock()
	q.signal()
	return nil
}

// length returns how many writes queue.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) - q.gone
}

// next takes the writes for one record batch of limit bytes from the queue, nil when
// there are none.
func (q *queue) next(limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mostOf != limit {
		q.most, q.mostOf = limit, limit
	}
	most := q.most
	q.group++
	q.front, q.handed = nil, false
	var group []*write
	size, records, n := batchOverhead, 0, 0
	for ; n < len(q.waiting); n++ {
		wr := q.waiting[n]
		if wr.left {
			q.gone--
			continue
		}
		// A record's size depends a little on its place in the batch.
		grow := wr.size + 4*len(wr.changes)
		if len(group) > 0 && (wr.alone || group[0].alone || size+grow > most || records+len(wr.changes) > maxGroup) {
			break
		}
		size, records = size+grow, records+len(wr.changes)
		wr.group = q.group
		group = append(group, wr)
	}
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	q.front = group
	return group
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// errWithdrawn ends a batch of which nothing was sent, because a caller took a write of it back.
var errWithdrawn = errors.New("a write of the batch was withdrawn")

// handOver reports whether the batch at the front may be sent, because no write of it was
// withdrawn. From then on none can be.
func (q *queue) handOver() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handed = !slices.ContainsFunc(q.front, func(wr *write) bool { return wr.left })
	return q.handed
}

// handBack lets writes of the batch at the front be withdrawn again, after tries that were
// certainly not appended.
func (q *queue) handBack(t trial) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handed = q.handed && t.doubt
}

// withdraw takes back a write that is certainly not in the log: one that queues, or one of
// a batch of which no try was sent or appended. It reports false when the write is on its
// way.
func (q *queue) withdraw(wr *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	wr.left = true
	if wr.group > 0 {
		return wr.group == q.group && !q.handed
	}
	// The queue skips it, and removes such writes once they are more than half of it: to
	// search for each one would take quadratic time when many are withdrawn together.
	wr.changes = nil
	if q.gone++; q.gone > len(q.waiting)/2 {
		q.waiting = slices.DeleteFunc(q.waiting, func(wr *write) bool { return wr.left })
		q.gone = 0
	}
	return true
}

// leave ends a write that was added.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.calls--; q.calls == 0 && q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}

// drained returns a channel that closes once no write is under way.
func (q *queue) drained() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	ch := q.idle
	if q.calls == 0 {
		close(q.idle)
		q.idle = nil
	}
	return ch
}

// refuse makes new writes fail with err; those that queue go on.
func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead == nil {
		q.dead = err
	}
}

// fail refuses new writes and fails those that queue.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = true
	if q.dead == nil {
		q.dead = err
	}
	for _, wr := range q.waiting {
		if !wr.left {
			wr.group = ended
			wr.end(written{revision: -1, outcome: ErrNotWritten, cause: err})
		}
	}
	q.waiting, q.gone = nil, 0
}

// shrink makes groups smaller than limit, because the broker accepts less, until another
// limit is known.
func (q *queue) shrink(most, limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.most, q.mostOf = most, limit
}

// putBack returns writes that are certainly not in the log to the head of the queue, except
// those whose callers have left.
func (q *queue) putBack(group []*write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var again []*write
	for _, wr := range group {
		switch {
		case wr.left:
		case q.failed:
			wr.end(written{revision: -1, outcome: ErrNotWritten, cause: q.dead})
		default:
			wr.group = 0
			again = append(again, wr)
		}
	}
	q.waiting = append(again, q.waiting...)
}
