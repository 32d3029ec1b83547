package world

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
)

// newLogger returns the logger of a world. If named is set, it replaces the random ids of
// producers and topics by names, numbered in the order in which they appear, so that equal runs
// have equal logs.
func newLogger(to io.Writer, named bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	if named {
		opts.ReplaceAttr = (&idNames{all: map[any]string{}, count: map[string]int{}}).replace
	}
	return slog.New(slog.NewTextHandler(to, opts))
}

// idNames gives names to random ids. It is safe for concurrent use.
type idNames struct {
	mu    sync.Mutex
	all   map[any]string
	count map[string]int
}

// replace is for slog.HandlerOptions.ReplaceAttr.
func (n *idNames) replace(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindInt64:
		if id := a.Value.Int64(); id >= 0 && (a.Key == "id" || a.Key == "producer_id") {
			return slog.String(a.Key, n.name("producer", id))
		}
	case slog.KindString:
		if s := a.Value.String(); isTopicID(s) {
			return slog.String(a.Key, n.name("topic", s))
		}
	case slog.KindAny:
		if t := reflect.TypeOf(a.Value.Any()); t != nil && t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8 {
			return slog.String(a.Key, n.name("topic", fmt.Sprint(a.Value.Any())))
		}
	default:
	}
	return a
}

// isTopicID reports whether s is 16 bytes in hexadecimal.
func isTopicID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func (n *idNames) name(kind string, id any) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok := n.all[id]
	if !ok {
		n.count[kind]++
		name = fmt.Sprintf("%s-%d", kind, n.count[kind])
		n.all[id] = name
	}
	return name
}
