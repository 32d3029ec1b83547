package linearizability

import (
	"fmt"
)

// A cause is a reason why a process must have reached some position.
type cause uint8

const (
	causeOwn     cause = iota // its own acknowledged write
	causeBarrier              // a barrier, its own or the read's
	causeWait                 // a revision that it waited for
	causeSeen                 // what it has read, or a position it reported
	causeOpen                 // that it has opened
	causes
)

// causeChecks says which guarantee a read breaks that misses a cause.
var causeChecks = [causes]CheckID{
	causeOwn: CheckReadYourWrites, causeBarrier: CheckBarrier, causeWait: CheckWaitRevision,
	causeSeen: CheckMonotonicReads, causeOpen: CheckOpen,
}

// A bound is the position that a cause asks for, and the operation, or the log
// event, that it comes from.
type bound struct {
	pos position
	op  int32 // -1: none
}

// bounds are the bounds of a process at some time, by cause.
type bounds [causes]bound

// A process is one incarnation of a client, as the sweep goes.
//
// Invariant: marks is ascending in seq and in position.
type process struct {
	client string
	number int
	bounds bounds
	// reported is the highest position that the process told.
	reported bound
	// marks is the position that the process was known to have reached, by
	// event. It is kept only if something was removed from the log.
	marks []mark
	// opened is the event at which it began to open, 0 if nobody told.
	opened int64
	// read is the newest version of each key that it has read.
	read map[int32]seen
}

type seen struct{ rec, op int32 }

// inFlight is what was known when an operation was called.
type inFlight struct {
	bounds   bounds
	anyone   bound // what anyone has had acknowledged, or has read
	reported bound
	read     seen // the newest version of the key that the process had read
}

type processID struct {
	client string
	number int
}

// sweep goes through the history in its order and judges each read by what was
// known when it was called.
func (j *judge) sweep() {
	s := &sweeper{judge: j, processes: map[processID]*process{}, slot: make([]int32, len(j.h.Ops))}
	s.anyone.op = -1
	logs, snaps := j.h.Log, j.h.Snapshots
	for _, e := range j.events {
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
		s.snapshot(&snaps[i])
	}
	j.processes = s.processes
}

// A sweeper is the state of a sweep.
type sweeper struct {
	*judge

	processes map[processID]*process
	// anyone is the highest position that was shown to be in the log: by a
	// write that was acknowledged, by a read of any client (what one has read
	// a later barrier of another must not miss), or by the end of the log
	// that was seen.
	anyone bound

	slot    []int32 // by operation: its place in slots
	slots   []inFlight
	scratch read
	free    []int32
}

func (s *sweeper) process(client string, number int) *process {
	id := processID{client, number}
	p := s.processes[id]
	if p == nil {
		p = &process{client: client, number: number, read: map[int32]seen{}}
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

// shown notes a position that is in the log, for all to see.
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
	s.slots[s.slot[op]] = f
}

func (s *sweeper) returned(op int32) {
	o := s.op(op)
	p := s.process(o.Client, o.Process)
	f := &s.slots[s.slot[op]]
	s.free = append(s.free, s.slot[op])
	lowest := s.x.joined(&f.bounds) // where the process was at the return, in doubt
	switch {
	case o.Outcome != OK:
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
	if o.Position != None && o.Outcome == OK {
		// The position is of the epoch of lowest, or of a later one.
		at := bound{position{lowest.epoch, o.Position}, op}
		s.position(at, p, f)
		s.raise(p, causeSeen, at)
	}
	s.mark(p, o.Return.Seq)
}

// raise joins a bound into those of a process.
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
	if before.op >= 0 && !s.x.satisfied(before.pos, cur) && !s.rebuilt(s.op(before.op).Return.Seq, o.Return.Seq) {
		v := s.accusation(CheckPosition, at.op, before.op)
		v.Reason = fmt.Sprintf("%s was at position %d at %s, and at position %d at %s", o.Client,
			before.pos.off, s.op(before.op).Return.Time, o.Position, o.Return.Time)
		v.Offsets = []int64{o.Position, before.pos.off}
		s.violate(v)
	}
	if end := s.furthest(o.Return.Seq); o.Position > end {
		v := s.accusation(CheckPosition, at.op)
		v.Reason = fmt.Sprintf("%s was at position %d at %s, but the log ended at %d", o.Client, o.Position, o.Return.Time, end)
		v.Offsets = []int64{end}
		s.violate(v)
	}
	if p.reported.op < 0 || !s.x.satisfied(at.pos, p.reported.pos) {
		p.reported = bound{s.x.join(p.reported.pos, at.pos), at.op}
	}
}

// rebuilt reports whether a client may have had to reread the log between
// two events, and so may stand lower for a while.
func (s *sweeper) rebuilt(from, to int64) bool {
	for _, t := range s.x.trims {
		if t.seq > from && t.seq < to {
			return true
		}
	}
	return s.x.current(from) != s.x.current(to)
}

// furthest returns the highest end that the log had until an event.
func (s *sweeper) furthest(seq int64) int64 {
	cur := s.x.current(seq)
	if s.h.Header.Tap != TapExact {
		cur = int32(len(s.x.epochs) - 1)
		seq = int64(1) << 62
	}
	var end int64
	for e := int32(0); e <= cur; e++ {
		end = max(end, s.x.reach(e, seq).end)
	}
	return end
}
