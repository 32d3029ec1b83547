package kvstoretest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mostLines is how many of the last log lines are attached to a failing test.
const mostLines = 200

// logBook keeps the last lines that clients and brokers logged.
type logBook struct {
	start time.Time

	mu    sync.Mutex
	lines []string // a ring once it is full
	n     int      // lines written
}

func newLogBook() *logBook { return &logBook{start: time.Now()} }

func (l *logBook) add(who, text string) {
	line := fmt.Sprintf("%12s  %-8s %s", time.Since(l.start).Round(time.Microsecond), who, text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < mostLines {
		l.lines = append(l.lines, line)
	} else {
		l.lines[l.n%mostLines] = line
	}
	l.n++
}

// logf gets what the brokers log.
func (l *logBook) logf(format string, args ...any) {
	l.add("broker", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// attach writes the lines to the log of a test.
func (l *logBook) attach(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return
	}
	lines := l.lines
	head := "logs of clients and brokers:"
	if l.n > mostLines {
		at := l.n % mostLines
		lines = append(append([]string(nil), l.lines[at:]...), l.lines[:at]...)
		head = fmt.Sprintf("logs of clients and brokers, the last %d of %d lines:", mostLines, l.n)
	}
	t.Logf("%s\n%s", head, strings.Join(lines, "\n"))
}

// handler returns what a client's slog.Logger writes to.
func (l *logBook) handler(client string) slog.Handler { return &logHandler{book: l, client: client} }

// kafka returns the logger of a client's franz-go clients.
func (l *logBook) kafka(client string) kgo.Logger { return kafkaLogger{l, client} }

// logHandler is a slog.Handler that writes to a logBook.
type logHandler struct {
	book   *logBook
	client string
	attrs  string
	group  string
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s", r.Level, r.Message, h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s%s=%v", h.group, a.Key, a.Value)
		return true
	})
	h.book.add(h.client, b.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.attrs += fmt.Sprintf(" %s%s=%v", h.group, a.Key, a.Value)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.group += name + "."
	}
	return &next
}

// kafkaLogger takes warnings and errors of franz-go.
type kafkaLogger struct {
	book   *logBook
	client string
}

// Level implements kgo.Logger.
func (kafkaLogger) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (k kafkaLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s kgo: %s", level, msg)
	for i := 0; i+1 < len(keyvals); i += 2 {
		fmt.Fprintf(&b, " %v=%v", keyvals[i], keyvals[i+1])
	}
	k.book.add(k.client, b.String())
}
