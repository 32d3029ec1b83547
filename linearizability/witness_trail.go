package linearizability

import (
	"fmt"
	"sort"
)

// A spot is where a process may be: it follows the log of an epoch, has applied it from base on, and
// has got to low or further.
type spot struct {
	epoch     int32
	base, low int64
	// again says that it may be on the way back to there, because it rereads the log or has just
	// begun to read it. It then begins again where the log begins, and follows it through a loss
	// after the epoch since, in which it began that.
	again bool
	since int32
}

// A trail is all spots at which a process may be. A bound alone can't say where that is once
// records were deleted or lost: a process that began at the deletion is not below or above one that
// has what was deleted. So the trail remembers that a process has read the log from its start again, or that it has
// not.
//
// For example, the log [a=1 b=1] is deleted below 1. A process that then reads that a has no value
// has begun at 1, and can't read a=1 later. One that reads a=1 was at 1 before the deletion, or is
// not there yet, and has no reason to begin at 1 in the first case.
//
// If there are more than mostSpots, it is given up, and the process judged by its bounds only.
type trail struct {
	spots []spot
	turn  turn // the next one
	begun bool
	given bool // given up
}

const mostSpots = 48

// A tracker follows the trails of processes. It is nil if the log lost and deleted nothing.
type tracker struct {
	log     *hookLog // where the log begins
	changes []int64  // the events at which the log lost or deleted something
	late    bool
	first   struct { // where the log of an epoch begins, and at which event that was asked last
		epoch    int32
		seq, off int64
	}
	touched            int    // the first spot that addSpot changed, or more
	rest, sure, merged []spot // what a passage used last, and both
}

func (j *judge) newTracker() *tracker {
	late := j.h.Header.Tap != TapExact
	if len(j.x.losses) == 0 || j.found > 0 || late && len(j.x.trims) > mostSpots {
		return nil
	}
	return &tracker{log: newHookLog(j.h), changes: j.x.losses, late: late}
}

// starts returns the offsets at which a process may begin to read the log of an epoch at an event.
// With a late tap, it is not known when records were deleted, but the log had them before.
func (s *sweeper) starts(e int32, seq int64) []int64 {
	then := seq
	if int(e)+1 < len(s.x.epochs) {
		then = min(seq, s.x.epochs[e+1].seq-1)
	}
	f := &s.track.first
	if f.epoch != e || f.seq != then {
		f.epoch, f.seq, f.off = e, then, s.track.log.start(then)
	}
	noted := f.off
	if !s.track.late {
		s.begins = append(s.begins[:0], noted)
		return s.begins
	}
	all, end := append(s.begins[:0], noted), s.x.reach(e, seq).end
	for i := range s.x.trims {
		t := &s.x.trims[i]
		if te := s.x.current(t.seq); te <= e {
			if base := s.x.in(position{te, t.off}, e); base <= end && base > noted {
				all = append(all, base)
			}
		}
	}
	s.begins = all
	return all
}

// addSpot adds a spot to others. Those that differ in low only are one.
func (s *sweeper) addSpot(all []spot, p spot) []spot {
	s.x.spend(1)
	for i := len(all) - 1; i >= 0; i-- {
		if q := &all[i]; q.epoch == p.epoch && q.base == p.base {
			if p.again && (!q.again || p.since < q.since) {
				q.again, q.since, s.track.touched = true, p.since, min(s.track.touched, i)
			}
			if p.low < q.low {
				q.low, s.track.touched = p.low, min(s.track.touched, i)
			}
			return all
		}
	}
	return append(all, p)
}

// moved adds the spots that a process may get to without saying so, by an event: it goes on in the log
// of a later epoch that has all that it had read, or where the log begins if it had not got there. A
// process that does not report when it rereads the log may also have done that after the loss.
func (s *sweeper) moved(all []spot, seq int64) []spot { return s.movedTo(all, seq, 0) }

// movedTo is moved for spots that have all that it adds in epochs before one.
func (s *sweeper) movedTo(all []spot, seq int64, from int32) []spot {
	now := s.x.current(seq)
	for i := 0; i < len(all) && len(all) <= mostSpots; i = min(i+1, s.track.touched) {
		s.track.touched = len(all)
		p := all[i]
		if p.epoch >= from {
			for _, first := range s.starts(p.epoch, seq) {
				if p.low < first {
					all = s.addSpot(all, spot{p.epoch, first, first, p.again, p.since})
				} else if p.again {
					all = s.addSpot(all, spot{p.epoch, first, p.low, true, p.since})
				}
			}
		}
		for e := max(from, p.epoch+1); e <= now && len(all) <= mostSpots; e++ {
			cut := s.x.cuts.of(p.epoch+1, e)
			silent := len(s.h.Rebuilds) == 0
			if silent || p.again && e > p.since {
				for _, first := range s.starts(e, seq) {
					all = s.addSpot(all, spot{e, first, max(first, min(p.low, cut)), true, p.since})
				}
			}
			if p.low <= cut || silent {
				all = s.addSpot(all, spot{e, min(p.base, cut), min(p.low, cut), p.again || silent, p.since})
			}
		}
	}
	return all
}

// rereads adds the spots of a process that reports at an event that it rereads the log.
func (s *sweeper) rereads(all []spot, seq int64) []spot {
	now := s.x.current(seq)
	for i, n := 0, len(all); i < n && len(all) <= mostSpots; i++ {
		p := all[i]
		for e := p.epoch; e <= now && len(all) <= mostSpots; e++ {
			low := p.low
			if e > p.epoch {
				low = min(low, s.x.cuts.of(p.epoch+1, e))
			}
			for _, first := range s.starts(e, seq) {
				all = s.addSpot(all, spot{e, first, max(first, low), true, now})
			}
		}
	}
	return s.moved(all, seq)
}

// A turn is a place in the list of changes, and in that of the rebuilds of a process.
type turn struct{ change, rebuild int }

// turnAt returns the turn after an event.
func (s *sweeper) turnAt(p *process, seq int64) turn {
	after := func(all []int64) int { return sort.Search(len(all), func(i int) bool { return all[i] > seq }) }
	return turn{after(s.track.changes), after(p.rebuilds)}
}

// turns calls a function at each event from a turn on, up to an event, at which the process may have
// moved, and returns the next turn.
func (s *sweeper) turns(p *process, t turn, to int64, move func(seq int64, again bool)) turn {
	for s.x.spend(1) {
		change, rebuild := beyond, beyond
		if t.change < len(s.track.changes) {
			change = s.track.changes[t.change]
		}
		if t.rebuild < len(p.rebuilds) {
			rebuild = p.rebuilds[t.rebuild]
		}
		switch {
		case min(change, rebuild) > to:
			return t
		case change < rebuild:
			move(change, false)
			t.change++
		default:
			move(rebuild, true)
			t.rebuild++
		}
	}
	return t
}

// goOn moves spots through what happened at an event.
func (s *sweeper) goOn(all []spot, seq int64, again bool) []spot {
	if again {
		return s.rereads(all, seq)
	}
	if s.track.late {
		return s.moved(all, seq)
	}
	return s.movedTo(all, seq, s.x.current(seq)) // it has been moved at each change before
}

// follow brings a trail up to an event.
func (s *sweeper) follow(p *process, seq int64) {
	t := &p.trail
	if !t.begun {
		t.begun, t.spots = true, []spot{{}}
	}
	if t.given {
		return
	}
	t.turn = s.turns(p, t.turn, seq, func(at int64, again bool) {
		if len(t.spots) <= mostSpots {
			t.spots = s.goOn(t.spots, at, again)
		}
	})
	if s.track.late {
		t.spots = s.moved(t.spots, seq)
	}
	if len(t.spots) > mostSpots {
		t.giveUp()
	}
}

func (t *trail) giveUp() { t.given, t.spots = true, nil }

// opens begins the trail of a process that opens.
func (s *sweeper) opens(p *process, seq int64) {
	t := &p.trail
	*t = trail{begun: true, spots: t.spots[:0], turn: s.turnAt(p, seq)}
	first := s.x.current(seq)
	if s.track.late {
		first = 0
	}
	for e := first; e <= s.x.current(seq) && len(t.spots) <= mostSpots; e++ {
		for _, base := range s.starts(e, seq) {
			t.spots = s.addSpot(t.spots, spot{e, base, base, true, s.x.current(seq)})
		}
	}
	if len(t.spots) > mostSpots {
		t.giveUp()
	}
}

// A passage is where a process may be while one of its operations is under way.
type passage struct {
	waiting []spot // the operation has not taken place
	done    []spot // it has
	seen    []spot // and the position that it reports has been read
	stages  int
}

func (g *passage) tooMany() bool {
	return g.stages > mostSpots || max(len(g.waiting), len(g.done), len(g.seen)) > mostSpots
}

// tookPlace judges whether an operation can have taken place between its call and its return, and
// its process have been at the position that it reports after that.
func (s *sweeper) tookPlace(op int32, p *process, f *inFlight) {
	o := s.op(op)
	s.follow(p, o.Return.Seq)
	if p.trail.given || f.given {
		return
	}
	k := s.track
	g := passage{waiting: f.spots, done: k.rest[:0], seen: k.sure[:0]}
	s.turns(p, f.turn, o.Return.Seq, func(at int64, again bool) {
		if g.stages++; g.tooMany() {
			return
		}
		s.passes(op, f, &g, at-1)
		g.waiting, g.done, g.seen = s.goOn(g.waiting, at, again), s.goOn(g.done, at, again), s.goOn(g.seen, at, again)
	})
	if s.track.late {
		g.waiting = s.moved(g.waiting, o.Return.Seq)
	}
	if g.tooMany() {
		p.trail.giveUp()
		return
	}
	s.passes(op, f, &g, o.Return.Seq)
	s.finds(op, p, &g)
	f.spots, k.rest, k.sure = g.waiting, g.done, g.seen
}

// passes lets an operation take place, and then its position be read, by an event.
func (s *sweeper) passes(op int32, f *inFlight, g *passage, seq int64) {
	o := s.op(op)
	for i := range g.waiting {
		if low, ok := s.takes(op, f, &g.waiting[i], seq); ok {
			q := g.waiting[i]
			q.low, q.again = low, false
			g.done = s.addSpot(g.done, q)
		}
	}
	g.done = s.moved(g.done, seq)
	if o.Position == None {
		g.seen = append(g.seen[:0], g.done...)
		return
	}
	for _, q := range g.done {
		if o.Position > s.x.reach(q.epoch, seq).lso || !s.track.late && !q.again && o.Position < q.low {
			continue
		}
		q.low = max(q.low, o.Position)
		g.seen = s.addSpot(g.seen, q)
	}
	g.seen = s.moved(g.seen, seq)
}

// both adds the spots that are in two lists.
func (s *sweeper) both(all, a, b []spot) []spot {
	for _, p := range a {
		for _, q := range b {
			if s.x.spend(1) && p.epoch == q.epoch && p.base == q.base {
				all = append(all, spot{p.epoch, p.base, max(p.low, q.low), p.again && q.again, max(p.since, q.since)})
			}
		}
	}
	return all
}

// finds takes where the process of an operation may be when that has returned.
func (s *sweeper) finds(op int32, p *process, g *passage) {
	o := s.op(op)
	all := s.both(s.track.merged[:0], p.trail.spots, g.seen)
	if s.track.merged = all; len(all) > 0 || s.x.spent() {
		p.trail.spots = append(p.trail.spots[:0], all...)
		return
	}
	p.trail.giveUp()
	v := s.accusation(checkOf(o), op)
	v.Reason = fmt.Sprintf("%s returned at %s, and nowhere in the log can it have taken place, after all that its process had returned and reported", o.call(), o.Return.Time)
	if len(g.done) > 0 && o.Position != None {
		v.Check = CheckPosition
		v.Reason = fmt.Sprintf("%s reported position %d at %s, where its process can't be, after all that it had returned and reported", o.call(), o.Position, o.Return.Time)
		v.Offsets = []int64{o.Position}
	}
	s.violate(v)
}

// checkOf returns the guarantee that an operation breaks if there is no place for it.
func checkOf(o *Operation) CheckID {
	switch {
	case o.Kind.Writes():
		return CheckWriteVisible
	case o.Barrier || o.Kind == OpSync:
		return CheckBarrier
	case o.Kind == OpWait:
		return CheckWaitRevision
	case o.Kind == OpOpen:
		return CheckOpen
	}
	return CheckMonotonicReads
}

// takes returns the lowest position at which an operation can have taken place at a spot, by an
// event.
func (s *sweeper) takes(op int32, f *inFlight, p *spot, seq int64) (low int64, ok bool) {
	o := s.op(op)
	hi := s.x.reach(p.epoch, seq).lso
	low = max(p.low, p.base)
	if o.Barrier || s.opts.Linearizable && o.Kind.Reads() || o.Kind == OpSync || o.Kind == OpOpen {
		if p.epoch < f.anyone.pos.epoch {
			return 0, false
		}
		low = max(low, s.x.in(f.anyone.pos, p.epoch))
	}
	switch {
	case o.Kind == OpWait:
		low = max(low, o.Revision+1)
	case o.Kind.Writes():
		low = max(low, s.appliedAt(op, p.epoch))
	case o.Kind.Reads() && low <= hi:
		s.scratch.base = p.base
		low = s.x.leastIn(&s.scratch, p.epoch, low, hi)
		s.scratch.base = 0
	}
	return low, low <= hi
}

// appliedAt returns the lowest position of an epoch at which a write may be applied: behind the first
// records that may be its own. It returns beyond if the epoch's log has none.
func (s *sweeper) appliedAt(op int32, e int32) (low int64) {
	items := s.itemsOf(op)
	for n := range items {
		if items[n].class < 0 {
			return beyond
		}
		l := s.x.byClass.in(e, items[n].class)
		i := sort.Search(l.len(), func(i int) bool { return s.x.records[l.at(i)].seq > s.op(op).Call.Seq })
		if i == l.len() || !s.x.spend(1) {
			return beyond
		}
		low = max(low, s.x.records[l.at(i)].off+int64(len(items)-n))
	}
	return low
}

// holds judges whether a process can have had a state at a spot.
func (s *sweeper) holds(snap *Snapshot, p *process, r *read) {
	s.follow(p, snap.Seq)
	t := &p.trail
	if t.given {
		return
	}
	now := s.x.current(snap.Seq)
	var all []spot
	for _, q := range t.spots {
		hi := s.x.reach(q.epoch, snap.Seq).lso
		if !s.track.late && snap.Kind == SnapshotClient && snap.Position != None && q.epoch == now && !q.again {
			hi = min(hi, snap.Position)
		}
		if snap.Kind == SnapshotFinal && q.epoch != now {
			continue
		}
		r.base = q.base
		if q.low = s.x.leastIn(r, q.epoch, max(q.low, q.base), hi); q.low <= hi {
			all = s.addSpot(all, q)
		}
	}
	r.base = 0
	if len(all) > 0 || s.x.spent() {
		t.spots = s.moved(all, snap.Seq)
		return
	}
	t.giveUp()
	v := s.ofSnapshot(CheckMonotonicReads, snap)
	if snap.Kind == SnapshotFinal {
		v.Check = CheckConvergence
	}
	v.Reason = fmt.Sprintf("the state of %s is nowhere that of the log, after all that the process had returned and reported", who(snap.Client, snap.Process))
	s.violate(v)
}
