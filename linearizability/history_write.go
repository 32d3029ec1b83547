package linearizability

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// WriteHistory writes a history to w, in the order of its events.
func WriteHistory(w io.Writer, h *History) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	var enc encoder
	if _, err := bw.Write(enc.header(h.Header)); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	events := eventsOf(h)
	for _, e := range events {
		if _, err := bw.Write(e.encode(&enc, h)); err != nil {
			return fmt.Errorf("write history, event %d: %w", e.seq, err)
		}
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// eventKind says which list of the history holds an event.
type eventKind uint8

const (
	eventInvoke eventKind = iota
	eventReturn
	eventLog
	eventHook
	eventRebuild
	eventSnapshot
	eventFault
	eventHeal
)

// An event refers to one event of a history.
type event struct {
	seq   int64
	kind  eventKind
	index int32
}

// eventsOf returns all events of a history in the order of their Seq.
func eventsOf(h *History) []event {
	all := make([]event, 0, h.Events())
	add := func(kind eventKind, i int, seq int64) {
		all = append(all, event{seq: seq, kind: kind, index: int32(i)})
	}
	for i := range h.Ops {
		add(eventInvoke, i, h.Ops[i].Call.Seq)
		if h.Ops[i].Outcome != Pending {
			add(eventReturn, i, h.Ops[i].Return.Seq)
		}
	}
	for i := range h.Log {
		add(eventLog, i, h.Log[i].Seq)
	}
	for i := range h.Hooks {
		add(eventHook, i, h.Hooks[i].Seq)
	}
	for i := range h.Rebuilds {
		add(eventRebuild, i, h.Rebuilds[i].Seq)
	}
	for i := range h.Snapshots {
		add(eventSnapshot, i, h.Snapshots[i].Seq)
	}
	for i := range h.Faults {
		add(eventFault, i, h.Faults[i].Start.Seq)
		if h.Faults[i].End.Seq != 0 {
			add(eventHeal, i, h.Faults[i].End.Seq)
		}
	}
	slices.SortFunc(all, func(a, b event) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

func (e event) encode(enc *encoder, h *History) []byte {
	switch e.kind {
	case eventInvoke:
		return enc.invoke(&h.Ops[e.index])
	case eventReturn:
		return enc.complete(&h.Ops[e.index])
	case eventLog:
		return enc.log(&h.Log[e.index])
	case eventHook:
		return enc.hook(&h.Hooks[e.index])
	case eventRebuild:
		return enc.rebuild(&h.Rebuilds[e.index])
	case eventSnapshot:
		return enc.snapshot(&h.Snapshots[e.index])
	case eventFault:
		f := &h.Faults[e.index]
		return enc.fault(f.Start, f, "fault")
	case eventHeal:
	}
	f := &h.Faults[e.index]
	return enc.fault(f.End, f, "heal")
}
