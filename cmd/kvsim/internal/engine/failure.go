package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// The names of the reasons for which the harness breaks.
const (
	reasonStuck    = "simulated-limit"
	reasonWall     = "wall-limit"
	reasonJudging  = world.JudgingLimit
	reasonSteps    = "step-limit"
	reasonLeak     = "goroutine-leak"
	reasonDeadlock = "deadlock"
	reasonPanic    = "panic"
	reasonFatal    = "fatal-error"
	reasonRace     = "data-race"
	reasonExit     = "worker-exit"
)

// ReasonInvariant is the name of what breaks a world in which the store found one of its
// own invariants broken. It looks for them only if it was built with InvariantsTag.
const ReasonInvariant = "invariant"

// InvariantsTag is the build tag with which the store checks its invariants.
const InvariantsTag = "kvsim_invariants"

// brokenInvariant is what such a check says: invariant.Marker, which this package can't
// import.
const brokenInvariant = "kvstore: broken invariant"

// stuckLine is the start of the line that a worker prints when it gives up its world.
const stuckLine = "kvsim worker: stuck"

// classify returns the reason for which a worker or a guest ended, from what it printed.
func classify(output, state string) world.Reason {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "WARNING: DATA RACE"):
			return world.Reason{Name: reasonRace, Text: "the race detector reports a data race"}
		case strings.HasPrefix(line, stuckLine):
			return world.Reason{Name: reasonStuck, Text: strings.TrimPrefix(line, stuckLine+": ")}
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			return classifyPanic(line)
		}
	}
	return world.Reason{Name: reasonExit, Text: fmt.Sprintf("the world's process ended without an answer: %s", state)}
}

func classifyPanic(line string) world.Reason {
	line = strings.TrimSuffix(line, " [recovered, repanicked]")
	switch {
	case strings.Contains(line, brokenInvariant):
		return world.Reason{Name: ReasonInvariant, Text: line}
	case strings.Contains(line, "blocked goroutines remain"):
		return world.Reason{Name: reasonLeak, Text: "goroutines were left behind when the world returned"}
	case strings.Contains(line, "deadlock"):
		return world.Reason{Name: reasonDeadlock, Text: line}
	case strings.HasPrefix(line, "fatal error: "):
		return world.Reason{Name: reasonFatal, Text: line}
	}
	return world.Reason{Name: reasonPanic, Text: line}
}

// tooLong says why a world may not have ended, from the goroutines that it had.
func tooLong(limit time.Duration, output string) world.Reason {
	why := "a goroutine computes forever, or waits for something outside the world"
	for line := range strings.Lines(output) {
		// The time of a bubble stands still while a goroutine waits for a mutex.
		if strings.HasPrefix(line, "goroutine ") && strings.Contains(line, "Mutex.") && strings.Contains(line, "bubble") {
			why = "a goroutine waits for a mutex, which stops simulated time, and its holder waits for time to pass"
			break
		}
	}
	return world.Reason{Name: reasonWall, Text: fmt.Sprintf("it did not end within %v of real time: %s", limit, why)}
}

// unjudged returns the result of a world that ended well, but whose judging reached a
// bound. If a violation is known, the result is that; otherwise it is inconclusive.
func unjudged(known *world.Result, wall time.Duration, r world.Reason) *world.Result {
	res := *known
	res.Wall = wall
	if res.Status == world.Violated {
		res.Reasons = append(slices.Clone(res.Reasons), r)
		return &res
	}
	res.Status = world.Inconclusive
	res.Reasons = append([]world.Reason{r}, res.Reasons...)
	return &res
}

// judgedTooLong returns the reason for a world whose judging did not end.
func judgedTooLong(limit time.Duration) world.Reason {
	return world.Reason{Name: reasonJudging, Text: fmt.Sprintf("the world ended, but judging it did not within %v of real time", limit)}
}

// brokenAfter returns the result of a world that broke its process while it was judged. A
// violation that is known already is kept.
func brokenAfter(known *world.Result, res *world.Result) *world.Result {
	if known == nil || known.Status != world.Violated {
		return res
	}
	both := unjudged(known, res.Wall, res.Reason())
	both.Output = res.Output
	return both
}

// broken returns the result of a world that broke its process.
func broken(seed uint64, wall time.Duration, r world.Reason, output string) *world.Result {
	res := world.BrokenResult(seed, r.Name, r.Text, output)
	res.Wall = wall
	return res
}

// endBytes is how many bytes are kept of the start, and of the end, of an output.
const endBytes = 256 << 10

// ends keeps the start and the end of what is written to it.
type ends struct {
	mu      sync.Mutex
	head    []byte
	tail    []byte
	skipped int
}

// Write keeps what it can and never fails.
func (e *ends) Write(data []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(data)
	if room := endBytes - len(e.head); room > 0 {
		take := min(room, len(data))
		e.head = append(e.head, data[:take]...)
		data = data[take:]
	}
	e.tail = append(e.tail, data...)
	if over := len(e.tail) - endBytes; over > 0 {
		e.skipped += over
		e.tail = append(e.tail[:0], e.tail[over:]...)
	}
	return n, nil
}

// String returns what was kept.
func (e *ends) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.skipped == 0 {
		return string(e.head) + string(e.tail)
	}
	return fmt.Sprintf("%s\n... %d bytes ...\n%s", e.head, e.skipped, e.tail)
}
