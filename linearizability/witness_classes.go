package linearizability

import "slices"

// A classWrites is what is known of the records of a class, and of the writes of it.
type classWrites struct {
	claimed int32 // the first record that is paired with a write, or -1
	// first has the first write that was acknowledged, the first that was not refused, and
	// the first of all, or -1.
	first [3]int32
	calls []int64 // the calls of those that were not refused, ascending
	// writers are those, and unsure the calls of those of which no record is known for certain.
	writers []int32
	unsure  []int64
	// until is the event of the last return of those, and of those called before it, or the highest number
	// if one was not acknowledged.
	until []int64
	// excess says that the log had more records of the class at some time than there had
	// been writes of it.
	excess bool
}

// writesBefore returns how many writes that were not refused were called before an event.
func (c *classWrites) writesBefore(seq int64) int {
	n, _ := slices.BinarySearch(c.calls, seq)
	return n
}

// within reports whether a record that was noted at an event may be of one of the writes that
// were not refused, of which one had been called, and one had not been acknowledged since an
// event before which the record was not there.
func (c *classWrites) within(noted, since int64) bool {
	n := c.writesBefore(noted)
	return n > 0 && since < c.until[n-1]
}

// classWritesOf has it for all classes.
type classWritesOf struct {
	all []classWrites
}

func (c *classWritesOf) of(class int32) *classWrites { return &c.all[class] }

// classes returns what is known of each class. The writes must have been paired.
func (j *judge) classes() *classWritesOf {
	if j.byClass != nil {
		return j.byClass
	}
	c := &classWritesOf{all: make([]classWrites, len(j.x.classes))}
	for i := range c.all {
		c.all[i] = classWrites{claimed: -1, first: [3]int32{-1, -1, -1}}
	}
	for n := range j.items {
		it := &j.items[n]
		if it.class < 0 {
			continue
		}
		w, outcome := c.of(it.class), j.op(it.op).Outcome
		if outcome == OK && w.first[0] < 0 {
			w.first[0] = it.op
		}
		if outcome != Failed && w.first[1] < 0 {
			w.first[1] = it.op
		}
		if w.first[2] < 0 {
			w.first[2] = it.op
		}
		if outcome != Failed {
			w.calls, w.writers = append(w.calls, j.op(it.op).Call.Seq), append(w.writers, it.op)
			if it.rec < 0 || it.paired {
				w.unsure = append(w.unsure, j.op(it.op).Call.Seq)
			}
			until := j.deadline(it.op)
			if n := len(w.until); n > 0 {
				until = max(until, w.until[n-1])
			}
			w.until = append(w.until, until)
		}
	}
	for r := range j.x.records {
		rec := &j.x.records[r]
		if rec.class >= 0 && rec.op >= 0 && c.of(rec.class).claimed < 0 {
			c.of(rec.class).claimed = int32(r)
		}
	}
	for r, n := range j.heldAtAppend() {
		if rec := &j.x.records[r]; rec.class >= 0 && !j.x.try(rec) && int(n) > c.of(rec.class).writesBefore(rec.seq) {
			c.of(rec.class).excess = true
		}
	}
	j.byClass = c
	return c
}

// heldAtAppend returns, for each record, how many records of its class the log had when it
// was appended, itself included, without foreign ones.
func (j *judge) heldAtAppend() []int32 {
	held := make([]int32, len(j.x.records))
	if len(j.x.epochs) == 1 {
		return held // nobody asks
	}
	now := make([]int32, len(j.x.classes))
	count := func(r, by int32) {
		if rec := &j.x.records[r]; rec.class >= 0 && !j.h.Log[rec.event].Foreign && !j.x.try(rec) {
			now[rec.class] += by
		}
	}
	next := int32(0)
	for e := range j.x.epochs {
		for _, r := range j.x.epochs[e].lost {
			count(r, -1)
		}
		for ; int(next) < len(held) && j.x.records[next].born == int32(e); next++ {
			count(next, 1)
			if c := j.x.records[next].class; c >= 0 {
				held[next] = now[c]
			}
		}
	}
	return held
}

// calledFirst are the calls of the writes of each class, to be gone through record by record.
type calledFirst struct {
	*judge

	seen []int32 // by class: how many records have been asked for
}

func (j *judge) calledFirst() *calledFirst {
	return &calledFirst{j, make([]int32, len(j.x.classes))}
}

// before returns an event before which a record was not in the log. If several writes may have
// written it, only how many of them had been called by then says something: the log has each
// once, unless it lost something.
func (c *calledFirst) before(r int32) int64 {
	rec := &c.x.records[r]
	if rec.class < 0 || c.h.Log[rec.event].Foreign || c.x.try(rec) {
		return 0
	}
	if rec.op >= 0 && !c.uncertain(r) {
		return c.op(rec.op).Call.Seq
	}
	n := int(c.seen[rec.class])
	c.seen[rec.class]++
	calls := c.classes().of(rec.class).unsure // each has one record
	if len(c.x.epochs) > 1 {
		n, calls = 0, c.classes().of(rec.class).calls
	}
	if n >= len(calls) {
		return 0 // which is reported
	}
	return calls[n]
}
