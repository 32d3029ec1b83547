package linearizability

import (
	"math"
	"slices"
	"sort"
)

// A place is where a process may be after the hooks that it has called: its hooks have been told
// of all records of an epoch's log below at. It may have read on up to upTo, because the records
// on the way need no hook.
//
// It is one of three: a process that follows the log; one that rereads the log and has told nothing
// of that, if waiting is set; or one that tells what differs, if differs is set.
type place struct {
	epoch    int32
	at, upTo int64

	again   *rereading
	waiting bool
	differs *differences
	next    int // of differs
	// gone are keys that vanished without a record. It tells them in a row, at any time.
	gone     *differences
	nextGone int
}

// A rereading is that a process rereads the log from its start. It tells what differs when it has
// read up to an offset, and from there on each record.
type rereading struct {
	seq  int64 // from then on it has read all that it has
	told int64 // since then it rereads the log after a loss, and its hooks have told nothing of that
	from place // where it was
	// The offset is what is left of what it had read. That was up to one of those between the two of
	// had, in the log of an epoch, or of those of alsoHad, if it had gone on to a later epoch.
	had, alsoHad extent
	// whole says that it is because of an absence: what it had read is still there. lossy says
	// that it is, but the hooks have yet to be told of a loss before.
	whole, lossy bool
	silent       bool // the history does not say that it rereads, or when

	few   []found // what has been found, before known is needed
	known map[foundKey]*differences
}

type found struct {
	foundKey

	d *differences
}

// find returns the differences that have been found for a key, nil for none.
func (a *rereading) find(key foundKey) *differences {
	for i := range a.few {
		if a.few[i].foundKey == key {
			return a.few[i].d
		}
	}
	return a.known[key]
}

func (a *rereading) keep(key foundKey, d *differences) {
	switch {
	case len(a.few) < 4:
		a.few = append(a.few, found{key, d})
	case a.known == nil:
		a.known = map[foundKey]*differences{key: d}
	default:
		a.known[key] = d
	}
}

// An extent is what a process may have read: the log of an epoch, at least up to low and at most up
// to high.
type extent struct {
	epoch     int32
	low, high int64
}

// left returns what the log of a later epoch has of that.
func (f *hookFollower) left(t extent, e int32) (low, high int64) {
	if e <= t.epoch {
		return t.low, t.high
	}
	cut := f.x.cuts.of(t.epoch+1, e)
	return min(t.low, cut), min(t.high, cut)
}

// A foundKey tells apart what the differences depend on: the epoch in which the process has read
// what it tells, and how many losses and compactions there had been.
type foundKey struct {
	epoch       int32
	changes     int
	first, last int64 // where it has begun
}

// A hookLog is what the log went through, for the hooks after it lost something.
type hookLog struct {
	starts  []startStep
	changes []int64 // the events of losses and compactions
	// reported says that processes report when they reread the log.
	reported bool
}

// A startStep is where the log begins from an event on.
type startStep struct{ seq, off int64 }

func newHookLog(h *History) *hookLog {
	g := &hookLog{reported: len(h.Rebuilds) > 0}
	var start int64
	for i := range h.Log {
		l := &h.Log[i]
		switch l.Kind {
		case LogTrim:
			start = max(start, l.Offset)
		case LogTruncate:
			start = min(start, l.Offset)
		case LogRecreate:
			start = 0
		case LogCompact, LogUncompact:
		case LogAppend, LogCommit, LogAbort, LogEnd:
			continue
		}
		g.starts = append(g.starts, startStep{l.Seq, start})
		g.changes = append(g.changes, l.Seq)
	}
	return g
}

// start returns where the log began at an event.
func (g *hookLog) start(seq int64) int64 {
	i := sort.Search(len(g.starts), func(i int) bool { return g.starts[i].seq > seq })
	if i == 0 {
		return 0
	}
	return g.starts[i-1].off
}

// startsBetween returns the offsets at which the log began between two events, after the first.
func (g *hookLog) startsBetween(from, to int64) (all []int64) {
	i := sort.Search(len(g.starts), func(i int) bool { return g.starts[i].seq > from })
	for ; i < len(g.starts) && g.starts[i].seq <= to; i++ {
		all = append(all, g.starts[i].off)
	}
	return all
}

// absent reports whether a record was not in the log at some moment between two events. It may have
// been there at others: the log has for a while what is said to be removed.
func (f *hookFollower) absent(m *record, from, to int64) bool {
	if m.gone == 0 {
		return false
	}
	all := f.x.away[m.seq]
	if all == nil {
		all = []absence{{m.gone, 0}}
	}
	f.x.spend(len(all))
	return slices.ContainsFunc(all, func(a absence) bool { return a.from <= to && (a.to == 0 || a.to >= from || f.late) })
}

// skips reports whether a process at a place needs no hook for a record of an epoch's log. It has
// begun to read at most at upto.
func (f *hookFollower) skips(p *place, e, rec int32, upto, seq int64) bool {
	m := &f.x.records[rec]
	switch {
	case !m.visible() || m.off < p.upTo && m.born <= p.epoch:
		return true
	case p.again != nil:
		return f.absent(m, p.again.seq, seq)
	case m.off < f.first && m.born <= f.epoch || f.x.missable(f.proc, m, seq, e, 0):
		return true
	}
	return p.at == 0 && f.began(e, m.off, upto, seq)
}

// owed returns the first record from a place up to an offset of an epoch's log that needs a hook,
// or -1. The steps that it takes are those records that need none.
func (f *hookFollower) owed(p *place, e int32, to, seq int64) int32 {
	return f.owedUpTo(p, e, to, beyond, seq)
}

// owedUpTo is owed for a process that has begun to read at most at upto.
func (f *hookFollower) owedUpTo(p *place, e int32, to, upto, seq int64) int32 {
	l := f.x.timeline.in(e, 0)
	for i := f.x.search(l, p.at); i < l.len() && f.x.spend(1); i++ {
		rec := l.at(i)
		if f.x.records[rec].off >= to {
			break
		}
		if !f.skips(p, e, rec, upto, seq) {
			return rec
		}
	}
	return -1
}

// lastEpoch returns the last epoch, as of an event, in which a process that follows the log may be
// without having reread it: what it has read is still there.
func (f *hookFollower) lastEpoch(p *place, seq int64) int32 {
	e, now := p.epoch, f.x.current(seq)
	for e < now && f.x.epochs[e+1].cut >= p.at && f.x.spend(1) {
		e++
	}
	return e
}

// reread returns a process at a place that begins to reread the log.
func (f *hookFollower) reread(p *place, seq int64, whole bool) place {
	a := &rereading{seq: seq, told: seq, from: *p, whole: whole}
	if p.waiting { // the hooks still have the state before the first time
		b := p.again
		a.from, a.had, a.alsoHad, a.lossy, a.silent = b.from, b.had, b.alsoHad, b.lossy || !b.whole, b.silent
		if a.lossy {
			a.told = b.told
		}
		then := f.x.current(b.seq)
		low, high := f.left(b.had, then)
		if !whole && low == high && b.alsoHad == b.had && f.log.start(b.seq) == f.log.start(seq) {
			a.had = extent{then, low, high} // so the reason is a loss since
			a.alsoHad = a.had
		}
		if start := f.log.start(seq); a.lossy && !f.late && a.had == a.alsoHad && a.had.high < start { // it begins there anyway
			a.had.low, a.had.high = start, start
			a.alsoHad = a.had
		}
	} else {
		last := f.lastEpoch(p, seq)
		a.had = extent{p.epoch, p.at, f.owedAt(p, p.epoch, seq)}
		a.alsoHad = a.had
		if last > p.epoch {
			a.alsoHad = extent{last, p.at, f.owedAt(p, last, seq)}
		}
	}
	return place{epoch: a.had.epoch, at: a.had.low, again: a, waiting: true, gone: p.gone, nextGone: p.nextGone}
}

// unfinished returns a process that tells what differs, and that begins at an event to reread the log
// before it has told all: it has yet to tell what differs from the state that its hooks have told.
func (p *place) unfinished(seq int64) place {
	a := *p.again
	a.told = seq
	return place{epoch: a.had.epoch, at: a.had.low, again: &a, waiting: true, gone: a.from.gone, nextGone: a.from.nextGone}
}

// owedAt returns the offset of the first record of an epoch's log that needs a hook.
func (f *hookFollower) owedAt(p *place, e int32, seq int64) int64 {
	if rec := f.owedUpTo(p, e, math.MaxInt64, 0, seq); rec >= 0 {
		return f.x.records[rec].off
	}
	return max(p.upTo, f.x.reach(e, seq).end)
}

// settled returns where a process may be that was at a place when it may have told more: one that
// waits may tell what differs, and one that has nothing more to tell of that follows the log.
func (f *hookFollower) settled(p *place, seq int64) []place {
	var all []place
	switch {
	case p.waiting:
		now := f.x.current(seq)
		from := f.x.current(p.again.seq)
		if f.late || p.again.silent {
			from = p.epoch
		}
		for e := from; e <= now && f.x.spend(1); e++ {
			if low, _ := f.left(p.again.had, e); p.again.whole && !p.again.lossy && low < p.again.had.low {
				break // it would have lost something
			}
			for _, d := range f.differences(p.again, e, seq) {
				q := place{epoch: e, at: d.low, upTo: d.high, again: p.again, gone: p.gone, nextGone: p.nextGone}
				if p.again.whole {
					q.gone, q.nextGone = d.gone, 0
				}
				if len(d.all) > 0 {
					q.differs = d
					all = append(all, q)
					q.differs = nil
				}
				if d.owed(0, nil) < 0 {
					all = append(all, q)
				}
			}
		}
	case p.differs != nil:
		all = append(all, *p)
		if p.differs.owed(p.next, nil) < 0 {
			q := *p
			q.differs, q.next = nil, 0
			all = append(all, q)
		}
	default:
		all = append(all, *p)
	}
	return all
}

// add adds a place to others, once. Those that differ in told only are one.
func add(all []place, p place) []place {
	i := slices.IndexFunc(all, func(q place) bool { return q.is(&p) })
	if i < 0 {
		return append(all, p)
	}
	if p.waiting && p.again.told < all[i].again.told {
		all[i].again = p.again
	}
	return all
}

// is reports whether two places are the same.
func (p *place) is(q *place) bool {
	if p.epoch != q.epoch || p.at != q.at || p.upTo != q.upTo || p.gone != q.gone || p.nextGone != q.nextGone ||
		p.waiting != q.waiting || (p.differs == nil) != (q.differs == nil) || p.next != q.next || (p.again == nil) != (q.again == nil) {
		return false
	}
	if d := p.differs; d != nil && (d.first != q.differs.first || d.last != q.differs.last) {
		return false
	}
	if p.again == nil || p.again == q.again {
		return true
	}
	if p.waiting || p.differs != nil {
		return p.again.is(q.again)
	}
	return p.again.seq == q.again.seq
}

func (a *rereading) is(b *rereading) bool {
	return a.seq == b.seq && a.had == b.had && a.alsoHad == b.alsoHad && a.whole == b.whole && a.lossy == b.lossy &&
		a.silent == b.silent && a.from.epoch == b.from.epoch && a.from.at == b.from.at && a.from.upTo == b.from.upTo && a.from.gone == b.from.gone
}
