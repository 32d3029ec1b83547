package kvstore

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
)

// hooks calls the callbacks of the user, one at a time, on the goroutine that
// reads the log.
type hooks struct {
	onSet    []func(key, value []byte)
	onDelete []func(key []byte)
	onError  func(error)
	log      *repeatLog
	panics   atomic.Int64

	// goroutine is the id of the one that calls the hooks. It is written
	// before the first call.
	goroutine uint64

	// at is the revision of the record of which a hook is being told, plus atRecord; 0 while none
	// is called.
	at atomic.Int64

	// reporting says that the handler of a panic is being called.
	reporting atomic.Bool
}

// atRecord is added to a revision, which is -1 for a key that vanished, so that none is 0.
const atRecord = 2

// revision returns that of the record of which a hook is being told, while that is called.
func (h *hooks) revision() int64 { return h.at.Load() - atRecord }

// running reports whether a hook is being called.
func (h *hooks) running() bool { return h.at.Load() != 0 }

// doing says what is being called.
func (h *hooks) doing() string {
	what := string(codeHooks)
	if h.reporting.Load() {
		what = "the handler of hook errors"
	}
	switch at := h.revision(); {
	case at >= 0:
		return fmt.Sprintf("%s, for the record at offset %d,", what, at)
	case h.running():
		return what + ", for a key that vanished,"
	}
	return what
}

// bind makes the caller the goroutine that calls the hooks.
func (h *hooks) bind() { h.goroutine = goroutineID() }

func (h *hooks) any() bool { return len(h.onSet)+len(h.onDelete) > 0 }

// call runs the hooks for one record. Each gets slices of its own and may do with them what
// it likes.
func (h *hooks) call(r Record) {
	if r.Delete {
		for _, fn := range h.onDelete {
			h.guard(r, func() { fn(bytes.Clone(r.Key)) })
		}
		return
	}
	for _, fn := range h.onSet {
		h.guard(r, func() { fn(bytes.Clone(r.Key), append(make([]byte, 0, len(r.Value)), r.Value...)) })
	}
}

func (h *hooks) guard(r Record, fn func()) {
	h.at.Store(r.Revision + atRecord)
	defer h.at.Store(0)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		h.panics.Add(1)
		err := &HookError{Key: bytes.Clone(r.Key), Revision: r.Revision, Panic: p, Stack: debug.Stack()}
		h.log.say(slog.LevelError, "kvstore: a hook panicked", "error", err, "stack", string(err.Stack))
		h.report(err)
	}()
	fn()
}

// report calls the user's handler, which may panic as a hook may.
func (h *hooks) report(err error) {
	if h.onError == nil {
		return
	}
	h.reporting.Store(true) // and it stays so if the handler calls runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			h.reporting.Store(false)
			h.log.say(slog.LevelError, "kvstore: the handler of hook errors panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	h.onError(err)
	h.reporting.Store(false)
}

// inside reports whether the caller runs inside a hook of this client (I21). The
// costly part, the id of the goroutine, is asked for only while a hook runs.
func (h *hooks) inside() bool {
	return h.running() && h.goroutine == goroutineID()
}

// goroutineID takes the id from the first line of the stack, "goroutine 12 [". The
// runtime offers no other way, and without it a hook that writes through its own client
// would wait for itself forever.
func goroutineID() uint64 {
	var buf [64]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		line = line[:i]
	}
	id, err := strconv.ParseUint(string(line), 10, 64)
	if err != nil {
		panic("kvstore: unknown form of stack trace: " + string(buf[:]))
	}
	return id
}
