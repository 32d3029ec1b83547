package linearizability

import (
	"math"
	"sort"
)

// A read is the result of one get, range or snapshot, as a question to the log: at
// which position was this the log's state?
type read struct {
	seq     int64 // the event of the return
	proc    *process
	pos     int64 // the position that the client reported afterwards, or None
	targets []target
	batches bool // positions inside a batch do not count
	// firm is a position below which the process must have seen every record, even
	// one that compaction removed before the process got there.
	firm position
	// base is the offset at which the process started to apply the log; one of the
	// candidates.
	base int64
}

// A target is what a read says about one key: the class of its value. If there was no
// value, that is the class of the key's tombstones.
type target struct {
	key   int32
	class int32 // -1: the log never had that value for the key
	none  bool  // no value
	off   int64 // the revision that the read reported, or None
}

// is reports whether the record agrees with the target.
func (t *target) is(r *record) bool {
	return r.class == t.class && (t.off == None || t.off == r.off)
}

// target returns what an operation says about a key. It leaves out a revision at which
// the log never had the value, since that is judged separately.
func (j *judge) target(key, value string, rev int64, seq int64) target {
	t := target{key: -1, class: -1, none: value == "", off: None}
	k, ok := j.x.keyID[key]
	if !ok {
		return t
	}
	t.key = k
	t.class = j.x.lookup(key, value)
	if rev != None && t.class >= 0 && j.x.hadAt(t.class, rev, seq) {
		t.off = rev
	}
	return t
}

// hadAt reports whether the log had a record of a class at an offset, up to the epoch of an
// event.
func (x *logIndex) hadAt(class int32, off, seq int64) bool {
	if len(x.epochs) == 1 {
		r := x.at(0, off)
		return r >= 0 && x.records[r].class == class
	}
	recs := x.placed(class, off)
	return len(recs) > 0 && x.records[recs[0]].born <= x.current(seq)
}

const beyond = int64(math.MaxInt64)

// least returns the lowest position that satisfies the bound and explains the read, or
// false if there is none. J1: the lowest position leaves later reads the most freedom. If
// a later read can be explained after choosing any other, it can be after choosing this.
func (x *logIndex) least(r *read, from position, limit func(e int32) int64) (position, bool) {
	last := x.current(r.seq)
	for e := from.epoch; e <= last && x.spend(1); e++ {
		lo, hi := x.in(from, e), limit(e)
		if q := x.leastOf(r, e, lo, hi); q <= hi {
			return position{e, x.lowered(r, from, position{e, q}, limit)}, true
		}
		if lo <= hi {
			e = x.unchanged(r, e)
		}
	}
	return position{}, false
}

// lowered lowers a position that explains a read, if a later epoch explains it at an offset
// that the position rules out there. Then neither of the two is the lower one: the first is
// wrong if the process has reread the log, and the second if it has not. The result is the
// highest offset that both are at or above, in the epoch of the first.
//
// For example, a process is at 1 of the log [a=1 b=1 c=1 a=-], which then loses its last record
// and begins at 2. That a has no value is so at 4 of the old log, which is 3 of the new one, and
// also at 2 of the new one, for a process that begins there.
//
// This can only be when records were deleted or removed: else the later epoch has below the
// cut what the first one has.
func (x *logIndex) lowered(r *read, from, found position, limit func(e int32) int64) int64 {
	low := found.off
	if len(x.trims) == 0 && !x.removed {
		return low
	}
	last := x.current(r.seq)
	for e := found.epoch + 1; e <= last && x.spend(1); e++ {
		if lo, hi := x.in(from, e), min(limit(e), x.in(position{found.epoch, low}, e)-1); lo <= hi {
			if q := x.leastOf(r, e, lo, hi); q <= hi {
				low = q
			}
		}
	}
	return low
}

// leastOf returns the lowest position in an epoch that explains the read, starting to
// apply the log wherever the process may have started. It returns more than hi if there
// is none.
func (x *logIndex) leastOf(r *read, e int32, lo, hi int64) int64 {
	if len(x.trims) == 0 {
		return x.leastIn(r, e, lo, hi)
	}
	q := beyond
	for _, r.base = range x.basesFor(r, e, lo) {
		// A process that has reread the log is at its start at least.
		q = min(q, x.leastIn(r, e, max(lo, r.base), hi))
	}
	r.base = 0
	return q
}

// unchanged returns the last epoch, from e on, that says no more about a read of one key than
// e does: the records of the key are the same. If no position of e explains it, none of these
// epochs does, because what they lost and got is of other keys.
func (x *logIndex) unchanged(r *read, e int32) int32 {
	if len(r.targets) != 1 || x.removed || len(x.trims) > 0 {
		return e
	}
	k := r.targets[0].key
	if k < 0 {
		return int32(len(x.epochs))
	}
	v := x.versions[k].versions
	i := sort.Search(len(v), func(i int) bool { return v[i].epoch > e })
	if i == len(v) {
		return int32(len(x.epochs))
	}
	return v[i].epoch - 1
}

// leastIn is leastOf for one start, r.base.
func (x *logIndex) leastIn(r *read, e int32, lo, hi int64) int64 {
	q := lo
	for again := true; again && q <= hi; {
		if !x.spend(len(r.targets)) {
			return beyond
		}
		again = false
		for i := range r.targets {
			if n := x.leastFor(r, &r.targets[i], e, q); n != q {
				if q = n; q > hi {
					return q
				}
				again = len(r.targets) > 1 || r.batches
			}
		}
		if r.batches {
			if n := x.batchEnd(e, q); n != q && q != r.base { // at base, the log may start inside a batch
				q, again = n, true
			}
		}
	}
	return q
}

// leastFor returns the lowest position, not below lo, at which the target holds, or
// beyond if there is none.
func (x *logIndex) leastFor(r *read, t *target, e int32, lo int64) int64 {
	if t.key < 0 {
		if t.none {
			return lo // the log never had the key
		}
		return beyond
	}
	versions := x.versions.in(e, t.key)
	if r.base > 0 {
		versions = versions.part(x.search(versions, r.base), versions.len())
	}
	i := x.search(versions, lo) // versions before i are applied at lo
	if i > 0 && t.is(&x.records[versions.at(i-1)]) {
		return lo
	}
	if i == 0 && t.none && t.off == None {
		return lo
	}
	if x.removed && x.overlooked(r, t, e, versions.part(0, i)) {
		return lo
	}
	if t.class < 0 {
		return beyond
	}
	held := x.byClass.in(e, t.class)
	if t.off != None {
		held = x.only(held, t.off)
	}
	if k := x.search(held, lo); k < held.len() {
		return x.records[held.at(k)].off + 1
	}
	return beyond
}

// only returns the part of the list that is at the offset: one record or none.
func (x *logIndex) only(l list, off int64) list {
	if i := x.search(l, off); i < l.len() && x.records[l.at(i)].off == off {
		return l.part(i, i+1)
	}
	return list{}
}

// overlooked reports whether a process that has passed all the versions may still hold
// an older one, of the target's class. That is so if the newer ones were removed from
// the log before the process could see them.
func (x *logIndex) overlooked(r *read, t *target, e int32, versions list) bool {
	for i := versions.len() - 1; i >= 0 && x.spend(1); i-- {
		rec := &x.records[versions.at(i)]
		if t.is(rec) {
			return true
		}
		if !x.missable(r.proc, rec, r.seq, e, x.in(r.firm, e)) {
			return false
		}
	}
	return t.none && t.off == None
}

// firm returns the position that the bounds claim to have reached: those that promise
// that a write is visible. J8: a reader that lags while compaction removes records may
// never see them. That is not its fault, but then it must not claim to have caught up.
func (x *logIndex) firm(b *bounds) position {
	var all position
	for _, c := range [...]cause{causeOwn, causeBarrier, causeWait, causeOpen} {
		all = x.join(all, b[c].pos)
	}
	return all
}

// unlimited is a limit for least: a read may be explained by anything that was ever in
// the log.
func unlimited(int32) int64 { return beyond - 1 }
