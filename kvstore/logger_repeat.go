package kvstore

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeatLog logs what repeats at most once a second for each of a few constant
// messages, with a count of those that were left out.
type repeatLog struct {
	logger *slog.Logger
	topic  string

	mu   sync.Mutex
	said map[string]*repeated
}

type repeated struct {
	last    time.Time
	omitted int
}

const repeatInterval = time.Second

func (l *repeatLog) warn(message string, err error) { l.say(slog.LevelWarn, message, "error", err) }

// say logs a message with attributes.
func (l *repeatLog) say(level slog.Level, message string, attrs ...any) {
	l.mu.Lock()
	now := time.Now()
	r := l.said[message]
	if r == nil {
		if l.said == nil {
			l.said = map[string]*repeated{}
		}
		r = &repeated{}
		l.said[message] = r
	}
	if !r.last.IsZero() && now.Sub(r.last) < repeatInterval {
		r.omitted++
		l.mu.Unlock()
		return
	}
	omitted := r.omitted
	r.last, r.omitted = now, 0
	l.mu.Unlock()
	attrs = append([]any{"topic", l.topic}, append(attrs, "omitted", omitted)...)
	l.logger.Log(context.Background(), level, message, attrs...) //nolint:sloglint // callers pass constants
}
