package reference

import (
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

// causes reports whether each time that a process read the log again had a cause of its own.
func (j *judge) causes(es []event) bool {
	begun := int64(0)
	for _, e := range es {
		if e.op != nil && !e.end {
			begun = e.seq
			break
		}
	}
	spent := 0
	for _, e := range es {
		switch {
		case e.again == nil || e.again.Away && e.again.Cause != lin.RebuildLoss:
			continue
		case e.again.Cause == lin.RebuildAbsence || e.again.Cause == lin.RebuildWithheld:
			return false
		}
		losses := 0
		for _, l := range j.h.Log {
			if (l.Kind == lin.LogTruncate || l.Kind == lin.LogRecreate || l.Kind == lin.LogTrim) && l.Seq > begun &&
				(l.Seq < e.seq || l.Kind == lin.LogTrim && j.t.late) {
				losses++
			}
		}
		if spent++; spent > losses {
			return false
		}
	}
	return true
}

func anyHook(es []event) bool {
	for _, e := range es {
		if e.hook != nil {
			return true
		}
	}
	return false
}
