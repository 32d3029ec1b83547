package linearizability

import (
	"fmt"
)

// A cause is a reason why a process must have reached a position.
type cause uint8

const (
	causeOwn     cause = iota // its own acknowledged write
	causeBarrier              // a barrier: a Sync of the process, or the read itself
	causeWait                 // a revision that it waited for
	causeSeen                 // what it has read, or a position that it reported
	causeOpen                 // it has opened
	causes
)

// causeChecks has, by cause, the guarantee that a read breaks if it is below the bound.
var causeChecks = [causes]CheckID{
	causeOwn: CheckReadYourWrites, causeBarrier: CheckBarrier, causeWait: CheckWaitRevision,
	causeSeen: CheckMonotonicReads, causeOpen: CheckOpen,
}

// A bound is the lowest position that a cause allows, and the operation that is the
// reason for it.
type bound struct {
	pos position
	op  int32 // -1: no operation
}

// bounds are the bounds of a process at one time, by cause.
type bounds [causes]bound

// A process is what the sweep knows so far about one incarnation of a client.
//
// Invariant: marks is ascending in seq and in position.
type process struct {
	client string
	number int
	bounds bounds
	// reported is the highest position that the process has reported.
	reported bound
	// marks says how far the process was known to have got at which event. It is
	// kept only if records were removed from the log.
	marks []mark
	// opened is the event at which the process started to open, 0 if not known.
	opened int64
	// read has the version of each key that the process read last.
	read map[int32]seen
	// started is where the process may have started to apply the log.
	started started
	// trail is where it may be. rebuilds are the events at which it began to reread the log.
	trail    trail
	rebuilds []int64
}

type seen struct{ rec, op int32 }

// inFlight is what was known when an operation was called.
type inFlight struct {
	bounds   bounds
	anyone   bound // after all that had been acknowledged to, or read by, anyone
	reported bound
	read     seen // the version of the key that the process had read last
	// spots are those of the process when it was called, unless they are given up. turn is the next.
	spots []spot
	turn  turn
	given bool
}

type processID struct {
	client string
	number int
}

// sweep goes through the history in order and judges each read by what was known when it
// was called.
func (j *judge) sweep() {
	s := &sweeper{judge: j, processes: map[processID]*process{}, slot: make([]int32, len(j.h.Ops))}
	s.anyone.op = -1
	s.track = j.newTracker()
	logs, snaps := j.h.Log, j.h.Snapshots
	for _, e := range j.events {
		if s.x.spent() {
			break
		}
		for len(logs) > 0 && logs[0].Seq < e.seq {
			s.logEvent(&logs[0])
			logs = logs[1:]
		}
		for len(snaps) > 0 && snaps[0].Seq < e.seq {
			s.snapshot(&snaps[0])
			snaps = snaps[1:]
		}
		if e.ret {
			s.returned(e.op)
		} else {
			s.called(e.op)
		}
	}
	for i := range snaps {
		if s.x.spent() {
			break
		}
		s.snapshot(&snaps[i])
	}
	j.processes = s.processes
}

// A sweeper is the state of a sweep.
type sweeper struct {
	*judge

	processes map[processID]*process
	// anyone is the highest position that the log is known to have reached: by an
	// acknowledged write, by a read of any client, by a position that any reported, or by an end
	// of the log that was seen. A later barrier of any client must not miss it, nor who opens.
	anyone bound
	track  *tracker
	begins []int64 // what starts answered last

	slot    []int32 // by operation: its index in slots
	slots   []inFlight
	scratch read
	free    []int32
}

func (s *sweeper) process(client string, number int) *process {
	id := processID{client, number}
	p := s.processes[id]
	if p == nil {
		p = &process{client: client, number: number, read: map[int32]seen{}, rebuilds: s.x.rebuilds[id]}
		for c := range p.bounds {
			p.bounds[c].op = -1
		}
		p.reported.op = -1
		s.processes[id] = p
	}
	return p
}

func (s *sweeper) logEvent(l *LogEvent) {
	if l.Kind == LogEnd {
		s.shown(bound{position{s.x.current(l.Seq), l.Offset}, -1})
	}
}

// shown notes that the log has reached a position.
func (s *sweeper) shown(b bound) {
	if !s.x.satisfied(b.pos, s.anyone.pos) {
		s.anyone = bound{s.x.join(s.anyone.pos, b.pos), b.op}
	}
}

func (s *sweeper) called(op int32) {
	o := s.op(op)
	p := s.process(o.Client, o.Process)
	if o.Kind == OpOpen && p.opened == 0 {
		p.opened = o.Call.Seq
		if s.h.Header.Tap == TapExact { // it reads the log from its start
			s.raise(p, causeOpen, bound{s.x.begin(o.Call.Seq), -1})
		}
	}
	if s.track != nil {
		if o.Kind == OpOpen && p.opened == o.Call.Seq {
			s.opens(p, o.Call.Seq)
		} else {
			s.follow(p, o.Call.Seq)
		}
	}
	if o.Outcome != OK {
		return // nothing will be judged when it returns
	}
	f := inFlight{bounds: p.bounds, anyone: s.anyone, reported: p.reported, read: seen{-1, -1}}
	if o.Kind == OpGet {
		if k, ok := s.x.keyID[o.Key]; ok {
			if v, ok := p.read[k]; ok {
				f.read = v
			}
		}
	}
	if n := len(s.free); n > 0 {
		s.slot[op], s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.slots = append(s.slots, inFlight{})
		s.slot[op] = int32(len(s.slots) - 1)
	}
	slot := &s.slots[s.slot[op]]
	if s.track != nil {
		f.spots, f.turn, f.given = append(slot.spots[:0], p.trail.spots...), p.trail.turn, p.trail.given
	}
	*slot = f
}

func (s *sweeper) returned(op int32) {
	o := s.op(op)
	p := s.process(o.Client, o.Process)
	if o.Outcome != OK {
		s.mark(p, o.Return.Seq)
		return
	}
	f := &s.slots[s.slot[op]]
	s.free = append(s.free, s.slot[op])
	found := s.found
	f.anyone.pos = s.x.earliest(f.anyone.pos)
	s.claims(op, f)
	lowest := s.x.joined(&f.bounds) // the process was here, or further, at the return
	switch {
	case o.Kind.Writes():
		if pos, ok := s.wrote(op); ok {
			s.raise(p, causeOwn, bound{pos, op})
			s.shown(bound{pos, op})
			lowest = pos
		}
	case o.Kind.Reads():
		if pos, ok := s.judgeRead(op, p, f); ok {
			s.raise(p, causeSeen, bound{pos, op})
			s.shown(bound{pos, op})
			lowest = pos
		}
	case o.Kind == OpSync:
		s.raise(p, causeBarrier, f.anyone)
	case o.Kind == OpWait:
		s.raise(p, causeWait, bound{position{0, o.Revision + 1}, op})
	case o.Kind == OpOpen:
		s.raise(p, causeOpen, bound{f.anyone.pos, op})
	}
	if o.Position != None {
		// The position is of the epoch of lowest, or of a later one.
		at := bound{position{s.x.epochOf(lowest.epoch, o.Position, o.Return.Seq), o.Position}, op}
		s.position(at, p, f)
		s.raise(p, causeSeen, at)
	}
	s.shown(bound{s.x.showed(o), op})
	s.mark(p, o.Return.Seq)
	switch {
	case s.track == nil:
	case s.found > found:
		p.trail.giveUp() // one accusation is enough
	default:
		s.tookPlace(op, p, f)
	}
}

// raise raises the bound of a process for one cause.
func (s *sweeper) raise(p *process, c cause, b bound) {
	if cur := &p.bounds[c]; !s.x.satisfied(b.pos, cur.pos) {
		*cur = bound{s.x.join(cur.pos, b.pos), b.op}
	}
}

// position judges a position that a process reported.
func (s *sweeper) position(at bound, p *process, f *inFlight) {
	o := s.op(at.op)
	s.judged(CheckPosition)
	before := f.reported
	cur := position{s.x.current(o.Return.Seq), o.Position}
	if before.op >= 0 && !s.x.satisfied(before.pos, cur) && !s.reread(before, at.op) {
		v := s.accusation(CheckPosition, at.op, before.op)
		v.Reason = fmt.Sprintf("%s was at position %d at %s, and at position %d at %s", o.Client,
			before.pos.off, s.op(before.op).Return.Time, o.Position, o.Return.Time)
		v.Offsets = []int64{o.Position, before.pos.off}
		s.violate(v)
	}
	if end := s.x.reach(at.pos.epoch, o.Return.Seq).lso; o.Position > end {
		v := s.accusation(CheckPosition, at.op)
		v.Reason = fmt.Sprintf("%s was at position %d at %s, but readers could get to %d only", o.Client, o.Position, o.Return.Time, end)
		v.Offsets = []int64{end}
		s.violate(v)
	}
	s.behind(at, f)
	if p.reported.op < 0 || !s.x.satisfied(at.pos, p.reported.pos) {
		p.reported = bound{s.x.join(p.reported.pos, at.pos), at.op}
	}
}

// behind judges a position of a log that lost nothing, which nobody reread: it is not below one that its
// process had shown before the call.
func (s *sweeper) behind(at bound, f *inFlight) {
	low := s.x.joined(&f.bounds).off
	if s.h.Header.Tap != TapExact || len(s.x.losses) > 0 || len(s.h.Rebuilds) > 0 || at.pos.off >= low {
		return
	}
	v := s.accusation(CheckPosition, at.op)
	v.Reason = fmt.Sprintf("%s was at position %d at %s", v.Client, at.pos.off, s.op(at.op).Return.Time)
	var broken []cause
	for c := range causes {
		if f.bounds[c].pos.off > at.pos.off {
			broken = append(broken, c)
		}
	}
	s.addCauses(v, broken, f)
	s.violate(v)
}

// reread reports whether a client that reported a position may have had to reread the log by
// the time at which another operation returned. Its position may then be lower for a while.
//
// A client hears of a lost tail late. For example, the log [a b c d] loses d; a client still
// answers from all four, at position 4, and is found at position 1 next, because it rereads the
// log. So what counts is the log that it had been known to follow, not what was lost since.
func (s *sweeper) reread(before bound, op int32) bool {
	since, now := s.op(before.op).Return.Seq, s.op(op)
	if s.h.Header.Tap != TapExact && len(s.x.trims) > 0 {
		return true // it is not known what was deleted when
	}
	return before.pos.epoch != s.x.current(now.Return.Seq) || s.x.lost(since, now.Return.Seq) || s.x.rebuilt(now, since)
}
