package linearizability

import "math"

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
	all  []int64
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
	if rev != None && t.class >= 0 {
		for e := j.x.current(seq); e >= 0 && t.off == None; e-- {
			if r := j.x.at(e, rev); r >= 0 && j.x.records[r].class == t.class {
				t.off = rev
			}
		}
	}
	return t
}

const beyond = int64(math.MaxInt64)

// least returns the lowest position that satisfies the bound and explains the read, or
// false if there is none. J1: the lowest position leaves later reads the most freedom. If
// a later read can be explained after choosing any other, it can be after choosing this.
func (x *logIndex) least(r *read, from position, limit func(e int32) int64) (position, bool) {
	for e := from.epoch; e <= x.current(r.seq); e++ {
		lo, hi := x.in(from, e), limit(e)
		if q := x.leastOf(r, e, lo, hi); q <= hi {
			return position{e, q}, true
		}
	}
	return position{}, false
}

// leastOf returns the lowest position in an epoch that explains the read, starting to
// apply the log wherever the process may have started. It returns more than hi if there
// is none.
func (x *logIndex) leastOf(r *read, e int32, lo, hi int64) int64 {
	if len(x.trims) == 0 {
		return x.leastIn(r, e, lo, hi)
	}
	q := beyond
	r.all = x.bases(r.all[:0], r.proc, r.seq, e)
	for _, r.base = range r.all {
		// A process that has reread the log is at its start at least.
		q = min(q, x.leastIn(r, e, max(lo, r.base), hi))
	}
	r.base = 0
	return q
}

// leastIn is leastOf for one start, r.base.
func (x *logIndex) leastIn(r *read, e int32, lo, hi int64) int64 {
	q := lo
	for again := true; again && q <= hi; {
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
	versions := x.versions[e][t.key]
	if r.base > 0 {
		versions = versions[x.search(versions, r.base):]
	}
	i := x.search(versions, lo) // versions before i are applied at lo
	var held []int32
	if t.class >= 0 {
		held = x.byClass[e][t.class]
	}
	if t.off != None {
		held = x.only(held, t.off)
	}
	if i > 0 && t.is(&x.records[versions[i-1]]) {
		return lo
	}
	if i == 0 && t.none && t.off == None {
		return lo
	}
	if x.removed && x.overlooked(r, t, e, versions[:i]) {
		return lo
	}
	if k := x.search(held, lo); k < len(held) {
		return x.records[held[k]].off + 1
	}
	return beyond
}

// only returns the part of the list that is at the offset: one record or none.
func (x *logIndex) only(list []int32, off int64) []int32 {
	if i := x.search(list, off); i < len(list) && x.records[list[i]].off == off {
		return list[i : i+1]
	}
	return nil
}

// overlooked reports whether a process that has passed all the versions may still hold
// an older one, of the target's class. That is so if the newer ones were removed from
// the log before the process could see them.
func (x *logIndex) overlooked(r *read, t *target, e int32, versions []int32) bool {
	for i := len(versions) - 1; i >= 0; i-- {
		rec := &x.records[versions[i]]
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
	return x.join(x.join(b[causeOwn].pos, b[causeBarrier].pos), b[causeWait].pos)
}

// unlimited is a limit for least: a read may be explained by anything that was ever in
// the log.
func unlimited(int32) int64 { return beyond - 1 }
