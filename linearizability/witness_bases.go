package linearizability

import (
	"slices"
	"sort"
)

// started remembers what bases answered last for a process, while the log had lost no tail.
//
// Invariant: bases is ascending.
type started struct {
	bases    []int64
	seq      int64 // of the question
	trims    int   // how many trims it has looked at
	rebuilds int   // how many rebuilds there had been
	opened   int64 // as in process
}

// bases returns the offsets at which a process may have started to apply the log of epoch e,
// as of event seq. The result must not be changed, and is valid until the next call. 0 means
// that the process applied all of the log. Records may be deleted from the start of the log
// (DeleteRecords, retention). A process that had applied them keeps their effect. One that
// had not, or that has to reread the log, starts at the first record that is left, and has
// nothing from the ones before.
//
// For example, the log [a=1 a=2 b=1 c=1] is deleted below offset 3 while a client is at
// position 1. If it had fetched a=2 and b=1 before, it may apply them. If not, it must empty
// its state, and then has c=1 only. No log explains a state of a=1 and c=1.
func (x *logIndex) bases(p *process, seq int64, e int32) []int64 {
	late := x.h.Header.Tap != TapExact
	if e == 0 && !late {
		return x.basesOfFirst(p, seq)
	}
	if late && x.lateBases != nil && x.lateEpoch == e {
		return x.lateBases
	}
	x.lateBases = append(x.lateBases[:0], 0)
	seen := make(map[int64]struct{}, min(len(x.trims), 64))
	seen[0] = struct{}{}
	for _, t := range x.trims {
		te := x.current(t.seq)
		if te > e || t.seq > seq && !late {
			continue
		}
		if !x.spend(1) {
			break
		}
		base := x.in(position{te, t.off}, e) // the log may have been recreated since
		if t.seq < p.opened && !late {       // records were deleted before it opened
			x.lateBases = append(x.lateBases[:0], base)
			clear(seen)
			seen[base] = struct{}{}
			continue
		}
		// After the loss of a tail, a process may reread the log at any time, however far
		// it had got. With a late tap, it is not known what was deleted when.
		if _, ok := seen[base]; !ok {
			seen[base] = struct{}{}
			x.lateBases = append(x.lateBases, base)
		}
	}
	x.lateEpoch = e
	return x.lateBases
}

// basesOfFirst is bases for an exact tap and the first epoch. A process that reported a
// rebuild may have reread the log, however far it had got.
func (x *logIndex) basesOfFirst(p *process, seq int64) []int64 {
	s := &p.started
	again := x.rebuiltBefore(p, seq)
	if len(s.bases) == 0 || seq < s.seq || again != s.rebuilds || p.opened != s.opened {
		*s = started{bases: append(s.bases[:0], 0), rebuilds: again, opened: p.opened}
	}
	s.seq = seq
	for ; s.trims < len(x.trims) && x.spend(1); s.trims++ {
		t := &x.trims[s.trims]
		if t.seq > seq || x.current(t.seq) > 0 {
			break
		}
		switch {
		case t.seq < p.opened: // records were deleted before it opened
			s.bases = append(s.bases[:0], t.off)
		case x.known(p, t.seq, 0) < t.off || again > x.rebuiltBefore(p, t.seq+1):
			s.bases = append(s.bases, t.off)
		}
	}
	return s.bases
}

// basesFor returns those of the bases of a read that can explain it at the lowest position.
//
// A read of one key needs only three of them. If it returned a value, the lowest is best: a
// process that began later lacks values, and has no others. If it returned none, a process
// that began later is more likely to have none: of those that began at lo or below, the
// highest is best, and of the others the lowest, because it is there first.
func (x *logIndex) basesFor(r *read, e int32, lo int64) []int64 {
	all := x.bases(r.proc, r.seq, e)
	if len(r.targets) != 1 || len(all) <= 3 {
		return all
	}
	least, below, above := all[0], int64(-1), beyond
	if e == 0 && x.h.Header.Tap == TapExact {
		i := sort.Search(len(all), func(i int) bool { return all[i] > lo })
		if i > 0 {
			below = all[i-1]
		}
		if i < len(all) {
			above = all[i]
		}
	} else {
		x.spend(len(all))
		for _, b := range all {
			least = min(least, b)
			if b <= lo {
				below = max(below, b)
			} else {
				above = min(above, b)
			}
		}
	}
	few := append(x.few[:0], least)
	if below >= 0 && below != least {
		few = append(few, below)
	}
	if above < beyond && above != least {
		few = append(few, above)
	}
	x.few = few
	return few
}

// rebuiltBefore returns how many times a process reported that it reread the log before an
// event.
func (x *logIndex) rebuiltBefore(p *process, seq int64) int {
	return x.rebuiltAt(processID{p.client, p.number}, seq)
}

func (x *logIndex) rebuiltAt(id processID, seq int64) int {
	n, _ := slices.BinarySearch(x.rebuilds[id], seq)
	return n
}

// begin returns the position at which a process starts that opens at an event.
func (x *logIndex) begin(seq int64) position {
	p := position{x.current(seq), 0}
	i := sort.Search(len(x.trims), func(i int) bool { return x.trims[i].seq >= seq })
	if i > 0 {
		p = x.join(p, position{x.current(x.trims[i-1].seq), x.trims[i-1].off})
	}
	return p
}

// rebuilt reports whether a process reported a rebuild between an event and the return of an
// operation. Then the position that the operation reports may be one on the way back to where it
// was.
func (x *logIndex) rebuilt(o *Operation, since int64) bool {
	all := x.rebuilds[processID{o.Client, o.Process}]
	if len(all) == 0 {
		return false
	}
	from, _ := slices.BinarySearch(all, since)
	to, _ := slices.BinarySearch(all, o.Return.Seq)
	return from < to
}
