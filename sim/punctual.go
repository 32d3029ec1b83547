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

// judgePunctual checks that a call which returns now did so soon after its context ended. Where time is
// not virtual, the waiting goroutine itself may be late.
func (w *world) judgePunctual(ended time.Time, client, call string, most time.Duration) {
	if late := time.Since(ended); !ended.IsZero() && late > most && !w.env.LateTap {
		w.findings.add(punctualName, "%s of %s returned at %v, %v after the end of its context", call, client, time.Since(w.start), late)
	}
}

// deadline returns when a context ends by itself, zero if it does not.
func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}
