package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// checkRebuilds judges whether each process had a reason to reread the log.
//
// The loss of the log's tail or of the whole log is a reason for one rebuild of each process that
// had started by then, if it took any records. For example, if the log [a b c] loses c, a
// client that had applied c may reread the log once, but not twice. So is a deletion of the log's
// start, but not for a process that has shown that it is further: it has read all that was deleted.
// One that is just there can't tell whether the log has lost more.
//
// A client that says that it may have missed deletions must have been kept from reading, and one
// that says that records had been withheld must have met such a leader; the history says so in
// Rebuild.Away.
//
// A late tap may note a deletion of the start after processes have reread the log for it, and may
// never note what a loss took. So then each is a reason for one rebuild.
func (j *judge) checkRebuilds() {
	for _, r := range j.rereaders() {
		for _, b := range r.rebuilds {
			j.judged(CheckRebuild)
			passed := r.passed(b, j.x.lastLoss(b.Seq))
			lossless := b.Cause.lossless()
			r.last, r.absent = b.Seq, lossless
			if b.Away && b.Cause != RebuildLoss || !lossless && j.reason(r, b.Seq, passed) {
				continue
			}
			j.violate(j.needless(b, j.x.took(r.begun, b.Seq), passed))
		}
	}
}

// A rereader is a process that rereads the log, with what it had shown, in order.
type rereader struct {
	rebuilds []*Rebuild
	begun    int64 // the event of its first call
	last     int64 // its last rebuild
	absent   bool  // which was one after an absence
	ops      []*Operation
	hooks    []*Hook
	// loss is the last loss. spent is how many reasons have been taken up to there, and since how
	// many deletions after it. next has for each of these the next one that may not have been.
	loss         int64
	spent, since int
	next         map[int]int
}

// rereaders returns all processes that reread the log, in the order in which they did first.
func (j *judge) rereaders() (all []*rereader) {
	if len(j.h.Rebuilds) == 0 {
		return nil
	}
	byID := map[processID]*rereader{}
	for i := range j.h.Rebuilds {
		b := &j.h.Rebuilds[i]
		id := processID{b.Client, b.Process}
		r := byID[id]
		if r == nil {
			r = &rereader{next: map[int]int{}}
			byID[id] = r
			all = append(all, r)
		}
		r.rebuilds = append(r.rebuilds, b)
	}
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		if r := byID[processID{o.Client, o.Process}]; r != nil {
			if r.begun == 0 {
				r.begun = o.Call.Seq
			}
			if o.Outcome == OK {
				r.ops = append(r.ops, o)
			}
		}
	}
	for i := range j.h.Hooks {
		k := &j.h.Hooks[i]
		if r := byID[processID{k.Client, k.Process}]; r != nil && k.Offset != None {
			r.hooks = append(r.hooks, k)
		}
	}
	return all
}

// passed returns the highest position that a process has shown before a rebuild, since the last loss
// and since it began to reread the log.
//
// After an absence it shows the position that it had until it is there again, so only what it reads
// says that it is.
func (r *rereader) passed(b *Rebuild, loss int64) (high int64) {
	from := max(r.last, loss)
	for ; len(r.ops) > 0 && r.ops[0].Call.Seq < b.Seq; r.ops = r.ops[1:] {
		if o := r.ops[0]; o.Call.Seq > from && o.Return.Seq < b.Seq && (!r.absent || o.Kind.Reads()) {
			high = max(high, o.Position)
			if o.Kind == OpGet || o.Kind.Writes() {
				high = max(high, o.Revision+1)
			}
		}
	}
	for ; len(r.hooks) > 0 && r.hooks[0].Seq < b.Seq; r.hooks = r.hooks[1:] {
		if k := r.hooks[0]; k.Seq > from {
			high = max(high, k.Offset+1)
		}
	}
	return high
}

// reason reports whether there is a reason for a rebuild of a process that has shown that it is at a
// position, and takes it. Of the deletions since the last loss it takes the lowest that the process
// may not have read, because that is the first that it can't need any more; and each loss, or deletion
// before one, only if there is none.
func (j *judge) reason(r *rereader, seq, passed int64) bool {
	x := j.x
	lost, _ := slices.BinarySearch(x.lossy, seq)
	lost = max(0, lost-after(x.lossy, r.begun))
	if j.h.Header.Tap != TapExact {
		r.spent++
		return r.spent <= lost+len(x.trims)-x.trimsAfter(r.begun)
	}
	loss := x.lastLoss(seq)
	if loss != r.loss {
		r.loss, r.spent, r.since = loss, r.spent+r.since, 0
		clear(r.next)
	}
	first, end := x.trimsAfter(max(loss, r.begun)), x.trimsAfter(seq)
	at := first + sort.Search(max(0, end-first), func(i int) bool { return x.trims[first+i].off >= passed })
	for r.next[at] > 0 {
		n := r.next[at]
		if m := r.next[n]; m > 0 {
			r.next[at] = m
		}
		at = n
	}
	if at < end {
		r.next[at] = at + 1
		r.since++
		return true
	}
	if lost > 0 {
		lost += first - x.trimsAfter(r.begun)
	}
	if r.spent < lost {
		r.spent++
		return true
	}
	return false
}

// after returns where the numbers above one begin in an ascending list.
func after(all []int64, n int64) int {
	return sort.Search(len(all), func(i int) bool { return all[i] > n })
}

// lastLoss returns the last event before another at which the log lost its tail or became a new one, or 0.
func (x *logIndex) lastLoss(seq int64) int64 {
	if i, _ := slices.BinarySearch(x.lossy, seq); i > 0 {
		return x.lossy[i-1]
	}
	return 0
}

// took returns how many times the log lost records between two events.
func (x *logIndex) took(from, to int64) int {
	return max(0, after(x.lossy, to)-after(x.lossy, from)) + max(0, x.trimsAfter(to)-x.trimsAfter(from))
}

// trimsAfter returns where the deletions after an event begin in the list.
func (x *logIndex) trimsAfter(seq int64) int {
	return sort.Search(len(x.trims), func(i int) bool { return x.trims[i].seq > seq })
}

func (j *judge) needless(b *Rebuild, losses int, passed int64) *Violation {
	v := &Violation{Check: CheckRebuild, Client: b.Client, Process: b.Process, From: b.Stamp, To: b.Stamp}
	name := who(b.Client, b.Process)
	switch b.Cause {
	case RebuildAbsence:
		v.Reason = fmt.Sprintf("%s reread the log at %s because it may have missed deletions, but nothing had kept it from reading", name, b.Time)
	case RebuildWithheld:
		v.Reason = fmt.Sprintf("%s reread the log at %s because a leader had withheld records, but none had", name, b.Time)
	case RebuildUnknown, RebuildLoss:
		v.Reason = fmt.Sprintf("%s reread the log at %s, but the log had lost nothing since it began", name, b.Time)
		if losses > 0 {
			v.Reason = fmt.Sprintf("%s reread the log at %s, but the log had lost records %d times since it began, each of which was already the reason for a rebuild", name, b.Time, losses)
			if passed > 0 {
				v.Reason += fmt.Sprintf(", or took from its start only what the process had read, which was at position %d", passed)
			}
		}
	}
	if b.Err != "" {
		v.Evidence = []string{"it said: " + b.Err}
	}
	return v
}
