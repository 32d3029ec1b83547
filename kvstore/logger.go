package kvstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// quietHandler is the handler of the user's logger. If it panics, the message is lost and
// nothing else.
type quietHandler struct{ h slog.Handler }

// safeLogger returns a logger that does not panic.
func safeLogger(l *slog.Logger) *slog.Logger { return slog.New(quietHandler{l.Handler()}) }

var errLogger = errors.New("the logger panicked")

// Enabled is part of slog.Handler.
func (q quietHandler) Enabled(ctx context.Context, level slog.Level) (on bool) {
	defer func() { _ = recover() }()
	return q.h.Enabled(ctx, level)
}

// Handle is part of slog.Handler.
func (q quietHandler) Handle(ctx context.Context, r slog.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errLogger, p)
		}
	}()
	return q.h.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (q quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{q.h.WithAttrs(attrs)}
}

// WithGroup is part of slog.Handler.
func (q quietHandler) WithGroup(name string) slog.Handler { return quietHandler{q.h.WithGroup(name)} }
