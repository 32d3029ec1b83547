package linearizability

import (
	"cmp"
	"math"
	"slices"
)

// item2log is one key that an operation wrote, and the record that holds it.
type item2log struct {
	op    int32
	class int32 // -1: the log never had this key with this value
	rec   int32 // -1: not in the log
	// paired says that several records may be the item's, rec is one of them, and
	// least is the first of them. J2: conclusions must be drawn from least only,
	// never from rec.
	paired bool
	least  int32
	// wrong says that the operation reported an offset other than rec's.
	wrong bool
}

// match finds the record of each write. A unique value id identifies the record. If
// several writes share an id, as the deletes of a key do, a reported revision identifies
// the record, or its neighbours in a batch do. Writes that are left over are paired with
// records by the order that real time imposes, earliest deadline first. That finds a
// pairing if there is one.
func (j *judge) match() {
	j.listWrites()
	for _, o := range j.writes {
		j.matchByValue(o)
	}
	for _, o := range j.writes {
		j.matchBatchNeighbours(o)
	}
	for _, o := range j.byReturn() {
		j.matchReported(o)
	}
	j.matchShared()
	for _, o := range j.writes {
		j.noteBatch(o)
	}
	j.x.sortBatches()
	if j.h.Header.Tap != TapExact {
		j.x.steps = j.lateSteps()
	}
}

// listWrites lists all items of all writes.
func (j *judge) listWrites() {
	j.first = make([]int32, len(j.h.Ops)+1)
	add := func(i int, key, value string) {
		j.items = append(j.items, item2log{op: int32(i), class: j.x.lookup(key, value), rec: -1, least: -1})
	}
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		j.first[i] = int32(len(j.items))
		switch o.Kind {
		case OpPut:
			add(i, o.Key, o.Value)
		case OpDelete:
			add(i, o.Key, "")
		case OpBatch:
			for _, it := range o.Items {
				add(i, it.Key, it.Value)
			}
		case OpGet, OpRange, OpSync, OpWait, OpOpen, OpClose:
			continue
		}
		j.writes = append(j.writes, int32(i))
	}
	j.first[len(j.h.Ops)] = int32(len(j.items))
}

// itemsOf returns the items of a write.
func (j *judge) itemsOf(op int32) []item2log { return j.items[j.first[op]:j.first[op+1]] }

// reported returns the offset that an operation reported for its item n.
func (j *judge) reported(op int32, n int) int64 {
	o := j.op(op)
	if o.Kind == OpBatch {
		if rev := o.Items[n].Revision; rev != None {
			return rev
		}
		if o.Revision == None {
			return None
		}
		return o.Revision - int64(len(o.Items)-1-n)
	}
	return o.Revision
}

// byReturn returns the writes in the order of their returns. Those of unknown outcome
// come last. The order matters if two deletes of a key report the same offset, because it
// was used again after a loss: the one that returned first can't have written the later
// record, but the other one may have written either.
func (j *judge) byReturn() []int32 {
	all := slices.Clone(j.writes)
	slices.SortStableFunc(all, func(a, b int32) int { return cmp.Compare(j.deadline(a), j.deadline(b)) })
	return all
}

// deadline returns the event by which the record of a write is in the log, if it is at all.
func (j *judge) deadline(op int32) int64 {
	if o := j.op(op); o.Outcome == OK {
		return o.Return.Seq
	}
	return math.MaxInt64
}

// find returns the record at the offset that the operation reported for its item n, if
// the item has no record yet and can have written this one: the record must have no
// writer and must have been appended between the call and the return. Otherwise it
// returns -1.
func (j *judge) find(op int32, n int, e int32) int32 {
	it, off := &j.itemsOf(op)[n], j.reported(op, n)
	if off == None || it.rec >= 0 || it.class < 0 || j.doubtful(op, it) {
		return -1
	}
	r := j.x.at(e, off)
	if r < 0 || !j.free(op, r) || j.x.records[r].class != it.class {
		return -1
	}
	if j.tooLate(op, r) {
		return -1
	}
	return r
}

func (j *judge) free(op, r int32) bool {
	return j.x.records[r].seq > j.op(op).Call.Seq && j.x.unowned(r)
}

func (j *judge) claim(it *item2log, r int32) {
	if r >= 0 {
		it.rec = r
		j.x.records[r].op = it.op
	}
}

// matchByValue claims the records that hold the operation's unique values. If several
// records hold a value, it prefers one that is not aborted, then one appended before the acknowledgement, then one at
// the reported offset, then one that is still in the log, and then the last.
func (j *judge) matchByValue(op int32) {
	if j.op(op).Outcome == Failed {
		return
	}
	items := j.itemsOf(op)
	for n := range items {
		it := &items[n]
		if it.rec >= 0 || it.class < 0 || shared(j.x.classes[it.class].value) {
			continue
		}
		off := j.reported(op, n)
		best, rank := int32(-1), -1
		j.x.spend(len(j.x.written[it.class]))
		for _, r := range j.x.written[it.class] {
			fit := 0
			if j.x.records[r].status != aborted {
				fit += 8
			}
			if o := j.op(op); o.Outcome == OK && j.since(r) < o.Return.Seq {
				fit += 4
			}
			if j.x.records[r].off == off {
				fit += 2
			}
			if j.x.records[r].died == never {
				fit++
			}
			if j.free(op, r) && fit >= rank {
				best, rank = r, fit
			}
		}
		j.claim(it, best)
		it.wrong = best >= 0 && off != None && j.x.records[best].off != off && j.op(op).Outcome == OK
	}
}

// matchBatchNeighbours claims the remaining records of a batch by their distance from
// one that was identified already.
func (j *judge) matchBatchNeighbours(op int32) {
	items := j.itemsOf(op)
	for n := range items {
		if items[n].rec < 0 {
			continue
		}
		sure := &j.x.records[items[n].rec]
		for m := range items {
			if items[m].rec >= 0 || items[m].class < 0 {
				continue
			}
			r := j.x.at(sure.born, sure.off+int64(m-n))
			if r >= 0 && j.free(op, r) && j.x.records[r].class == items[m].class && j.x.records[r].born == sure.born {
				j.claim(&items[m], r)
			}
		}
		return
	}
}

// wrote returns the position after the last record of a write. If several records may be
// the write's, it returns the lowest such position. It returns false if a record is
// missing, or if the operation is no write.
func (j *judge) wrote(op int32) (position, bool) {
	items := j.itemsOf(op)
	if len(items) == 0 {
		return position{}, false
	}
	var p position
	for i := range items {
		if items[i].rec < 0 {
			return position{}, false
		}
		r := &j.x.records[items[i].lowest()]
		p = j.x.join(p, position{r.born, r.off + int64(len(items)-i)})
	}
	return p, true
}

// lowest returns the first record that may be the item's, or -1.
func (it *item2log) lowest() int32 {
	if it.paired {
		return it.least
	}
	return it.rec
}

// opEvent is the call or the return of an operation.
type opEvent struct {
	seq int64
	op  int32
	ret bool
}

// opEvents returns the calls and returns of all operations in order. Pending operations
// have no return.
func (j *judge) opEvents() []opEvent {
	events := make([]opEvent, 0, 2*len(j.h.Ops))
	for i := range j.h.Ops {
		o := &j.h.Ops[i]
		events = append(events, opEvent{o.Call.Seq, int32(i), false})
		if o.Outcome != Pending {
			events = append(events, opEvent{o.Return.Seq, int32(i), true})
		}
	}
	slices.SortFunc(events, func(a, b opEvent) int { return cmp.Compare(a.seq, b.seq) })
	return events
}

// noteBatch adds a batch to the index, if the log holds it whole and it is certain where. What the log
// lost of one that was sent again is a batch, too.
func (j *judge) noteBatch(op int32) {
	items := j.itemsOf(op)
	if len(j.x.epochs) > 1 && len(items) > 1 {
		n := slices.IndexFunc(items, func(it item2log) bool { return it.class >= 0 && !shared(j.x.classes[it.class].value) })
		if n >= 0 && len(j.x.written[items[n].class]) > 1 {
			for _, r := range j.x.written[items[n].class] {
				if j.x.spend(len(items)) && r != items[n].rec && j.wholeAround(items, n, r) {
					j.x.addBatch(j.x.at(j.x.records[r].born, j.x.records[r].off-int64(n)), len(items))
				}
			}
		}
	}
	certain := slices.ContainsFunc(items, func(it item2log) bool { return it.rec >= 0 && !it.paired })
	if len(items) < 2 || !certain || !j.contiguous(items) && !j.underWay(op) {
		return
	}
	j.x.addBatch(items[0].rec, len(items))
}

// uncertain reports whether the record is paired with a write, but may be another's.
func (j *judge) uncertain(r int32) bool {
	items := j.itemsOf(j.x.records[r].op)
	for n := range items {
		if items[n].rec == r {
			return items[n].paired
		}
	}
	return false
}

// underWay reports whether a batch was being noted when the history ended. The log may have lost its other
// records before.
func (j *judge) underWay(op int32) bool {
	if j.op(op).Outcome != Pending {
		return false
	}
	items := j.itemsOf(op)
	n := 1 + slices.IndexFunc(items, func(it item2log) bool { return it.rec >= 0 && j.endsWith(it.rec) })
	return n > 0 && j.contiguous(items[:n]) && !slices.ContainsFunc(items[n:], func(it item2log) bool {
		return it.rec >= 0 && !it.paired && j.x.records[it.rec].died == never
	})
}

// endsWith reports whether a record is the last that happened to the log, and the history ends before
// anything says that it has all. So it may have been interrupted there, in the middle of a batch.
func (j *judge) endsWith(rec int32) bool {
	return int(j.x.records[rec].event) == len(j.h.Log)-1 &&
		!slices.ContainsFunc(j.h.Snapshots, func(s Snapshot) bool { return s.Kind != SnapshotClient })
}

func (j *judge) contiguous(items []item2log) bool {
	for n := range items {
		if items[n].rec < 0 {
			return false
		}
		if !j.x.follows(items[0].rec, items[n].rec, n) {
			return false
		}
	}
	return true
}

// lateSteps returns the steps for a late tap. Events are noted late, so each is taken to
// have happened as early as possible: a record was not in the log before its write was
// called, nor before the records below it. A compaction or a deletion that was noted between
// two records says nothing about when the second one was appended, but a loss does.
func (j *judge) lateSteps() []step {
	steps := make([]step, 0, len(j.x.steps))
	called, missing := j.calledFirst(), j.missingAt()
	var last int64
	next := 0
	for i := range j.h.Log {
		l := &j.h.Log[i]
		if l.Kind == LogEnd {
			continue
		}
		s := j.x.steps[len(steps)]
		if at := missing[i]; at >= 0 {
			s.end = min(s.end, at)
		}
		// It is not known when a transaction ended, but which never did.
		s.lso = min(s.end, j.x.epochs[s.epoch].settled)
		switch l.Kind {
		case LogCommit, LogAbort, LogCompact, LogUncompact, LogTrim:
			s.seq = last
		case LogAppend:
			s.seq = max(last, called.before(int32(next)))
			next++
		case LogTruncate, LogRecreate, LogEnd:
		}
		last = s.seq
		steps = append(steps, s)
	}
	return steps
}

// missingAt returns, for each event of the log, the offset of the next record that is noted later, if the log
// was said to be longer before: that record was deleted from the start of the log, and is noted after that. The
// log was not that long before its write was called. It is -1 otherwise.
func (j *judge) missingAt() []int64 {
	missing := make([]int64, len(j.h.Log))
	next := int64(-1)
	for i := range slices.Backward(j.h.Log) {
		missing[i] = next
		switch l := &j.h.Log[i]; l.Kind {
		case LogAppend:
			next = l.Offset
		case LogTruncate, LogRecreate:
			next = -1
		case LogCommit, LogAbort, LogCompact, LogUncompact, LogTrim, LogEnd:
		}
	}
	return missing
}
