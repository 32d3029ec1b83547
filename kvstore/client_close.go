package kvstore

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// fail ends the client permanently, because the topic is gone or is another one, or code of
// the user panicked: it stops following the log and the topic's settings, and every call
// gets err. Only the first one counts.
func (c *Client) fail(err error) { c.failing.Do(func() { c.failNow(err) }) }

func (c *Client) failNow(err error) {
	c.logger.Error("kvstore: the client can't go on", "topic", c.topic, "error", err)
	c.health.set(StateFailed, err)
	c.gate.Fail(err)
	c.tracker.Kill(err)
	if c.writer != nil {
		c.writer.fail(err)
	}
	c.stopTail()
}

// Close stops the client and releases everything that it holds. Calls under way
// return [ErrClientClosed], except a loop over a Range, which goes on to its end; a write
// that is on its way to Kafka then matches [ErrOutcomeUnknown] as well. Use Shutdown to let
// writes finish first.
//
// Close may be called more than once and from several goroutines: it returns
// when the client is closed. Called from a hook it starts the closing and
// returns immediately, since the hook itself has to return first. The error is
// always nil.
func (c *Client) Close() error {
	if c.closing.CompareAndSwap(false, true) {
		if c.hooks.inside() {
			go c.shut()
			return nil
		}
		c.shut()
	}
	if !c.hooks.inside() {
		if invariant.On {
			c.hooks.checkWait("Close")
		}
		<-c.closed
	}
	return nil
}

// shut closes the client. It is called once.
func (c *Client) shut() {
	c.health.set(StateClosed, ErrClientClosed)
	c.gate.Fail(ErrClientClosed)
	c.tracker.Kill(ErrClientClosed)
	if c.writer != nil {
		c.writer.fail(ErrClientClosed)
	}
	c.cancel()
	c.running.Wait()
	c.halted.Store(true)
	c.ends.close()
	c.confirms.close()
	c.asks.close()
	c.unbind()
	c.unclaim()
	close(c.closed)
}

// leaveGrace is how long a closing that a context bounds still waits for the
// user's code, a hook or a storage, after the context has ended.
const leaveGrace = 50 * time.Millisecond

// leave starts to close the client and waits for it, but not for long: a hook that does
// not return must not hold a caller whose context has ended.
func (c *Client) leave() {
	go func() { _ = c.Close() }()
	timer := time.NewTimer(leaveGrace)
	defer timer.Stop()
	select {
	case <-c.closed:
	case <-timer.C:
	}
}

// Shutdown lets writes that are under way finish, refuses new ones with
// [ErrClientClosed], and closes the client. When ctx ends first, the client is closed
// without waiting further and the context's error is returned. A hook or a storage that
// is running then still has to return before the client is closed; the error says which.
func (c *Client) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("shutdown: %w", errNoContext)
	}
	if c.hooks.inside() {
		return ErrHookReentry
	}
	if invariant.On {
		c.hooks.checkWait("Shutdown")
	}
	var err error
	if c.writer != nil && !c.closing.Load() {
		c.writer.queue.refuse(ErrClientClosed)
		select {
		case <-c.writer.queue.drained():
		case <-c.closed:
		case <-ctx.Done():
			err = fmt.Errorf("shutdown: writes still under way: %w", c.writer.because(contextError(ctx)))
		}
	}
	go func() { _ = c.Close() }()
	select {
	case <-c.closed:
		return err
	case <-ctx.Done():
	}
	c.leave()
	select {
	case <-c.closed:
	default:
		if err == nil {
			err = fmt.Errorf("shutdown: %s: %w", c.heldBy(), contextError(ctx))
		}
	}
	return err
}

// heldBy says what keeps the client from being closed. Everything that waits for Kafka ends
// with the client's context, so it is code that the client was given.
func (c *Client) heldBy() string {
	switch {
	case c.halted.Load():
		return "franz-go is still closing its connections"
	default:
		return c.health.callout.who() + " has not returned"
	}
}
