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
	return o.Kind.String() + "(" + join(o.arguments(), o.DescribeDetails()) + ")"
}

// arguments returns what the operation was called with, without its details.
func (o *Operation) arguments() string {
	switch o.Kind {
	case OpPut:
		return quote(o.Key) + ", " + o.Value
	case OpDelete, OpGet:
		return quote(o.Key)
	case OpBatch, OpTxn:
		return describeItems(o.Items, 8)
	case OpRange, OpWatch:
		s := quote(o.Start) + ", end"
		if o.End != "" {
			s = quote(o.Start) + ", " + quote(o.End)
		}
		if o.Limit > 0 {
			s += ", limit " + strconv.Itoa(o.Limit)
		}
		return s
	case OpWait:
		return strconv.FormatInt(o.Revision, 10)
	case OpSync, OpOpen, OpClose, OpGrant, OpRenew, OpRevoke:
	}
	return ""
}

// DescribeDetails describes the details of the operation for people, for example `if "k" has no
// value`. It is empty if there are none.
func (o *Operation) DescribeDetails() string {
	d := o.Details
	if d == nil {
		return ""
	}
	var s string
	const most = 8
	for i, c := range d.If {
		switch {
		case i == 0:
			s = "if " + c.String()
		case i < most:
			s += " and " + c.String()
		case i == most:
			s += fmt.Sprintf(" and %d more", len(d.If)-most)
		}
	}
	if o.Kind.Reads() && d.At != None {
		s = join(s, "at offset "+strconv.FormatInt(d.At, 10))
	}
	if d.Storage != "" {
		s = join(s, "storage "+d.Storage)
	}
	if (o.Kind == OpOpen || o.Kind == OpWatch) && d.From != None {
		s = join(s, "from offset "+strconv.FormatInt(d.From, 10))
	}
	if d.Lease != "" {
		s = join(s, "lease "+d.Lease)
	}
	if d.TTL > 0 {
		s = join(s, "for "+d.TTL.String())
	}
	return s
}

// result returns what the operation returned.
func (o *Operation) result() string {
	var s string
	switch o.Kind {
	case OpGet:
		s = valueName(o.Value)
	case OpRange:
		s = "{" + describeItems(o.Items, 8) + "}"
	case OpGrant, OpRenew:
		if o.Details != nil && o.Details.Until != 0 {
			s = "until " + o.Details.Until.String()
		}
	case OpPut, OpDelete, OpBatch, OpSync, OpWait, OpOpen, OpClose, OpTxn, OpWatch, OpRevoke:
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

// String describes the status.
func (s *ClientStatus) String() string {
	text := s.State.String()
	if s.Lag != None {
		text = join(text, "lag "+strconv.FormatInt(s.Lag, 10))
	}
	if s.Cause != ErrorNone {
		text = join(text, s.Cause.String())
	}
	if s.Err != "" {
		text += ": " + s.Err
	}
	return text
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
	if r.Lease != "" {
		s += " because lease " + r.Lease + " ended"
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
	switch {
	case a == "":
		return b
	case b == "":
		return a
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
