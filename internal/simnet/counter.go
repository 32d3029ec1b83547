package simnet

import (
	"context"
	"sync"
)

// Counter counts how often a fault takes effect, until that is often enough or the fault ends.
// It is safe for concurrent use.
type Counter struct {
	mu      sync.Mutex
	left    int // -1 means no limit
	hits    int
	ended   bool
	changed chan struct{} // made by a waiter, closed on a change
}

// Limit sets how often the fault may take effect, before it can. 0 means no limit.
func (c *Counter) Limit(count int) {
	c.left = count
	if count <= 0 {
		c.left = -1
	}
}

// Hits returns how often the fault has taken effect.
func (c *Counter) Hits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits
}

// Over reports whether the fault has ended or is used up.
func (c *Counter) Over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Await blocks until there are at least n hits. It returns ctx's error if ctx ends before that,
// whenOver if the fault does, and whenDone if done is closed.
func (c *Counter) Await(ctx context.Context, n int, whenOver error, done <-chan struct{}, whenDone error) error {
	for {
		c.mu.Lock()
		hits, ended := c.hits, c.ended
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		switch {
		case hits >= n:
			return nil
		case ended:
			return whenOver
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return whenDone
		}
	}
}

// Take counts a hit, and reports whether the fault is used up by it. It reports false if the fault
// has ended.
func (c *Counter) Take() (took, usedUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false, false
	}
	c.hits++
	if c.left > 0 {
		c.left--
	}
	c.ended = c.left == 0
	c.wake()
	return true, c.ended
}

// End ends the fault, and reports whether it was active until then.
func (c *Counter) End() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.ended = true
	c.wake()
	return true
}

// wake is called with mu held.
func (c *Counter) wake() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}
