package linearizability

import "math"

// A read is what one get, range or snapshot returned, as a question to the log:
// at which position was this its state?
type read struct {
	seq     int64 // the event of the return
	proc    *process
	pos     int64 // the position that was reported afterwards, or None
	targets []target
	batches bool // positions inside of a batch are no answer
	// firm is a position below which the process must have seen every
	// record, even one that compaction removed before it came to it.
	firm position
	// base is the offset from which on the process applied the log, one of
	// all that there can be.
	base int64
	all  []int64
}

// A target is what a read says about one key: the class of the value, which for
// no value is that of the tombstone.
type target struct {
	key   int32
	class int32 // -1: the log never had that value for the key
	none  bool  // no value
	off   int64 // the reported revision, or None
}

// is reports whether a record is what the target says, in its own epochs.
func (t *target) is(r *record) bool {
	return r.class == t.class && (t.off == None || t.off == r.off)
}

// target returns what an operation says about a key. A revision at which the
// log never had the value is left out; it is judged by itself.
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

// least returns the lowest position that satisfies the bound and explains the
// read, or false. J1: it is the answer that leaves later reads the most freedom; a
// later read that can be explained after any other answer can be after this.
func (x *logIndex) least(r *read, from position, limit func(e int32) int64) (position, bool) {
	for e := from.epoch; e <= x.current(r.seq); e++ {
		lo, hi := x.in(from, e), limit(e)
		if q := x.leastOf(r, e, lo, hi); q <= hi {
			return position{e, q}, true
		}
	}
	return position{}, false
}

// leastOf returns the lowest position in an epoch, from wherever the process can
// have applied the log, or one above hi.
func (x *logIndex) leastOf(r *read, e int32, lo, hi int64) int64 {
	if len(x.trims) == 0 {
		return x.leastIn(r, e, lo, hi)
	}
	q := beyond
	r.all = x.bases(r.all[:0], r.proc, r.seq, e)
	for _, r.base = range r.all {
		// One that has reread the log has come to its start at least.
		q = min(q, x.leastIn(r, e, max(lo, r.base), hi))
	}
	r.base = 0
	return q
}

// leastIn returns the lowest position in an epoch, or one above hi.
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
			if n := x.batchEnd(e, q); n != q && q != r.base { // what is left of a batch begins the log
				q, again = n, true
			}
		}
	}
	return q
}

// leastFor returns the lowest position from lo on at which the target holds, or
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

// only returns the record of the list that is at an offset.
func (x *logIndex) only(list []int32, off int64) []int32 {
	if i := x.search(list, off); i < len(list) && x.records[list[i]].off == off {
		return list[i : i+1]
	}
	return nil
}

// overlooked reports whether a process that has applied the versions may hold
// an older one of the target's class, because it never saw those after it:
// they were removed from the log first.
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

// firm returns the position of the bounds that promise a write to be visible.
// J8: a reader that lags while compaction removes records may never see them, and
// that is not its fault, but it must not claim then that it has caught up.
func (x *logIndex) firm(b *bounds) position {
	return x.join(x.join(b[causeOwn].pos, b[causeBarrier].pos), b[causeWait].pos)
}

// unlimited lets a read be explained by all that the log ever had.
func unlimited(int32) int64 { return beyond - 1 }
