package linearizability

import (
	"cmp"
	"slices"
)

// began reports whether a process of which no hook has fired may have begun to read above an offset
// of an epoch's log, at most at upto, so that it has no hook for what is below. That is where the
// log began when the process opened, or, if it does not say when it rereads the log, where the log
// began later.
//
// For example, the log [a=1 b=1 c=1] is deleted below 2. A process that had read nothing by then
// may go on with c=1. If its first hook is that of b=1, it has not, and owes the one of a=1.
//
// With a late tap, it is not known when records were deleted, but the log had them before.
func (f *hookFollower) began(e int32, above, upto, seq int64) bool {
	if f.log.reported {
		seq = min(f.until, seq)
	}
	return slices.ContainsFunc(f.startsAfter(e, seq), func(base int64) bool { return above < base && base <= upto })
}

// startsAfter returns the offsets at which an epoch's log may have begun by an event, after records
// were deleted.
func (f *hookFollower) startsAfter(e int32, seq int64) (all []int64) {
	e = min(e, f.x.current(seq))
	end := f.x.reach(e, seq).end
	f.x.spend(len(f.x.trims))
	for _, t := range f.x.trims {
		te := f.x.current(t.seq)
		if te > e {
			break
		}
		if base := f.x.in(position{te, t.off}, e); t.seq <= seq || f.late && base <= end {
			all = append(all, base)
		}
	}
	return all
}

// addDeleted adds where a process is that has begun to reread the log once more, if it did because
// records were deleted up to just where it was then. All that a leader knows of an epoch that ended
// there or below is just that. So the process takes that for the end of what is left, though more is:
//
//	log before     a=1 b=1 c=1
//	log            a=1 b=1         c=1 is lost. It rereads the log, and is at b=1
//	log                b=1         when a=1 is deleted
//	hooks          delete a, delete b, delete c, and then b=1
//
// After an absence it is still known where it was before.
func (f *hookFollower) addDeleted(all []place, p *place) []place {
	a := p.again
	if !a.lossy {
		return all
	}
	var ends []int64
	least, _ := f.left(a.had, f.x.current(a.seq))
	if f.late {
		least = a.had.low
		for i := range f.x.trims {
			ends = append(ends, f.x.trims[i].off)
		}
		f.x.spend(len(ends))
	} else if i, _ := slices.BinarySearchFunc(f.x.trims, a.seq, func(t trim, seq int64) int { return cmp.Compare(t.seq, seq) }); i > 0 && f.x.trims[i-1].seq > a.told {
		ends = append(ends, f.x.trims[i-1].off) // it begins there, whichever of them it was
	}
	slices.Sort(ends)
	ends = slices.Compact(slices.DeleteFunc(ends, func(end int64) bool { return end >= least }))
	if len(ends) > mostBegins {
		return add(all, p.endingAt(ends[0], ends[len(ends)-1]))
	}
	for _, end := range ends {
		all = add(all, p.endingAt(end, end))
	}
	return all
}

// endingAt returns a process that rereads the log, of which less is left than it had read: that up to
// an offset between two.
func (p *place) endingAt(low, high int64) place {
	q, a := *p, *p.again
	a.had = extent{a.had.epoch, low, high}
	a.alsoHad, a.few, a.known = a.had, nil, nil
	q.at, q.again = low, &a
	return q
}
