package linearizability

import (
	"context"
	"fmt"
	"strconv"
)

// A stepCounter bounds the steps of a model. When they are used up, or its
// context has ended, every step is refused, so that the search ends, and its
// answer is not to be used. One goroutine uses it at a time.
type stepCounter struct {
	ctx  context.Context
	left int
	off  bool
}

// contextEvery is after how many steps the context is looked at.
const contextEvery = 1024

func (c *stepCounter) next() bool {
	if c.off || c.left <= 0 {
		c.off = true
		return false
	}
	if c.left--; c.left%contextEvery == 0 && c.ctx.Err() != nil {
		c.off = true
		return false
	}
	return true
}

// exhausted reports whether a step was refused.
func (c *stepCounter) exhausted() bool { return c.off }

// batchTasks is how many tasks run before the budget is looked at again.
const batchTasks = 8

// A budget is what all tasks together may take. The zero value is one that
// nobody has begun to use.
type budget struct {
	ctx         context.Context
	total, left int
}

// spent reports whether no task may begin any more.
func (b *budget) spent() bool {
	return b.ctx != nil && (b.left <= 0 || b.ctx.Err() != nil)
}

// spentWhy says which bound ended the search, and "" if none did.
func (b *budget) spentWhy() string {
	switch {
	case b.ctx == nil:
		return ""
	case b.ctx.Err() != nil:
		return fmt.Sprintf("porcupine was stopped: %v", context.Cause(b.ctx))
	case b.left <= 0:
		return "porcupine used up its bound for the whole history, TotalSteps " + strconv.Itoa(b.total)
	}
	return ""
}
