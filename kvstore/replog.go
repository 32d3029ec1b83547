package kvstore

import (
	"log/slog"
	"sync"
	"time"
)

// repeatLog logs errors that repeat at most once a second, with a count of
// those that were left out.
type repeatLog struct {
	logger *slog.Logger
	topic  string

	mu      sync.Mutex
	last    time.Time
	message string
	omitted int
}

const repeatInterval = time.Second

func (l *repeatLog) warn(message string, err error) {
	l.mu.Lock()
	now := time.Now()
	if l.message == message && now.Sub(l.last) < repeatInterval {
		l.omitted++
		l.mu.Unlock()
		return
	}
	omitted := l.omitted
	l.last, l.message, l.omitted = now, message, 0
	l.mu.Unlock()
	l.logger.Warn(message, //nolint:sloglint // callers pass constants
		"topic", l.topic, "error", err, "omitted", omitted)
}
