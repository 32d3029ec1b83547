package linearizability

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// appendText appends a key, a value id or another name in the escaped form of the
// history format. The characters % " and \, and each byte that is not part of
// printable text, become % and two hexadecimal digits. Any bytes survive.
func appendText(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f || c == '%' || c == '"' || c == '\\' {
				dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			} else {
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && n == 1) || !unicode.IsPrint(r) {
			for _, c := range []byte(s[i : i+n]) {
				dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			}
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// An encoder builds one line of a history.
type encoder struct {
	buf []byte
}

func (e *encoder) begin(at Stamp, event string) {
	e.buf = append(e.buf[:0], `{"seq":`...)
	e.buf = strconv.AppendInt(e.buf, at.Seq, 10)
	e.buf = append(e.buf, `,"t":`...)
	e.buf = strconv.AppendInt(e.buf, int64(at.Time), 10)
	e.buf = append(e.buf, `,"ev":"`...)
	e.buf = append(e.buf, event...)
	e.buf = append(e.buf, '"')
}

func (e *encoder) end() []byte {
	e.buf = append(e.buf, '}', '\n')
	return e.buf
}

func (e *encoder) name(name string) {
	e.buf = append(e.buf, ',', '"')
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, '"', ':')
}

func (e *encoder) int(name string, v int64) {
	e.name(name)
	e.buf = strconv.AppendInt(e.buf, v, 10)
}

// known writes a number unless it is None.
func (e *encoder) known(name string, v int64) {
	if v != None {
		e.int(name, v)
	}
}

// text writes a key or an id, always.
func (e *encoder) text(name, v string) {
	e.name(name)
	e.buf = append(e.buf, '"')
	e.buf = appendText(e.buf, v)
	e.buf = append(e.buf, '"')
}

// some writes a key or an id unless it is empty.
func (e *encoder) some(name, v string) {
	if v != "" {
		e.text(name, v)
	}
}

func (e *encoder) flag(name string, v bool) {
	if v {
		e.name(name)
		e.buf = append(e.buf, "true"...)
	}
}

// prose writes text for people. Bytes that are not UTF-8 are replaced.
func (e *encoder) prose(name, v string) {
	if v != "" {
		e.json(name, v)
	}
}

// json writes a value of a type that always encodes. Maps are sorted by key.
func (e *encoder) json(name string, v any) {
	e.name(name)
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	e.buf = append(e.buf, b...)
}

func (e *encoder) items(items []Item) {
	if len(items) == 0 {
		return
	}
	e.name("items")
	for i, it := range items {
		if i > 0 {
			e.buf = append(e.buf, ',')
		} else {
			e.buf = append(e.buf, '[')
		}
		e.buf = append(e.buf, `{"key":"`...)
		e.buf = appendText(e.buf, it.Key)
		e.buf = append(e.buf, '"')
		e.some("value", it.Value)
		e.known("rev", it.Revision)
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) header(h Header) []byte {
	e.buf = append(e.buf[:0], `{"kvsim_history":`...)
	e.buf = strconv.AppendInt(e.buf, int64(max(1, h.Version)), 10)
	e.text("tap", h.Tap.String())
	e.flag("hooks", h.Hooks)
	if len(h.Meta) > 0 {
		e.json("meta", h.Meta)
	}
	return e.end()
}

func (e *encoder) invoke(o *Operation) []byte {
	e.by(o.Client, o.Process, o.Call, "invoke")
	e.int("op", o.ID)
	e.text("call", o.Kind.String())
	switch o.Kind {
	case OpPut:
		e.text("key", o.Key)
		e.text("value", o.Value)
	case OpDelete, OpGet:
		e.text("key", o.Key)
	case OpBatch, OpTxn:
		e.items(unrevised(o.Items))
	case OpRange, OpWatch:
		e.some("start", o.Start)
		e.some("end", o.End)
		if o.Limit > 0 && o.Kind == OpRange {
			e.int("limit", int64(o.Limit))
		}
	case OpWait:
		e.known("rev", o.Revision)
	case OpSync, OpOpen, OpClose, OpGrant, OpRenew, OpRevoke:
	}
	e.flag("barrier", o.Barrier && o.Kind.Reads())
	e.details(o)
	e.positive("deadline", o.Deadline)
	return e.end()
}

func (e *encoder) complete(o *Operation) []byte {
	e.by(o.Client, o.Process, o.Return, o.Outcome.String())
	e.int("op", o.ID)
	if o.Outcome == OK {
		switch o.Kind {
		case OpGet:
			e.some("value", o.Value)
		case OpRange:
			e.items(o.Items)
		case OpBatch, OpTxn:
			if o.Answer != nil {
				e.items(o.Answer)
			} else if revised(o.Items) {
				e.items(o.Items)
			}
		case OpGrant, OpRenew:
			if o.Details != nil {
				e.positive("until", o.Details.Until)
			}
		case OpPut, OpDelete, OpSync, OpWait, OpOpen, OpClose, OpWatch, OpRevoke:
		}
	}
	if o.Kind != OpWait {
		e.known("rev", o.Revision)
	}
	e.known("pos", o.Position)
	if o.Outcome != OK {
		e.some("class", o.Class.String())
	}
	e.prose("error", o.Err)
	return e.end()
}

// by begins an event of a process.
func (e *encoder) by(client string, process int, at Stamp, event string) {
	e.begin(at, event)
	e.process(client, process)
}

func (e *encoder) process(client string, process int) {
	e.text("client", client)
	e.int("proc", int64(process))
}

func (e *encoder) log(l *LogEvent) []byte {
	e.begin(l.Stamp, l.Kind.String())
	switch l.Kind {
	case LogAppend:
		e.int("offset", l.Offset)
		e.some("key", l.Key)
		e.some("value", l.Value)
		e.some("txn", l.Txn)
		e.flag("foreign", l.Foreign)
		e.some("lease", l.Lease)
	case LogTruncate, LogTrim, LogEnd:
		e.int("offset", l.Offset)
	case LogCommit, LogAbort:
		e.text("txn", l.Txn)
	case LogCompact:
		e.json("removed", append([]int64{}, l.Removed...)) // not nil, which is no list in JSON
	case LogUncompact:
		e.json("returned", append([]int64{}, l.Returned...))
	case LogRecreate:
	}
	return e.end()
}

func (e *encoder) hook(h *Hook) []byte {
	e.by(h.Client, h.Process, h.Stamp, "hook")
	if h.Delete {
		e.text("call", "delete")
	} else {
		e.text("call", "set")
	}
	e.text("key", h.Key)
	e.some("value", h.Value)
	e.known("offset", h.Offset)
	e.flag("away", h.Away)
	return e.end()
}

func (e *encoder) rebuild(b *Rebuild) []byte {
	e.by(b.Client, b.Process, b.Stamp, "rebuild")
	e.some("cause", b.Cause.String())
	e.flag("away", b.Away)
	e.prose("error", b.Err)
	return e.end()
}

func (e *encoder) snapshot(s *Snapshot) []byte {
	e.begin(s.Stamp, "snapshot")
	e.text("of", s.Kind.String())
	e.process(s.Client, s.Process)
	e.known("pos", s.Position)
	e.items(s.Items)
	return e.end()
}

func (e *encoder) fault(at Stamp, f *Fault, event string) []byte {
	e.begin(at, event)
	e.int("fault", f.ID)
	if event == "fault" {
		e.prose("text", f.Text)
	}
	return e.end()
}

func revised(items []Item) bool {
	return slices.ContainsFunc(items, func(it Item) bool { return it.Revision != None })
}

// unrevised returns the items without revisions, as they are known at invocation.
func unrevised(items []Item) []Item {
	if !revised(items) {
		return items
	}
	items = slices.Clone(items)
	for i := range items {
		items[i].Revision = None
	}
	return items
}
