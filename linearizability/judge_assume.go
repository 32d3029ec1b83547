package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shared reports whether more than one write may have this value id.
func shared(id string) bool { return id == "" || strings.HasPrefix(id, "~") }

// assumptions collects the assumptions of the checks that a history breaks, at most
// three errors for each rule.
type assumptions struct {
	found []*AssumptionError
	count map[string]int
}

func (a *assumptions) broken(rule string, seq int64, format string, args ...any) {
	if a.count == nil {
		a.count = map[string]int{}
	}
	if a.count[rule]++; a.count[rule] <= 3 {
		a.found = append(a.found, &AssumptionError{Assumption: rule, Detail: fmt.Sprintf(format, args...), Seq: seq})
	}
}

// checkAssumptions returns the assumptions that h breaks.
func checkAssumptions(h *History) []*AssumptionError {
	var a assumptions
	a.stamps(h)
	a.operations(h)
	a.processes(h)
	a.values(h)
	a.log(h)
	slices.SortStableFunc(a.found, func(x, y *AssumptionError) int { return cmp.Compare(x.Seq, y.Seq) })
	return a.found
}

const (
	ruleSeq     = "each event has its own sequence number, and each list of events is in its order"
	ruleNumbers = "sequence numbers are above 0, offsets and positions are not below 0, and all are at most 2^60"
	ruleTime    = "time does not go back as sequence numbers grow"
	ruleEnds    = "an operation returns after it was called, and a call has an id, a client and a kind"
	ruleProcess = "each operation belongs to a process of its client that is open, and the newest one"
	ruleValues  = "each write has a value id of its own, unless the id starts with ~"
	ruleLog     = "the log tap tells each record once, in the order of offsets, and tells of nothing beyond the log's end"
	ruleKeys    = "nothing is written to the empty key or read from it, because a record without a key has that"
)

// mostNumber is the highest sequence number, offset or position that is allowed. It
// leaves room to calculate without overflow.
const mostNumber = int64(1) << 60

// stamps checks the sequence numbers and times of all events.
func (a *assumptions) stamps(h *History) {
	for _, list := range h.lists() {
		last := int64(0)
		list(func(begin, _ Stamp) {
			if begin.Seq <= last {
				a.broken(ruleSeq, begin.Seq, "event %d is listed after event %d", begin.Seq, last)
			}
			last = begin.Seq
		})
	}
	a.times(slices.AppendSeq(make([]Stamp, 0, h.Events()), h.Stamps()))
}

// times checks that stamps are unique and that time follows the sequence.
func (a *assumptions) times(all []Stamp) {
	bySeq := all
	highest := int64(0)
	for _, s := range all {
		highest = max(highest, s.Seq)
	}
	if highest > mostNumber {
		a.broken(ruleNumbers, highest, "there is an event %d", highest)
	}
	if highest > 0 && highest <= int64(4*len(all)) {
		// Sequence numbers are dense: sort them by counting.
		bySeq = make([]Stamp, highest+1)
		for _, s := range all {
			if s.Seq < 1 {
				continue
			}
			if bySeq[s.Seq].Seq != 0 {
				a.broken(ruleSeq, s.Seq, "event %d comes twice", s.Seq)
			}
			bySeq[s.Seq] = s
		}
	} else {
		slices.SortFunc(bySeq, func(x, y Stamp) int { return cmp.Compare(x.Seq, y.Seq) })
	}
	var last Stamp
	for _, s := range bySeq {
		if s.Seq == 0 {
			continue
		}
		if s.Seq == last.Seq {
			a.broken(ruleSeq, s.Seq, "event %d comes twice", s.Seq)
		}
		if s.Time < last.Time {
			a.broken(ruleTime, s.Seq, "event %d at %s comes after event %d at %s", s.Seq, s.Time, last.Seq, last.Time)
		}
		last = s
	}
}

// operations checks each operation by itself.
func (a *assumptions) operations(h *History) {
	ids := make(map[int64]struct{}, len(h.Ops))
	for i := range h.Ops {
		o := &h.Ops[i]
		if _, ok := ids[o.ID]; ok {
			a.broken(ruleEnds, o.Call.Seq, "operation %d comes twice", o.ID)
		}
		ids[o.ID] = struct{}{}
		switch {
		case o.Client == "" || o.ID < 1 || o.Kind < OpPut || o.Kind > OpRevoke:
			a.broken(ruleEnds, o.Call.Seq, "operation %d of kind %s by client %q", o.ID, o.Kind, o.Client)
		case o.Outcome != Pending && o.Return.Seq <= o.Call.Seq:
			a.broken(ruleEnds, o.Call.Seq, "%s returned at event %d", o, o.Return.Seq)
		case badNumber(o.Revision) || badNumber(o.Position):
			a.broken(ruleNumbers, o.Call.Seq, "%s has revision %d and position %d", o, o.Revision, o.Position)
		case o.Outcome == OK && emptyKey(o):
			a.broken(ruleKeys, o.Call.Seq, "%s", o)
		case o.Outcome > Unknown:
			a.broken(ruleEnds, o.Call.Seq, "operation %d has outcome %s", o.ID, o.Outcome)
		}
	}
}

// emptyKey reports whether an operation is about the empty key. In the log, a record with
// an empty key is one that sets no key.
func emptyKey(o *Operation) bool {
	switch o.Kind {
	case OpPut, OpDelete, OpGet:
		return o.Key == ""
	case OpBatch, OpTxn:
		return slices.ContainsFunc(o.Items, func(it Item) bool { return it.Key == "" })
	case OpRange, OpSync, OpWait, OpOpen, OpClose, OpWatch, OpGrant, OpRenew, OpRevoke:
	}
	return false
}

// badNumber reports whether an offset is neither None nor in the allowed range.
func badNumber(off int64) bool { return off < None || off > mostNumber }

// processes checks that each operation belongs to the newest process of its client,
// and that operations succeed only while the process is open.
func (a *assumptions) processes(h *History) {
	type process struct {
		number  int
		open    int64 // when opening returned ok, 0 if it has not
		closed  int64 // when it was asked to close
		started bool
	}
	opens := slices.ContainsFunc(h.Ops, func(o Operation) bool { return o.Kind == OpOpen })
	clients := map[string]*process{}
	for i := range h.Ops {
		o := &h.Ops[i]
		p := clients[o.Client]
		if p == nil {
			p = &process{}
			clients[o.Client] = p
		}
		if p.started && o.Process < p.number {
			a.broken(ruleProcess, o.Call.Seq, "%s was called when process %d had begun", o, p.number)
			continue
		}
		if !p.started || o.Process > p.number {
			*p = process{number: o.Process, started: true}
		}
		switch {
		case o.Kind == OpOpen && o.Outcome == OK:
			p.open = o.Return.Seq
		case o.Kind == OpOpen, o.Outcome != OK:
		case o.Kind == OpClose:
			p.closed = o.Call.Seq
		case opens && (p.open == 0 || p.open > o.Call.Seq):
			a.broken(ruleProcess, o.Call.Seq, "%s succeeded, but the process had not opened", o)
		case p.closed != 0 && o.Call.Seq > p.closed:
			a.broken(ruleProcess, o.Call.Seq, "%s succeeded, but the process had been closed", o)
		}
	}
}

// values checks that value ids identify writes.
func (a *assumptions) values(h *History) {
	writer := make(map[string]int64, len(h.Ops))
	write := func(o *Operation, id string) {
		if shared(id) {
			return
		}
		if first, ok := writer[id]; ok {
			a.broken(ruleValues, o.Call.Seq, "value %s is written by operation %d and by operation %d", id, first, o.ID)
		}
		writer[id] = o.ID
	}
	for i := range h.Ops {
		o := &h.Ops[i]
		switch o.Kind {
		case OpPut:
			if o.Value == "" {
				a.broken(ruleValues, o.Call.Seq, "%s has no value id", o)
			}
			write(o, o.Value)
		case OpBatch, OpTxn:
			for _, it := range o.Items {
				write(o, it.Value)
			}
		case OpDelete, OpGet, OpRange, OpSync, OpWait, OpOpen, OpClose, OpWatch, OpGrant, OpRenew, OpRevoke:
		}
	}
}

// log checks that the events of the log tap describe a possible log.
func (a *assumptions) log(h *History) {
	end := int64(0)
	live := make([]int64, 0, len(h.Log))    // offsets, ascending
	appends := make([]int64, 0, len(h.Log)) // the events of the appends of live
	at := make([]int, 0, len(h.Log))        // where they are in h.Log
	cuts := batchCuts{h: h, steps: 1000 + 16*h.Events()}
	removed := map[int64]bool{} // by the event of the append
	begun, ended := map[string]bool{}, map[string]bool{}
	exact := h.Header.Tap == TapExact
	var furthest *LogEvent // that a late tap told of since the last loss
	for i := range h.Log {
		l := &h.Log[i]
		if l.Offset < 0 || l.Offset > mostNumber {
			a.broken(ruleNumbers, l.Seq, "%s has offset %d", l.Kind, l.Offset)
			continue
		}
		switch l.Kind {
		case LogAppend:
			if l.Offset < end {
				a.broken(ruleLog, l.Seq, "%s was appended when the log's end was %d", l.Record, end)
				continue
			}
			if exact && l.Txn != "" && ended[l.Txn] {
				a.broken(ruleLog, l.Seq, "%s was appended when its transaction, %s, had ended", l.Record, l.Txn)
			}
			end = l.Offset + 1
			begun[l.Txn] = true
			live, at = append(live, l.Offset), append(at, i)
			appends = append(appends, l.Seq)
		case LogTruncate, LogRecreate:
			to := l.Offset
			if l.Kind == LogRecreate {
				to = 0
			}
			a.within(exact, l, end)
			furthest = nil
			n, _ := slices.BinarySearch(live, to)
			live, appends, at = live[:n], appends[:n], a.lost(&cuts, l, at, n)
			end = min(end, to)
		case LogCompact:
			a.compacted(l, live, appends, removed)
		case LogUncompact:
			a.uncompacted(l, live, appends, removed)
		case LogCommit, LogAbort:
			a.ended(l, exact && !begun[l.Txn], ended)
		case LogTrim, LogEnd:
			a.within(exact, l, end)
			if furthest == nil || l.Offset > furthest.Offset {
				furthest = l
			}
		default:
			a.broken(ruleLog, l.Seq, "log event of kind %s", l.Kind)
		}
	}
	if furthest != nil && !exact { // by the end, what is there has been noted
		a.within(true, furthest, end)
	}
}

// ended checks the end of a transaction, and notes it.
func (a *assumptions) ended(l *LogEvent, unknown bool, ended map[string]bool) {
	if unknown {
		a.broken(ruleLog, l.Seq, "transaction %s ended, but the log has no record of it", l.Txn)
	}
	if ended[l.Txn] {
		a.broken(ruleLog, l.Seq, "transaction %s ended twice", l.Txn)
	}
	ended[l.Txn] = true
}

// compacted checks that compaction removed what the log has, and notes it.
func (a *assumptions) compacted(l *LogEvent, live, appends []int64, removed map[int64]bool) {
	for j, o := range l.Removed {
		if j > 0 && o <= l.Removed[j-1] {
			a.broken(ruleLog, l.Seq, "compaction lists offset %d after offset %d", o, l.Removed[j-1])
		}
		i, ok := slices.BinarySearch(live, o)
		if !ok {
			a.broken(ruleLog, l.Seq, "compaction removed offset %d, which the log does not have", o)
			continue
		}
		removed[appends[i]] = true
	}
}

// uncompacted checks that what returned had been removed by compaction, and notes it.
func (a *assumptions) uncompacted(l *LogEvent, live, appends []int64, removed map[int64]bool) {
	for j, o := range l.Returned {
		if j > 0 && o <= l.Returned[j-1] {
			a.broken(ruleLog, l.Seq, "offset %d is listed as returned after offset %d", o, l.Returned[j-1])
		}
		i, ok := slices.BinarySearch(live, o)
		if !ok || !removed[appends[i]] {
			a.broken(ruleLog, l.Seq, "offset %d returned, which compaction had not removed", o)
			continue
		}
		delete(removed, appends[i])
	}
}

// within checks that a log event is about a part of the log that there is. A late tap may
// note the records there afterwards.
func (a *assumptions) within(exact bool, l *LogEvent, end int64) {
	if exact && l.Kind != LogRecreate && l.Offset > end {
		a.broken(ruleLog, l.Seq, "%s at offset %d, when the log's end was %d", l.Kind, l.Offset, end)
	}
}
