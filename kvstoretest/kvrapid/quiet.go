package kvrapid

import (
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// quietTime is how long the machine waits in real time for clients to catch up before an
// operation. One that takes longer is blocked by something.
const quietTime = time.Second

// quiet waits until every client shows the log as far as it can be read, unless a fault
// blocks it. Clients read at their own pace: without this the scheduler would decide which
// state a client is in at the next operation, and so whether and how a bug shows. A failure
// that does not repeat cannot be reduced, and rapid calls it flaky.
func (m *machine) quiet(t *rapid.T) {
	t.Helper()
	if m.bubble {
		// Everything that takes no time has happened by then. What takes time does not
		// happen while the machine, which takes none, continues.
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
