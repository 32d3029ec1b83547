package kvstore

import (
	"fmt"
	"sync"
	"time"
)

// callout is the call of the program's code in which the goroutine that follows the log is: nothing
// moves until it returns. The zero callout is in none.
type callout struct {
	doing func() string // what of the hooks is being called
	late  func(error)   // is told about once a second of a call that takes long; may be nil

	mu    sync.Mutex
	in    code
	since time.Time
	timer *time.Timer // for the next look, nil before the first call
	due   bool        // the timer runs
	over  bool
}

// code is a part of what a program gives a client.
type code string

const (
	codeStorage  code = "the storage"
	codeHooks    code = "a hook"
	codeProgress code = "the progress callback"
	codeOther    code = "a function that the client was given, such as a logger or kgo.RetryBackoffFn,"
)

// lateLook is how often a call is looked at. It is not a round number, so that in simulated time no
// call ends at the instant at which it is looked at.
const lateLook = 1013 * time.Millisecond

// begin notes that a call begins. All hooks of what one fetch brought count as one.
func (c *callout) begin(in code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.since = in, time.Now()
	switch {
	case c.due || c.over:
	case c.timer == nil:
		c.timer, c.due = time.AfterFunc(lateLook, c.look), true
	default:
		c.timer.Reset(lateLook)
		c.due = true
	}
}

// end notes that the call has returned. It is not deferred: what called runtime.Goexit is still named
// afterwards.
func (c *callout) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = ""
}

// close ends the looks.
func (c *callout) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// look tells of a call that takes long, and looks again later while there is one.
func (c *callout) look() {
	c.mu.Lock()
	c.due = c.in != "" && !c.over
	var p Problem
	if c.due {
		p = c.problemLocked()
		next := lateLook
		if p.Count == 0 { // another one than when the look was planned
			next -= time.Since(c.since)
		}
		c.timer.Reset(next)
	}
	c.mu.Unlock()
	if p.Err != nil && c.late != nil {
		c.late(p.Err)
	}
}

// problem is a call that takes so long that it is worth reporting.
func (c *callout) problem() Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problemLocked()
}

func (c *callout) problemLocked() Problem {
	if c.in == "" || time.Since(c.since) < repeatInterval {
		return Problem{}
	}
	took := time.Since(c.since).Round(time.Millisecond)
	err := fmt.Errorf("%w for %v: %s is running", ErrCallbackBusy, took, c.whoLocked())
	if c.in == codeStorage {
		err = fmt.Errorf("%w: the storage has been busy with a change for %v", ErrStorage, took)
	}
	return Problem{Err: err, Since: c.since, Count: 1}
}

// who names the code that is being called.
func (c *callout) who() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whoLocked()
}

func (c *callout) whoLocked() string {
	switch {
	case c.in == "":
		return string(codeOther)
	case c.in == codeHooks && c.doing != nil:
		return c.doing()
	}
	return string(c.in)
}

// besides returns what blocks the client: a call that takes long, and what was met before it.
func (p Problem) besides(before Problem) Problem {
	switch {
	case p.Count == 0:
		return before
	case before.Count == 0:
		return p
	}
	out := Problem{Err: fmt.Errorf("%w; before that: %w", p.Err, before.Err), Since: p.Since, Count: before.Count + 1}
	if before.Since.Before(p.Since) {
		out.Since = before.Since
	}
	return out
}
