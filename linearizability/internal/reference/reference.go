package reference

import (
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Held reports whether something explains the whole history. The history must keep
// the format's rules, and must have a log.
func Held(h *lin.History) bool {
	all := processes(h)
	t := newTimeline(h)
	return assign(h, t, func(a *assignment) bool {
		if h.Header.Tap != lin.TapExact {
			t.move(h, a.of)
		}
		j := &judge{h: h, t: t, a: a}
		for i := range h.Snapshots {
			if s := &h.Snapshots[i]; s.Kind == lin.SnapshotCold && !j.cold(s) {
				return false
			}
		}
		for _, es := range all {
			if !j.follows(es) || !j.causes(es) {
				return false
			}
			if (h.Header.Hooks || anyHook(es)) && !j.tells(es) {
				return false
			}
		}
		return true
	})
}

// causes reports whether each time that a process read the log again had a cause of its own: a loss
// that took something, or a deletion of something from the start of the log that the process had not
// passed.
func (j *judge) causes(es []event) bool {
	begun := int64(0)
	for _, e := range es {
		if e.op != nil && !e.end {
			begun = e.seq
			break
		}
	}
	var fit [][]int // by rebuild: the losses that may be its cause
	for i, e := range es {
		switch {
		case e.again == nil || e.again.Away && e.again.Cause != lin.RebuildLoss:
			continue
		case e.again.Cause == lin.RebuildAbsence || e.again.Cause == lin.RebuildWithheld:
			return false
		}
		var may []int
		for n, l := range j.t.took {
			late := l.Kind == lin.LogTrim && j.t.late
			if l.Seq < begun || l.Seq > e.seq && !late {
				continue
			}
			if l.Kind == lin.LogTrim && !late && j.beyond(es[:i], l, e.seq) {
				continue
			}
			may = append(may, n)
		}
		fit = append(fit, may)
	}
	return matched(fit, map[int]bool{})
}

// beyond reports whether a process had shown that it was above a deletion from the start of the log,
// since the log lost its end and since it last began to read it again.
func (j *judge) beyond(es []event, trim lin.LogEvent, seq int64) bool {
	since, absent := int64(0), false
	for _, l := range j.t.took {
		if l.Kind != lin.LogTrim && l.Seq < seq {
			since = max(since, l.Seq)
		}
	}
	if since > trim.Seq {
		return false
	}
	for _, e := range es {
		if e.again != nil {
			since, absent = max(since, e.seq), e.again.Cause == lin.RebuildAbsence || e.again.Cause == lin.RebuildWithheld
		}
	}
	return slices.ContainsFunc(es, func(e event) bool {
		switch {
		case e.hook != nil:
			return e.seq > since && e.hook.Offset >= trim.Offset
		case !e.end || e.op.Outcome != lin.OK || e.op.Call.Seq < since || absent && !e.op.Kind.Reads():
			return false
		}
		shown := e.op.Kind == lin.OpGet || e.op.Kind.Writes()
		return e.op.Position > trim.Offset || shown && e.op.Revision >= trim.Offset
	})
}

// matched reports whether each list has a number that is taken for no other.
func matched(lists [][]int, taken map[int]bool) bool {
	if len(lists) == 0 {
		return true
	}
	for _, n := range lists[0] {
		if taken[n] {
			continue
		}
		taken[n] = true
		if matched(lists[1:], taken) {
			return true
		}
		delete(taken, n)
	}
	return false
}

func anyHook(es []event) bool {
	for _, e := range es {
		if e.hook != nil {
			return true
		}
	}
	return false
}
