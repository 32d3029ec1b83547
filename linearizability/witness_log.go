package linearizability

import (
	"math"
	"slices"
	"sort"
)

// never is the value of died for a record that was not lost.
const never = math.MaxInt32

// A record is one record of the log, and what happened to it.
type record struct {
	off    int64
	seq    int64 // of the append
	key    int32 // index in logIndex.keys, -1 without a key
	class  int32 // index in logIndex.classes, -1 without a key
	event  int32 // index in History.Log
	op     int32 // index in History.Ops of the write, -1 if not known
	born   int32 // the epoch in which it was appended
	died   int32 // the first epoch in which it is gone, or never
	gone   int64 // the event at which compaction removed it first, 0 if none did
	status txnStatus
}

// txnStatus says whether the transaction of a record has ended.
type txnStatus uint8

const (
	committed txnStatus = iota // or outside a transaction
	aborted
	undecided
)

// An epoch is the time between two losses of the log's tail. The log of an epoch is a
// timeline: the part of the previous epoch's timeline below cut, and what was appended
// since.
type epoch struct {
	seq int64 // the event that starts the epoch
	cut int64 // the end of what it keeps of the previous epoch
	end int64 // the end of the log when the epoch ended
	// settled is how far readers of the epoch's log ever got: transactions that never ended hide
	// what follows. hiding are those that were open when the epoch ended.
	settled int64
	hiding  []*txnStart
	// farthest is the highest settled of it and all earlier epochs.
	farthest int64
	// lost are the records that the log lost when the epoch began.
	lost []int32
	// highest is the highest end of an earlier epoch.
	highest int64
}

// A class is a key together with one of its value ids, or with "" for no value.
type class struct {
	key   int32
	value string
}

// A step says how far readers can get from event seq on, up to the next step.
type step struct {
	seq   int64
	epoch int32
	end   int64 // the end of the log
	lso   int64 // the last stable offset: end, or the first offset of an open transaction
}

// A trim is a deletion from the start of the log, up to off.
type trim struct {
	seq, off int64
	highest  int64 // the highest off of it and all later ones
}

// An absence is the time between two events in which a record was not in the log. to is 0 if it
// did not come back.
type absence struct{ from, to int64 }

// A logIndex answers questions about the log's state at a position.
//
// Invariant: each list of an epoch's records is ascending by offset, and holds the
// records with born <= epoch < died. Trims is ascending by seq.
type logIndex struct {
	h       *History
	records []record
	epochs  []epoch
	steps   []step
	settled int64 // how far readers can get in the end
	trims   []trim
	removed bool // compaction removed something
	// away has the times at which records that came back were not in the log, by the event of their
	// append.
	away map[int64][]absence

	keys     []string
	keyID    map[string]int32
	classes  []class
	classID  map[class]int32
	sorted   []int32   // keys sorted by name
	none     []int32   // by key: the class of its tombstones, or -1
	written  [][]int32 // by class: all records, in the order in which they were appended
	timeline lists     // one group: all records
	versions lists     // by key: the visible records
	byClass  lists     // by class: the visible records
	batches  lists     // one group: the first records of batches
	batchLen []int32   // by record: the number of records of the batch that it is the first of
	cuts     lowest
	losses   []int64 // the events at which the log lost something
	lossy    []int64 // those at which it lost records of its tail, or became a new log
	rebuilds map[processID][]int64
	// places has all records with a key by class, and those of a class by offset; classAt
	// has where the records of each class begin. They are built when needed.
	places, classAt []int32

	// lateBases and few are what bases and basesFor answered last; lateEpoch is the epoch.
	lateBases, few []int64
	lateEpoch      int32

	budgetLeft int64 // see spend
}

// spend takes n steps from the bound of the log witness, Options.WitnessSteps. It returns
// false if there are not as many left. What is concluded then is not to be used.
func (x *logIndex) spend(n int) bool {
	x.budgetLeft -= int64(n)
	return x.budgetLeft >= 0
}

// spent reports whether the bound has been reached.
func (x *logIndex) spent() bool { return x.budgetLeft < 0 }

// lossesBetween returns how many times the log lost something between two events.
func (x *logIndex) lossesBetween(from, to int64) int {
	i := sort.Search(len(x.losses), func(i int) bool { return x.losses[i] > from })
	k, _ := slices.BinarySearch(x.losses, to)
	return max(0, k-i)
}

// newLogIndex builds the index of the history's log, in O(n log n). The checks may take as
// many steps as given.
func newLogIndex(h *History, steps int64) *logIndex {
	x := &logIndex{h: h, budgetLeft: steps, rebuilds: map[processID][]int64{}, keyID: map[string]int32{}, classID: make(map[class]int32, len(h.Log))}
	x.records = make([]record, 0, len(h.Log))
	x.epochs = []epoch{{}}
	open := &openTxns{of: map[string]*txnStart{}}
	byTxn, ended := map[string][]int32{}, map[string]LogKind{}
	var start, end int64
	var alive []int32 // the records of the current timeline
	for i := range h.Rebuilds {
		id := processID{h.Rebuilds[i].Client, h.Rebuilds[i].Process}
		x.rebuilds[id] = append(x.rebuilds[id], h.Rebuilds[i].Seq)
	}
	for i := range h.Log {
		l := &h.Log[i]
		if l.Kind.loses() {
			x.losses = append(x.losses, l.Seq)
		}
		switch l.Kind {
		case LogAppend:
			x.append(l, int32(i))
			n := int32(len(x.records) - 1)
			alive = append(alive, n)
			end = max(end, l.Offset+1)
			if l.Txn != "" {
				x.within(l, n, open, byTxn, ended)
			}
		case LogCommit, LogAbort:
			x.decide(byTxn[l.Txn], l.Kind)
			open.end(l.Txn)
			ended[l.Txn] = l.Kind
		case LogTruncate, LogRecreate:
			cut := l.Offset
			if l.Kind == LogRecreate {
				cut = 0
			}
			alive = x.lose(alive, l, cut, end, open.all())
			start, end = min(start, cut), min(end, cut)
			open.lose(cut)
		case LogTrim:
			start, end = x.trim(l, start, end, open)
		case LogCompact:
			x.compact(alive, l)
		case LogUncompact:
			x.uncompact(alive, l)
		case LogEnd:
			continue
		}
		x.steps = append(x.steps, step{l.Seq, int32(len(x.epochs) - 1), end, open.stable(end)})
	}
	x.epochs[len(x.epochs)-1].end = end
	x.settled = open.stable(end)
	x.noteSettled()
	x.cuts = newLowest(x.epochs)
	x.noteHighest()
	x.sort()
	return x
}

// noteSettled notes how far readers got in each epoch.
func (x *logIndex) noteSettled() {
	for e := range x.epochs {
		p := &x.epochs[e]
		p.settled = p.end
		for _, s := range p.hiding {
			if s.open > 0 && s.merged == nil {
				p.settled = min(p.settled, s.off)
			}
		}
		p.hiding = nil
	}
	x.epochs[len(x.epochs)-1].settled = x.settled
	far := int64(0)
	for e := range x.epochs {
		far = max(far, x.epochs[e].settled)
		x.epochs[e].farthest = far
	}
}

// within notes that a record is in a transaction. A late tap may have noted before how that ended.
func (x *logIndex) within(l *LogEvent, n int32, open *openTxns, byTxn map[string][]int32, ended map[string]LogKind) {
	if kind, over := ended[l.Txn]; over {
		x.decide([]int32{n}, kind)
		return
	}
	open.begin(l.Txn, l.Offset)
	byTxn[l.Txn] = append(byTxn[l.Txn], n)
}

// decide notes that a transaction ended, by an event of the kind.
func (x *logIndex) decide(records []int32, kind LogKind) {
	for _, n := range records {
		x.records[n].status = committed
		if kind == LogAbort {
			x.records[n].status = aborted
		}
	}
}

// trim notes that records were deleted from the start of the log, and returns the new start, and the
// end: a late tap may note the records later, or never.
func (x *logIndex) trim(l *LogEvent, start, end int64, open *openTxns) (newStart, newEnd int64) {
	if l.Offset <= start {
		return start, end // nothing new was deleted
	}
	x.trims = append(x.trims, trim{seq: l.Seq, off: l.Offset})
	open.trim(l.Offset) // readers continue at the new start
	return l.Offset, max(end, l.Offset)
}

func (x *logIndex) append(l *LogEvent, event int32) {
	r := record{
		off: l.Offset, seq: l.Seq, key: -1, class: -1, event: event, op: -1,
		born: int32(len(x.epochs) - 1), died: never,
	}
	if l.Txn != "" {
		r.status = undecided
	}
	if l.Key != "" {
		r.key = intern(x.keyID, &x.keys, l.Key)
		r.class = intern(x.classID, &x.classes, class{r.key, l.Value})
		if int(r.class) == len(x.written) {
			x.written = append(x.written, nil)
		}
		x.written[r.class] = append(x.written[r.class], int32(len(x.records)))
	}
	x.records = append(x.records, r)
}

// intern returns the number of a key in a list that has each once.
func intern[K comparable](ids map[K]int32, all *[]K, key K) int32 {
	id, ok := ids[key]
	if !ok {
		id = int32(len(*all))
		ids[key] = id
		*all = append(*all, key)
	}
	return id
}

// follows reports whether a record is the one n offsets behind another, which was appended in the same
// epoch and in the same transaction, or in none either.
func (x *logIndex) follows(first, rec int32, n int) bool {
	a, b := &x.records[first], &x.records[rec]
	return b.off == a.off+int64(n) && b.born == a.born && x.h.Log[b.event].Txn == x.h.Log[a.event].Txn
}

// unowned reports whether a record is paired with no write, and may be.
func (x *logIndex) unowned(rec int32) bool {
	r := &x.records[rec]
	return r.op < 0 && !x.h.Log[r.event].Foreign && !x.try(r)
}

// try reports whether a record is one of a write that was tried in a transaction which was aborted. Version 2
// of the format allows that, besides a record that is not.
func (x *logIndex) try(r *record) bool {
	return r.status == aborted && x.h.Header.Version > 1 && !x.h.Log[r.event].Foreign
}

// lookup returns the class of a key and a value, or -1 if the log never had it.
func (x *logIndex) lookup(key, value string) int32 {
	k, ok := x.keyID[key]
	if !ok {
		return -1
	}
	c, ok := x.classID[class{k, value}]
	if !ok {
		return -1
	}
	return c
}

// lose starts a new epoch, in which the records at cut and above are gone.
func (x *logIndex) lose(alive []int32, l *LogEvent, cut, end int64, hiding []*txnStart) []int32 {
	if cut < end || l.Kind == LogRecreate || x.h.Header.Tap != TapExact {
		x.lossy = append(x.lossy, l.Seq)
	}
	over := &x.epochs[len(x.epochs)-1]
	over.end, over.hiding = end, hiding
	x.epochs = append(x.epochs, epoch{seq: l.Seq, cut: cut})
	n := sort.Search(len(alive), func(i int) bool { return x.records[alive[i]].off >= cut })
	x.epochs[len(x.epochs)-1].lost = slices.Clone(alive[n:])
	for _, r := range alive[n:] {
		x.records[r].died = int32(len(x.epochs) - 1)
	}
	return alive[:n]
}

func (x *logIndex) compact(alive []int32, l *LogEvent) {
	x.removed = x.removed || len(l.Removed) > 0
	for _, off := range l.Removed {
		r := x.alive(alive, off)
		switch {
		case r == nil:
		case r.gone == 0:
			r.gone = l.Seq
		case x.away[r.seq] != nil:
			x.away[r.seq] = append(x.away[r.seq], absence{l.Seq, 0})
		}
	}
}

// uncompact notes that records are in the log again.
func (x *logIndex) uncompact(alive []int32, l *LogEvent) {
	if x.away == nil {
		x.away = map[int64][]absence{}
	}
	for _, off := range l.Returned {
		r := x.alive(alive, off)
		if r == nil || r.gone == 0 {
			continue
		}
		if x.away[r.seq] == nil {
			x.away[r.seq] = []absence{{r.gone, 0}}
		}
		x.away[r.seq][len(x.away[r.seq])-1].to = l.Seq
	}
}

// alive returns the record at an offset of the current timeline, or nil.
func (x *logIndex) alive(timeline []int32, off int64) *record {
	i := sort.Search(len(timeline), func(i int) bool { return x.records[timeline[i]].off >= off })
	if i == len(timeline) || x.records[timeline[i]].off != off {
		return nil
	}
	return &x.records[timeline[i]]
}
