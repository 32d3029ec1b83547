package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// checkRebuilds judges whether each process had a reason to reread the log.
//
// The loss of the log's tail, of its start or of the whole log is a reason for one rebuild
// of each process that had started by then. For example, if the log [a b c] loses c, a
// client that had applied c may reread the log once, but not twice. A client that says that
// it may have missed deletions must have been kept from reading, and one that says that records had
// been withheld must have met such a leader; the history says so in Rebuild.Away.
//
// A late tap may note a deletion of the start after processes have reread the log for it.
func (j *judge) checkRebuilds() {
	spent := map[processID]int{}   // losses that have been the reason for a rebuild
	begun := map[processID]int64{} // the event of a process's first call
	for i := range slices.Backward(j.h.Ops) {
		o := &j.h.Ops[i]
		begun[processID{o.Client, o.Process}] = o.Call.Seq
	}
	for i := range j.h.Rebuilds {
		b := &j.h.Rebuilds[i]
		j.judged(CheckRebuild)
		if b.Away && b.Cause != RebuildLoss {
			continue
		}
		id := processID{b.Client, b.Process}
		losses := j.x.lossesBetween(begun[id], b.Seq)
		if j.h.Header.Tap != TapExact {
			losses += len(j.x.trims) - sort.Search(len(j.x.trims), func(i int) bool { return j.x.trims[i].seq > b.Seq })
		}
		if !b.Cause.lossless() && spent[id] < losses {
			spent[id]++
			continue
		}
		j.violate(j.needless(b, losses))
	}
}

func (j *judge) needless(b *Rebuild, losses int) *Violation {
	v := &Violation{Check: CheckRebuild, Client: b.Client, Process: b.Process, From: b.Stamp, To: b.Stamp}
	name := who(b.Client, b.Process)
	switch b.Cause {
	case RebuildAbsence:
		v.Reason = fmt.Sprintf("%s reread the log at %s because it may have missed deletions, but nothing had kept it from reading", name, b.Time)
	case RebuildWithheld:
		v.Reason = fmt.Sprintf("%s reread the log at %s because a leader had withheld records, but none had", name, b.Time)
	case RebuildUnknown, RebuildLoss:
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
