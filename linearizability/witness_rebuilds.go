package linearizability

import "fmt"

// checkRebuilds judges whether each process had a reason to reread the log.
//
// The loss of the log's tail, of its start or of the whole log is a reason for one rebuild
// of each process that had started by then. For example, if the log [a b c] loses c, a
// client that had applied c may reread the log once, but not twice. A client that says that
// it may have missed deletions must have been kept from reading; the history says so in
// Rebuild.Away.
func (j *judge) checkRebuilds() {
	spent := map[processID]int{} // losses that have been the reason for a rebuild
	for i := range j.h.Rebuilds {
		b := &j.h.Rebuilds[i]
		j.judged(CheckRebuild)
		if b.Away && b.Cause != RebuildLoss {
			continue
		}
		id := processID{b.Client, b.Process}
		losses := j.losses(id, b.Seq)
		if b.Cause != RebuildAbsence && spent[id] < losses {
			spent[id]++
			continue
		}
		j.violate(j.needless(b, losses))
	}
}

// losses returns how many times the log lost records between the start of a process and
// an event.
func (j *judge) losses(id processID, until int64) (n int) {
	from := j.begun(id)
	for i := range j.h.Log {
		if l := &j.h.Log[i]; l.Kind.loses() && from < l.Seq && l.Seq < until {
			n++
		}
	}
	return n
}

// begun returns the event of a process's first call, or 0 if it has none.
func (j *judge) begun(id processID) int64 {
	for i := range j.h.Ops {
		if o := &j.h.Ops[i]; o.Client == id.client && o.Process == id.number {
			return o.Call.Seq
		}
	}
	return 0
}

func (j *judge) needless(b *Rebuild, losses int) *Violation {
	v := &Violation{Check: CheckRebuild, Client: b.Client, Process: b.Process, From: b.Stamp, To: b.Stamp}
	name := who(b.Client, b.Process)
	if b.Cause == RebuildAbsence {
		v.Reason = fmt.Sprintf("%s reread the log at %s because it may have missed deletions, but nothing had kept it from reading", name, b.Time)
	} else {
		v.Reason = fmt.Sprintf("%s reread the log at %s, but the log had lost records %d times since it began, each of which was already the reason for a rebuild", name, b.Time, losses)
		if losses == 0 {
			v.Reason = fmt.Sprintf("%s reread the log at %s, but the log had lost nothing since it began", name, b.Time)
		}
	}
	if b.Err != "" {
		v.Evidence = []string{"it said: " + b.Err}
	}
	return v
}
