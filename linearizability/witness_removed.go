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

// bases appends to buf the offsets at which a process may have started to apply the log of
// epoch e, as of event seq. 0 means that it applied all of it. Records may be deleted from
// the start of the log (DeleteRecords, retention). A process that had applied them keeps
// their effect. One that had not, or that has to reread the log, starts at the first record
// that is left, and has nothing from the ones before.
//
// For example, the log [a=1 a=2 b=1 c=1] is deleted below offset 3 while a client is at
// position 1. If it had fetched a=2 and b=1 before, it may apply them. If not, it must empty
// its state, and then has c=1 only. No log explains a state of a=1 and c=1.
func (x *logIndex) bases(buf []int64, p *process, seq int64, e int32) []int64 {
	buf = append(buf, 0)
	late := x.h.Header.Tap != TapExact
	for _, t := range x.trims {
		te := x.current(t.seq)
		if te > e || t.seq > seq && !late {
			continue
		}
		base := x.in(position{te, t.off}, e) // the log may have been recreated since
		switch {
		case t.seq < p.opened && !late: // records were deleted before it opened
			buf = append(buf[:0], base)
		case slices.Contains(buf, base):
		// After the loss of a tail, a process may reread the log at any time,
		// however far it had got. So may one that reported a rebuild.
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
		return slices.ContainsFunc(away, missed)
	}
	return missed(absence{r.gone, 0})
}

// deleted reports whether a process may never have seen a record, because it was deleted
// from the start of the log.
func (x *logIndex) deleted(p *process, r *record, seq int64, e int32) bool {
	return len(x.trims) > 0 && slices.ContainsFunc(x.bases(nil, p, seq, e), func(base int64) bool { return r.off < base })
}

// goneBefore reports whether compaction removed a record before epoch e. If the record that
// superseded it was then lost with the log's tail, the key is lost, and processes that have
// to reread the log never see the record.
func (x *logIndex) goneBefore(r *record, e int32) bool {
	return e > 0 && r.gone != 0 && r.gone < x.epochs[e].seq
}
