package linearizability

import (
	"context"
	"fmt"
	"strconv"
)

// A stepCounter bounds the steps of a model. Once they are used up, or the context has
// ended, every step is refused. The search then ends soon, and its result must not be
// used. A stepCounter is not safe for concurrent use.
type stepCounter struct {
	ctx  context.Context
	left int
	off  bool
}

// contextEvery is the number of steps between two looks at the context.
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

// batchTasks is the number of tasks that run between two looks at the budget.
const batchTasks = 8

// A budget is the number of steps that all tasks together may take. The zero value is
// never spent.
type budget struct {
	ctx         context.Context
	total, left int
}

// spent reports whether no further task may start.
func (b *budget) spent() bool {
	return b.ctx != nil && (b.left <= 0 || b.ctx.Err() != nil)
}

// spentWhy says which bound ended the search, or "" if none did.
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
