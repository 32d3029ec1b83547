package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// ends asks for the end of the log on behalf of many callers: each gets the answer to a
// request that was sent after it joined, and one request is under way at a time.
//
// I13: an answer to a request sent earlier would not do for Sync, which has to show what
// was acknowledged meanwhile.
type ends struct {
	ctx     context.Context //nolint:containedctx // the client's life
	ask     func(context.Context) (int64, error)
	running sync.WaitGroup

	mu     sync.Mutex
	busy   bool
	closed bool
	next   *endCall // joined by those who came since the last request was sent
}

type endCall struct {
	asked invariant.Last[bool] // guarded by the mu of ends
	done  chan struct{}
	end   int64
	err   error
}

// get returns the end of the log at some moment after the call began.
func (e *ends) get(ctx context.Context) (int64, error) {
	call := e.join()
	if call == nil {
		return 0, ErrClientClosed
	}
	select {
	case <-call.done:
		return call.end, call.err
	case <-ctx.Done():
		return 0, contextError(ctx)
	}
}

// look makes sure that ask is called at some moment after the call began, and does not
// wait.
func (e *ends) look() { e.join() }

// join returns the next call, nil once closed.
func (e *ends) join() *endCall {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	if e.next == nil {
		e.next = &endCall{done: make(chan struct{})}
	}
	if !e.busy {
		e.busy = true
		e.running.Go(e.run)
	}
	if invariant.On {
		e.next.checkAsked()
	}
	return e.next
}

func (e *ends) run() {
	for {
		e.mu.Lock()
		call := e.next
		e.next = nil
		if call == nil {
			e.busy = false
			e.mu.Unlock()
			return
		}
		call.asked.Swap(true)
		e.mu.Unlock()
		call.end, call.err = e.ask(e.ctx)
		close(call.done)
	}
}

// close ends what is under way and refuses more. The context has to be over.
func (e *ends) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.running.Wait()
}

// askEnd asks the leader for the high watermark until it answers or the client
// ends.
//
// I14: the request names the topic, and a topic recreated has the same name. So the answer
// counts only if the topic still has the same id after it. And a log may have lost its
// tail: then its end is below the position, or no longer, because others went on writing to
// it. So the answer of a leader counts only once the client has made sure that this
// leader's log has what it has read. Without these checks a client whose fetches are
// blocked would call data of the old log current.
func (c *Client) askEnd(ctx context.Context) (int64, error) {
	ctx = c.health.ends.within(ctx)
	for failures := 1; ; failures++ {
		_, position, _ := c.tracker.Now() // before the request: the end moves on
		end, l, err := c.part.offsetUnder(ctx, atLatest)
		if err == nil {
			err = c.part.sameTopic(ctx)
		}
		if errors.Is(err, ErrTopicRecreated) || errors.Is(err, ErrTopicDeleted) {
			c.fail(err)
			return 0, err
		}
		if err == nil && end < position {
			c.part.suspect()
			err = fmt.Errorf("%w: the log ends at offset %d, this client had read up to %d", ErrDataLoss, end, position)
		}
		if trusted := c.tracker.Trusts(); err == nil && l.epoch >= 0 && l.epoch != trusted {
			err = fmt.Errorf("the leader of epoch %d has not been asked yet whether its log holds what was read before (that of epoch %d was)", l.epoch, trusted)
			if why := c.tracker.Why(); why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
		}
		if err == nil {
			c.health.note(&c.health.asking, nil)
			c.tracker.SawEnd(end)
			return end, nil
		}
		if ctx.Err() != nil {
			return 0, ErrClientClosed
		}
		if dead := c.tracker.DeadBy(); dead != nil {
			return 0, dead
		}
		c.health.note(&c.health.asking, err)
		c.log.warn("kvstore: asking for the end of the log failed, trying again", err)
		c.part.rest(ctx, c.backoff(failures))
	}
}
