package linearizability

import (
	"slices"
	"sort"
)

type mark struct {
	seq int64
	pos position
}

// mark notes how far the process is known to have got by event seq.
func (s *sweeper) mark(p *process, seq int64) {
	if !s.x.removed && len(s.x.trims) == 0 {
		return
	}
	all := s.x.joined(&p.bounds)
	if n := len(p.marks); n == 0 || p.marks[n-1].pos != all {
		p.marks = append(p.marks, mark{seq, all})
	}
}

// joined returns the position that all bounds together require.
func (x *logIndex) joined(b *bounds) position {
	var all position
	for c := range b {
		all = x.join(all, b[c].pos)
	}
	return all
}

// known returns how far the process was known to have got in epoch e before an event.
func (x *logIndex) known(p *process, seq int64, e int32) int64 {
	i := sort.Search(len(p.marks), func(i int) bool { return p.marks[i].seq > seq })
	if i == 0 || p.marks[i-1].pos.epoch > e {
		return 0
	}
	return x.in(p.marks[i-1].pos, e)
}

// missable reports whether the process may never have seen a record, because compaction
// removed it before the process is known to have got that far. Records below firm don't
// count as missable: compaction left newer ones in their place, and the process, which
// claims to have reached firm, must have seen those.
//
// A record may come back, when another replica leads, and be removed again. A process that started
// to open after it had come back can have missed it only by a later removal.
func (x *logIndex) missable(p *process, r *record, seq int64, e int32, firm int64) bool {
	if x.goneBefore(r, e) {
		return true
	}
	if r.gone == 0 || r.off < firm {
		return false
	}
	missed := func(a absence) bool {
		return a.from < seq && x.known(p, a.from, e) <= r.off && (a.to == 0 || a.to > p.opened)
	}
	if away := x.away[r.seq]; away != nil {
		x.spend(len(away))
		return slices.ContainsFunc(away, missed)
	}
	return missed(absence{r.gone, 0})
}

// goneBefore reports whether compaction removed a record before epoch e. If the record that
// superseded it was then lost with the log's tail, the key is lost, and processes that have
// to reread the log never see the record.
func (x *logIndex) goneBefore(r *record, e int32) bool {
	return e > 0 && r.gone != 0 && r.gone < x.epochs[e].seq
}
