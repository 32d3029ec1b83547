package linearizability

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// WriteHistory writes a history to w, in the order of its events. The version of the format
// is that of its header, or 2 if it has something that version 1 cannot say.
func WriteHistory(w io.Writer, h *History) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	var enc encoder
	head := h.Header
	if h.newer() {
		head.Version = FormatVersion
	}
	if _, err := bw.Write(enc.header(head)); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	events := eventsOf(h)
	for _, e := range events {
		if _, err := bw.Write(e.encode(&enc)); err != nil {
			return fmt.Errorf("write history, event %d: %w", e.seq, err)
		}
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// An event is one event of a history, and how it is written.
type event struct {
	seq    int64
	encode func(*encoder) []byte
}

// eventsOf returns all events of a history in the order of their Seq.
func eventsOf(h *History) []event {
	all := make([]event, 0, h.Events())
	add := func(at Stamp, encode func(*encoder) []byte) { all = append(all, event{at.Seq, encode}) }
	for i := range h.Ops {
		o := &h.Ops[i]
		add(o.Call, func(e *encoder) []byte { return e.invoke(o) })
		if o.Outcome != Pending {
			add(o.Return, func(e *encoder) []byte { return e.complete(o) })
		}
	}
	for i := range h.Log {
		add(h.Log[i].Stamp, func(e *encoder) []byte { return e.log(&h.Log[i]) })
	}
	for i := range h.Hooks {
		add(h.Hooks[i].Stamp, func(e *encoder) []byte { return e.hook(&h.Hooks[i]) })
	}
	for i := range h.Rebuilds {
		add(h.Rebuilds[i].Stamp, func(e *encoder) []byte { return e.rebuild(&h.Rebuilds[i]) })
	}
	for i := range h.Snapshots {
		add(h.Snapshots[i].Stamp, func(e *encoder) []byte { return e.snapshot(&h.Snapshots[i]) })
	}
	for i := range h.Faults {
		f := &h.Faults[i]
		add(f.Start, func(e *encoder) []byte { return e.fault(f.Start, f, "fault") })
		if f.End.Seq != 0 {
			add(f.End, func(e *encoder) []byte { return e.fault(f.End, f, "heal") })
		}
	}
	for i := range h.Statuses {
		add(h.Statuses[i].Stamp, func(e *encoder) []byte { return e.status(&h.Statuses[i]) })
	}
	for i := range h.Watched {
		add(h.Watched[i].Stamp, func(e *encoder) []byte { return e.watched(&h.Watched[i]) })
	}
	for i := range h.Expiries {
		add(h.Expiries[i].Stamp, func(e *encoder) []byte { return e.expiry(&h.Expiries[i]) })
	}
	slices.SortFunc(all, func(a, b event) int { return cmp.Compare(a.seq, b.seq) })
	return all
}
