package linearizability

import "slices"

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
