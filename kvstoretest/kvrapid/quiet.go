package kvrapid

import (
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// quietTime is how long the machine waits in real time for clients to catch up
// before an operation. One that takes longer has something in its way.
const quietTime = time.Second

// quiet waits until every client shows the log as far as it can be read, unless a
// fault holds it up. Two clients read at their own pace: without it the scheduler
// would decide which state a client is in when it is asked next, and so whether
// and how a bug shows. A failure that is not the same when the same is done again
// cannot be reduced, and rapid calls it flaky.
func (m *machine) quiet(t *rapid.T) {
	t.Helper()
	if m.bubble {
		// All that takes no time has happened then. What takes time does not
		// happen while the machine, which takes none, goes on.
		synctest.Wait()
	}
	if len(m.faults) > 0 {
		return
	}
	m.learn(t)
	until := time.Now().Add(quietTime)
	for _, c := range m.clients {
		for c.store.Position() < m.model.reach() && time.Now().Before(until) {
			select {
			case <-time.After(100 * time.Microsecond):
			case <-t.Context().Done():
				return
			}
		}
	}
	if m.bubble {
		synctest.Wait()
	}
}

// inBubble reports whether this goroutine is in a synctest bubble.
func inBubble() (in bool) {
	defer func() {
		if recover() != nil {
			in = false
		}
	}()
	synctest.Wait()
	return true
}
