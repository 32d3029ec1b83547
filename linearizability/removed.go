package linearizability

import (
	"sort"
)

type mark struct {
	seq int64
	pos position
}

// mark notes how far the process is known to be.
func (s *sweeper) mark(p *process, seq int64) {
	if !s.x.removed {
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

// missable reports whether the process may never have seen a record, because it
// was removed from the log before the process is known to have got that far. It
// must have seen what compaction removed below the position firm: compaction
// leaves something newer, which one who has caught up has seen.
func (x *logIndex) missable(p *process, r *record, seq int64, e int32, firm int64) bool {
	if x.goneBefore(r, e) || (r.gone != 0 && r.gone < seq && r.off >= firm && x.known(p, r.gone, e) <= r.off) {
		return true
	}
	for _, t := range x.trims {
		// After the loss of a tail a process may read the log anew at any
		// time, however far it had been.
		if t.seq < seq && x.deletes(t, r) && (e > 0 || x.known(p, t.seq, e) < t.off) {
			return true
		}
	}
	return false
}

// deletes reports whether a trim deleted a record.
func (x *logIndex) deletes(t trim, r *record) bool {
	return r.off < t.off && r.born <= x.current(t.seq)
}

// goneBefore reports whether compaction removed a record before the epoch. If
// what superseded it was lost with the tail, the key is lost, and those who have
// to read the log anew never see the record.
func (x *logIndex) goneBefore(r *record, e int32) bool {
	return e > 0 && r.gone != 0 && r.gone < x.epochs[e].seq
}
