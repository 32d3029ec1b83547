package sim

import (
	"context"
	"time"
)

// punctualName is the name of the reason when a call outlived its context.
const punctualName = "call-ends-with-its-context"

// How much later than its context a call may return, in virtual time.
const (
	lateCall    = 100 * time.Millisecond
	lateOpening = 500 * time.Millisecond
)

// judgePunctual checks that a call which returns now did so soon after the end of its
// context. Where time is not virtual, the waiting goroutine itself may be late.
func (w *world) judgePunctual(ctx context.Context, client, call string, most time.Duration) {
	deadline, ok := ctx.Deadline()
	if late := time.Since(deadline); ok && late > most && !w.env.LateTap {
		w.findings.add(punctualName, "%s of %s returned at %v, %v after the end of its context", call, client, time.Since(w.start), late)
	}
}
