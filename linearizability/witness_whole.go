package linearizability

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A wholeSearch looks for an assignment of the records that are left to the writes that
// are left, in which each batch gets its records one after the other or none. The pairing
// by real time, which follows, looks at each class by itself and can't see that.
//
// Among single writes of a class there is never a choice: the one with the earliest
// deadline goes first, and those of unknown outcome last. So it tries only which batch to
// place, and where.
type wholeSearch struct {
	*judge

	left    []int32           // the records
	singles map[int32][]int32 // by class: operations that write one key, by deadline
	batches map[int32][]int32 // by class of the first item
	bounds  []opBounds
	last    map[int32]int32   // by operation: the first of the records that it was given last
	claimed map[int32][]int32 // by class: operations with records that are known
	several bool              // the log lost something, so a write may be in it again
	must    int               // acknowledged writes that have no records yet
	steps   int
	deepest int // the index of the first record that none explained
}

// wholeSteps bounds the search, beyond a few steps for each record. Without a bound it
// could take exponential time. If it is reached, only each class is judged by itself.
const wholeSteps = 20_000

// whole returns -1 if there may be such an assignment, or else a record that none explains. After
// a loss a write may be in the log again: then more than one single write is tried, and records
// are left out that may be the ones that the log lost of a write whose records are known.
func (j *judge) whole(bounds []opBounds) (torn int32) {
	s := &wholeSearch{judge: j, bounds: bounds, singles: map[int32][]int32{}, batches: map[int32][]int32{}, last: map[int32]int32{}, claimed: map[int32][]int32{}, several: len(j.x.epochs) > 1}
	if !s.collect() {
		return -1
	}
	s.steps = wholeSteps + 8*len(s.left)
	if s.place(0) || s.steps <= 0 {
		return -1
	}
	return s.left[min(s.deepest, len(s.left)-1)]
}

// collect lists the writes and the records that are left. It returns false if there is no
// batch among them.
func (s *wholeSearch) collect() bool {
	found := false
	for _, op := range s.writes {
		items := s.itemsOf(op)
		o := s.op(op)
		if len(items) == 0 || o.Outcome == Failed {
			continue
		}
		batch := len(items) > 1
		if slices.ContainsFunc(items, func(it item2log) bool { return it.rec >= 0 }) {
			found = found || batch && s.several
			s.known(op, items)
			continue
		}
		found = found || batch
		absent := func(it item2log) bool { return it.class < 0 || !shared(s.x.classes[it.class].value) }
		if slices.ContainsFunc(items, absent) && (o.Outcome != Pending || absent(items[0])) {
			continue // it is not in the log, not even at the end in part
		}
		if o.Outcome == OK {
			s.must++
		}
		if c := items[0].class; batch {
			s.batches[c] = append(s.batches[c], op)
		} else {
			s.singles[c] = append(s.singles[c], op)
		}
	}
	if !found {
		return false
	}
	for _, ops := range s.singles {
		slices.SortStableFunc(ops, func(a, b int32) int {
			return cmp.Or(cmp.Compare(s.deadline(a), s.deadline(b)), s.optional(a)-s.optional(b))
		})
	}
	for r := range s.x.records {
		rec := &s.x.records[r]
		if rec.class >= 0 && s.x.unowned(int32(r)) && shared(s.x.classes[rec.class].value) {
			s.left = append(s.left, int32(r))
		}
	}
	return len(s.left) > 0
}

// optional returns 0 for a write that must be in the log, and 1 for one that may be.
func (s *wholeSearch) optional(op int32) int {
	if s.op(op).Outcome == OK {
		return 0
	}
	return 1
}

// deadline returns the event or, with a late tap, the offset before which the record of a
// write must be.
func (s *wholeSearch) deadline(op int32) int64 {
	switch {
	case s.op(op).Outcome != OK:
		return math.MaxInt64
	case s.h.Header.Tap == TapExact:
		return s.op(op).Return.Seq
	}
	return s.bounds[op].before
}

// known notes a write whose records are known.
func (s *wholeSearch) known(op int32, items []item2log) {
	if !s.several {
		return
	}
	for n := range items {
		if c := items[n].class; c >= 0 && (n == 0 || c != items[n-1].class) {
			s.claimed[c] = append(s.claimed[c], op)
		}
	}
}

// fits reports whether a record can be of a write.
func (s *wholeSearch) fits(op, r int32) bool {
	s.steps--
	rec := &s.x.records[r]
	before, used := s.last[op]
	if used && s.x.records[before].died > rec.born || rec.seq < s.op(op).Call.Seq {
		return false
	}
	if after := s.bounds[op].after; after.epoch == rec.born && rec.off < after.off {
		return false
	}
	if s.several || s.h.Header.Tap == TapExact {
		return s.op(op).Outcome != OK || s.since(r) < s.op(op).Return.Seq
	}
	return rec.off < s.deadline(op)
}

// tried reports whether a record may be one that the log lost of a write whose records are known.
func (s *wholeSearch) tried(r int32) bool {
	rec := &s.x.records[r]
	for _, op := range s.claimed[rec.class] {
		items := s.itemsOf(op)
		for n := range items {
			if items[n].class == rec.class && s.fits(op, r) && s.attempt(items, n, r) {
				return true
			}
		}
	}
	return false
}

// attempt reports whether the log had all records of a write around the one of item n, at a
// time when it had not those that are known.
func (s *wholeSearch) attempt(items []item2log, n int, given int32) bool {
	rec := &s.x.records[given]
	for m := range items {
		s.steps--
		r := s.x.at(rec.born, rec.off+int64(m-n))
		if r < 0 || s.x.records[r].class != items[m].class || !s.x.follows(given, r, m-n) {
			return false
		}
		if known := items[m].rec; known >= 0 && s.overlap(&s.x.records[known], rec) {
			return false
		}
	}
	return true
}

// place assigns the records from index i on.
func (s *wholeSearch) place(i int) bool {
	s.deepest = max(s.deepest, i)
	if i == len(s.left) {
		return s.must == 0
	}
	if s.steps <= 0 {
		return false
	}
	r := s.left[i]
	class := s.x.records[r].class
	for _, op := range s.singles[class] {
		if s.fits(op, r) {
			if s.with(op, i, i+1) {
				return true
			}
			if !s.several {
				break
			}
		}
	}
	for _, op := range s.batches[class] {
		n := len(s.itemsOf(op))
		if s.holds(op, i, n) && s.with(op, i, i+n) {
			return true
		}
		if s.endsInside(op, i) {
			return true
		}
	}
	for _, op := range s.claimed[class] {
		if known := s.itemsOf(op)[0].rec; (known < 0 || !s.overlap(&s.x.records[known], &s.x.records[r])) && s.endsInside(op, i) {
			return true
		}
	}
	return s.several && s.tried(r) && s.place(i+1)
}

// endsInside reports whether the records from index i on are the first ones of a batch that was being
// noted when the history ended.
func (s *wholeSearch) endsInside(op int32, i int) bool {
	n := len(s.left) - i
	return s.must == 0 && n < len(s.itemsOf(op)) && s.op(op).Outcome == Pending && s.endsWith(s.left[i+n-1]) && s.holds(op, i, n)
}

// holds reports whether the records from index i on are the first n of a batch.
func (s *wholeSearch) holds(op int32, i, n int) bool {
	items := s.itemsOf(op)
	if i+n > len(s.left) {
		return false
	}
	for n := range items[:n] {
		rec := &s.x.records[s.left[i+n]]
		if rec.class != items[n].class || !s.x.follows(s.left[i], s.left[i+n], n) || !s.fits(op, s.left[i+n]) {
			return false
		}
	}
	return true
}

// with gives a write the records from index i on up to another one, and goes on.
func (s *wholeSearch) with(op int32, i, next int) bool {
	before, again := s.last[op]
	must := 0
	if s.op(op).Outcome == OK && !again {
		must = 1
	}
	s.last[op] = s.left[i]
	s.must -= must
	if s.place(next) {
		return true
	}
	if s.must += must; again {
		s.last[op] = before
	} else {
		delete(s.last, op)
	}
	return false
}

// checkWhole reports that no assignment of records to writes keeps the batches whole,
// unless something else is wrong with the writes anyway.
func (j *judge) checkWhole() {
	if j.torn < 0 || j.found > 0 {
		return
	}
	rec := &j.x.records[j.torn]
	key := j.x.keys[rec.key]
	v := &Violation{Check: CheckBatchInLog, Key: key, From: j.h.Log[rec.event].Stamp, To: j.h.Log[rec.event].Stamp}
	for _, op := range j.writes {
		if o := j.op(op); o.Kind == OpBatch && o.Outcome != Failed && slices.ContainsFunc(o.Items, func(it Item) bool { return it.Key == key }) && len(v.Ops) < 3 {
			v.Ops, v.Evidence = append(v.Ops, o.ID), append(v.Evidence, o.String())
		}
	}
	v.Reason = fmt.Sprintf("no assignment of the records to the writes keeps each batch whole and in its order: the record at offset %d is of none that fits", rec.off)
	j.violate(j.with(v, j.torn))
}
