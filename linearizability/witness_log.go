package linearizability

import (
	"math"
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

type trim struct{ seq, off int64 }

// An absence is the time between two events in which a record was not in the log. to is 0 if it
// did not come back.
type absence struct{ from, to int64 }

// A logIndex answers questions about the log's state at a position.
//
// Invariant: each list of an epoch's records is ascending by offset, and holds the
// records with born <= epoch < died.
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
	sorted   []int32     // keys sorted by name
	written  [][]int32   // by class: all records, in the order in which they were appended
	timeline [][]int32   // by epoch: all records
	versions [][][]int32 // by epoch and key: the visible records
	byClass  [][][]int32 // by epoch and class: the visible records
	batches  [][]span    // by epoch, ascending
}

// newLogIndex builds the index of the history's log, in O(n log n).
func newLogIndex(h *History) *logIndex {
	x := &logIndex{h: h, keyID: map[string]int32{}, classID: make(map[class]int32, len(h.Log))}
	x.records = make([]record, 0, len(h.Log))
	x.epochs = []epoch{{}}
	open := map[string]int64{} // open transactions, by their first offset
	byTxn := map[string][]int32{}
	var start, end int64
	var alive []int32 // the records of the current timeline
	for i := range h.Log {
		l := &h.Log[i]
		switch l.Kind {
		case LogAppend:
			x.append(l, int32(i))
			n := int32(len(x.records) - 1)
			alive = append(alive, n)
			end = l.Offset + 1
			if l.Txn != "" {
				if _, ok := open[l.Txn]; !ok {
					open[l.Txn] = l.Offset
				}
				byTxn[l.Txn] = append(byTxn[l.Txn], n)
			}
		case LogCommit, LogAbort:
			for _, n := range byTxn[l.Txn] {
				x.records[n].status = committed
				if l.Kind == LogAbort {
					x.records[n].status = aborted
				}
			}
			delete(open, l.Txn)
			delete(byTxn, l.Txn)
		case LogTruncate, LogRecreate:
			cut := l.Offset
			if l.Kind == LogRecreate {
				cut = 0
			}
			alive = x.lose(alive, cut, end, l.Seq)
			start, end = min(start, cut), min(end, cut)
			for t, first := range open {
				if first >= cut {
					delete(open, t)
				}
			}
		case LogTrim:
			start = x.trim(l, start, open)
		case LogCompact:
			x.compact(alive, l)
		case LogUncompact:
			x.uncompact(alive, l)
		case LogEnd:
			continue
		}
		x.steps = append(x.steps, step{l.Seq, int32(len(x.epochs) - 1), end, stable(end, open)})
	}
	x.epochs[len(x.epochs)-1].end = end
	x.settled = stable(end, open)
	x.batches = make([][]span, len(x.epochs))
	x.group()
	return x
}

// trim notes that records were deleted from the start of the log, and returns the new
// start.
func (x *logIndex) trim(l *LogEvent, start int64, open map[string]int64) int64 {
	if l.Offset <= start {
		return start // nothing new was deleted
	}
	x.trims = append(x.trims, trim{l.Seq, l.Offset})
	for t, first := range open { // readers continue at the new start
		open[t] = max(first, l.Offset)
	}
	return l.Offset
}

func stable(end int64, open map[string]int64) int64 {
	for _, first := range open {
		end = min(end, first)
	}
	return end
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
func (x *logIndex) lose(alive []int32, cut, end, seq int64) []int32 {
	x.epochs[len(x.epochs)-1].end = end
	x.epochs = append(x.epochs, epoch{seq: seq, cut: cut})
	n := sort.Search(len(alive), func(i int) bool { return x.records[alive[i]].off >= cut })
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
