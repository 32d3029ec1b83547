package linearizability

import (
	"slices"
	"sort"
)

type mark struct {
	seq int64
	pos position
}

// mark notes how far the process is known to be.
func (s *sweeper) mark(p *process, seq int64) {
	if !s.x.removed && len(s.x.trims) == 0 {
		return
	}
	all := s.x.joined(&p.bounds)
	if n := len(p.marks); n == 0 || p.marks[n-1].pos != all {
		p.marks = append(p.marks, mark{seq, all})
	}
}

// joined returns the position that all bounds together ask for.
func (x *logIndex) joined(b *bounds) position {
	var all position
	for c := range b {
		all = x.join(all, b[c].pos)
	}
	return all
}

// known returns how far the process was known to be before an event, in epoch e.
func (x *logIndex) known(p *process, seq int64, e int32) int64 {
	i := sort.Search(len(p.marks), func(i int) bool { return p.marks[i].seq > seq })
	if i == 0 || p.marks[i-1].pos.epoch > e {
		return 0
	}
	return x.in(p.marks[i-1].pos, e)
}

// bases appends to buf from which offsets on a process can have applied the log
// of epoch e by an event: 0 is all of it. Records may be deleted from the start
// of the log (DeleteRecords, retention). A process that had applied them keeps
// what they left; one that had not, or that has to reread the log, begins
// with the first record that is there and has nothing of those before.
//
// The log [a=1 a=2 b=1 c=1] is deleted below offset 3. A client that was at
// position 1 may go on with a=2 and b=1 if it had got them before; else it
// empties its state and has c=1 alone. That it goes on with a=1 and c=1 no log
// explains.
func (x *logIndex) bases(buf []int64, p *process, seq int64, e int32) []int64 {
	buf = append(buf, 0)
	late := x.h.Header.Tap != TapExact
	for _, t := range x.trims {
		te := x.current(t.seq)
		if te > e || t.seq > seq && !late {
			continue
		}
		base := x.in(position{te, t.off}, e) // the log may have begun anew since
		switch {
		case t.seq < p.opened && !late: // it found the log so
			buf = append(buf[:0], base)
		case slices.Contains(buf, base):
		// After the loss of a tail a process may reread the log at any
		// time, however far it had been; and so may one that says so.
		case late || e > 0 || x.known(p, t.seq, e) < t.off || x.rebuilt(p, t.seq, seq):
			buf = append(buf, base)
		}
	}
	return buf
}

// rebuilt reports whether a process reread the log between two events.
func (x *logIndex) rebuilt(p *process, from, to int64) bool {
	return slices.ContainsFunc(x.h.Rebuilds, func(b Rebuild) bool {
		return b.Client == p.client && b.Process == p.number && from < b.Seq && b.Seq < to
	})
}

// missable reports whether the process may never have seen a record, because
// compaction removed it before the process is known to have got that far. It
// must have seen what compaction removed below the position firm: compaction
// leaves something newer, which one who has caught up has seen.
func (x *logIndex) missable(p *process, r *record, seq int64, e int32, firm int64) bool {
	return x.goneBefore(r, e) || (r.gone != 0 && r.gone < seq && r.off >= firm && x.known(p, r.gone, e) <= r.off)
}

// deleted reports whether a process may never have seen a record because it was
// deleted from the start of the log.
func (x *logIndex) deleted(p *process, r *record, seq int64, e int32) bool {
	return len(x.trims) > 0 && slices.ContainsFunc(x.bases(nil, p, seq, e), func(base int64) bool { return r.off < base })
}

// goneBefore reports whether compaction removed a record before the epoch. If
// what superseded it was lost with the tail, the key is lost, and those who have
// to reread the log never see the record.
func (x *logIndex) goneBefore(r *record, e int32) bool {
	return e > 0 && r.gone != 0 && r.gone < x.epochs[e].seq
}
