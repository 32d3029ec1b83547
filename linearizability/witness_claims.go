package linearizability

import "fmt"

// claims judges what an operation claims by returning: that the process has got as far as
// it waited for. What is judged is the position that the operation itself reports, and
// whether readers could get that far at all.
func (s *sweeper) claims(op int32, f *inFlight) {
	o := s.op(op)
	switch o.Kind {
	case OpWait:
		s.judged(CheckWaitRevision)
		if end := s.x.furthest(o.Return.Seq); o.Revision >= end {
			s.claim(op, CheckWaitRevision, o.Revision+1, fmt.Sprintf("readers could get to position %d only", end))
			return
		}
		s.claimed(op, f, CheckWaitRevision, position{s.x.current(o.Call.Seq), o.Revision + 1})
	case OpSync:
		s.claimed(op, f, CheckBarrier, f.anyone.pos)
	case OpOpen:
		s.claimed(op, f, CheckOpen, s.x.join(f.anyone.pos, f.bounds[causeOpen].pos))
	case OpPut, OpDelete, OpBatch:
		s.claimedWrite(op)
	case OpGet, OpRange, OpClose:
	}
}

// claimed judges the position that an operation reports, if the tap is exact. With a late
// tap, the position may move a moment after the operation has returned.
func (s *sweeper) claimed(op int32, f *inFlight, check CheckID, want position) {
	o := s.op(op)
	if last := len(s.x.epochs) - 1; s.h.Header.Tap != TapExact && check != CheckWaitRevision && int(want.epoch) == last && want.off > s.x.settled {
		s.claim(op, check, want.off, fmt.Sprintf("a transaction was open from offset %d on, to the end", s.x.settled))
		return
	}
	if s.h.Header.Tap != TapExact || s.x.lost(o.Call.Seq, o.Return.Seq) {
		return
	}
	cur := s.x.current(o.Return.Seq)
	heard := s.x.joined(&f.bounds).epoch == cur // of the last loss
	if end := s.x.reach(cur, o.Return.Seq).lso; want.epoch == cur && want.off > end && (heard || check != CheckWaitRevision) {
		s.claim(op, check, want.off, fmt.Sprintf("readers could get to position %d only", end))
		return
	}
	if o.Position == None || s.x.rebuilt(o, o.Call.Seq) || !heard {
		return // it may have gone back meanwhile
	}
	if f.reported.op >= 0 && !s.x.satisfied(f.reported.pos, position{cur, o.Position}) {
		return // it went back, which is reported as that
	}
	if want.epoch <= cur && o.Position < s.x.in(want, cur) {
		s.claim(op, check, s.x.in(want, cur), fmt.Sprintf("its process was at position %d", o.Position))
	}
}

func (s *sweeper) claim(op int32, check CheckID, want int64, but string) {
	o := s.op(op)
	v := s.accusation(check, op)
	v.Offsets = []int64{max(0, want-1)}
	v.Reason = fmt.Sprintf("%s returned at %s, which claims position %d, but %s", o.call(), o.Return.Time, want, but)
	s.violate(v)
}

// claimedWrite judges whether readers could see a write that was acknowledged.
func (s *sweeper) claimedWrite(op int32) {
	o := s.op(op)
	p, ok := s.wrote(op)
	if !ok || p.epoch != s.x.current(o.Return.Seq) {
		return
	}
	now := s.x.reach(p.epoch, o.Return.Seq)
	if s.h.Header.Tap != TapExact { // it is known only what never ended
		if int(p.epoch) < len(s.x.epochs)-1 {
			return
		}
		now = step{end: s.x.epochs[p.epoch].end, lso: s.x.settled}
	}
	if p.off <= now.end && p.off > now.lso {
		s.claim(op, CheckWriteVisible, p.off, fmt.Sprintf("a transaction was open from offset %d on", now.lso))
	}
}
