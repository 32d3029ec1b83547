package linearizability

import (
	"fmt"
	"strconv"
	"strings"
)

// describe returns the operation as a call with its result, for example
// `put("k", v1) = offset 4, by c1`.
func (o *Operation) describe() string {
	var b strings.Builder
	b.WriteString(o.call())
	switch o.Outcome {
	case OK:
		if r := o.result(); r != "" {
			b.WriteString(" = ")
			b.WriteString(r)
		}
	case Failed:
		b.WriteString(" failed")
	case Unknown, Pending:
		b.WriteString(" has an unknown outcome")
	}
	fmt.Fprintf(&b, " by %s, %s", who(o.Client, o.Process), o.when())
	return b.String()
}

// call returns the operation as it was called.
func (o *Operation) call() string {
	switch o.Kind {
	case OpPut:
		return fmt.Sprintf("put(%s, %s)", quote(o.Key), o.Value)
	case OpDelete, OpGet:
		return fmt.Sprintf("%s(%s)", o.Kind, quote(o.Key))
	case OpBatch:
		return fmt.Sprintf("batch(%s)", describeItems(o.Items, 8))
	case OpRange:
		end := "end"
		if o.End != "" {
			end = quote(o.End)
		}
		s := fmt.Sprintf("range(%s, %s", quote(o.Start), end)
		if o.Limit > 0 {
			s += ", limit " + strconv.Itoa(o.Limit)
		}
		return s + ")"
	case OpWait:
		return fmt.Sprintf("wait(%d)", o.Revision)
	case OpSync, OpOpen, OpClose:
	}
	return o.Kind.String() + "()"
}

// result returns what the operation returned.
func (o *Operation) result() string {
	var s string
	switch o.Kind {
	case OpGet:
		s = valueName(o.Value)
	case OpRange:
		s = "{" + describeItems(o.Items, 8) + "}"
	case OpPut, OpDelete, OpBatch, OpSync, OpWait, OpOpen, OpClose:
	}
	if o.Revision != None && o.Kind != OpWait {
		s = join(s, "offset "+strconv.FormatInt(o.Revision, 10))
	}
	if o.Position != None {
		s = join(s, "position "+strconv.FormatInt(o.Position, 10))
	}
	return s
}

// when returns the time span of the operation.
func (o *Operation) when() string {
	if o.Outcome == Pending {
		return fmt.Sprintf("called at %s and never returned", o.Call.Time)
	}
	return fmt.Sprintf("%s..%s", o.Call.Time, o.Return.Time)
}

// String describes the log event.
func (e *LogEvent) String() string {
	switch e.Kind {
	case LogAppend:
		return e.Record.String()
	case LogTruncate:
		return fmt.Sprintf("-- truncated to offset %d at %s", e.Offset, e.Time)
	case LogRecreate:
		return fmt.Sprintf("-- deleted and created again at %s", e.Time)
	case LogTrim:
		return fmt.Sprintf("-- records below offset %d deleted at %s", e.Offset, e.Time)
	case LogCompact:
		return fmt.Sprintf("-- compacted at %s: %d records removed", e.Time, len(e.Removed))
	case LogUncompact:
		return fmt.Sprintf("-- a leader took over at %s that had not compacted the log as far: %d records are back", e.Time, len(e.Returned))
	case LogCommit, LogAbort:
		return fmt.Sprintf("-- transaction %s: %s at %s", e.Txn, e.Kind, e.Time)
	case LogEnd:
		return fmt.Sprintf("-- end of the log seen at offset %d at %s", e.Offset, e.Time)
	}
	return e.Kind.String()
}

// String describes the record.
func (r Record) String() string {
	var s string
	switch {
	case r.Key == "":
		s = fmt.Sprintf("offset %d: a record without a key", r.Offset)
	case r.Value == "":
		s = fmt.Sprintf("offset %d: %s deleted", r.Offset, quote(r.Key))
	default:
		s = fmt.Sprintf("offset %d: %s = %s", r.Offset, quote(r.Key), r.Value)
	}
	if r.Txn != "" {
		s += " in transaction " + r.Txn
	}
	if r.Foreign {
		s += " (foreign)"
	}
	return s
}

func describeItems(items []Item, most int) string {
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "and %d more", len(items)-most)
			break
		}
		fmt.Fprintf(&b, "%s: %s", quote(it.Key), valueName(it.Value))
	}
	return b.String()
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func valueName(id string) string {
	if id == "" {
		return "no value"
	}
	return id
}

// quote returns a key for people: in quotes, escaped as in the history format.
func quote(key string) string {
	return `"` + string(appendText(nil, key)) + `"`
}

func who(client string, process int) string {
	return fmt.Sprintf("%s (process %d)", client, process)
}
