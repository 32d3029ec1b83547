package registry

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// A registry that does not answer must not block a reader of the log once for each record.
// So once a call has failed, further calls fail immediately with its cause. From time to time
// one of them asks again and waits a moment for the answer; as soon as an answer comes, the
// registry counts as available again.

const (
	// The pause before a registry that failed is asked again: it doubles with each
	// consecutive failure.
	firstPause = time.Second
	longPause  = 15 * time.Second

	// longRetryAfter bounds what a registry may ask for with Retry-After.
	longRetryAfter = time.Minute

	// probePatience is how long a call waits for a registry that failed before.
	probePatience = time.Second
)

// pauseAfter is how long to wait after so many failures in a row, at least
// for as long as the registry has asked for.
func pauseAfter(failures int, asked time.Duration) time.Duration {
	d := longPause
	if failures < 5 {
		d = min(firstPause<<max(0, failures-1), longPause)
	}
	return max(d, min(asked, longRetryAfter))
}

// availability remembers whether a registry answers. It is safe for concurrent use.
type availability struct {
	mu       sync.Mutex
	failures int // in a row
	cause    error
	next     time.Time // when it may be asked again
	probing  bool      // a request is under way
}

// enter says whether to ask, and for how long at most to wait for the answer, 0
// for no limit. An error is the reason not to ask.
func (a *availability) enter() (patience time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch wait := time.Until(a.next); {
	case a.failures == 0:
		return 0, nil
	case a.probing:
		return 0, fmt.Errorf("%w (being asked again)", a.cause)
	case wait > 0:
		return 0, fmt.Errorf("%w (asked again in %v)", a.cause, wait.Round(time.Millisecond))
	}
	a.probing = true
	return probePatience, nil
}

// note records the result of a request: err is nil for any proper answer.
func (a *availability) note(err error, retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !errors.Is(err, ErrUnavailable) {
		a.failures, a.cause, a.probing = 0, nil, false
		return
	}
	now := time.Now()
	if a.failures > 0 && !a.probing && now.Before(a.next) {
		return // it was under way when another one failed
	}
	a.failures++
	a.cause, a.probing, a.next = err, false, now.Add(pauseAfter(a.failures, retryAfter))
}
