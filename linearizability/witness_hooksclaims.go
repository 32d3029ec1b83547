package linearizability

import "slices"

// claimed judges what an operation that has returned says of the hooks.
func (f *hookFollower) claimed(c *hookClaim) bool {
	seq := f.op(c.op).Return.Seq
	check := func(all []place) (kept []place) {
		for i := range all {
			if f.allows(&all[i], c, seq) {
				kept = append(kept, all[i])
			}
		}
		return kept
	}
	kept := check(f.places)
	if len(kept) == 0 {
		kept = check(f.silently(seq))
	}
	if len(kept) > 0 {
		f.places = kept
		return !f.x.spent()
	}
	f.early(c, f.missing(c, seq))
	return false
}

// allows reports whether an operation may have returned at a place. One that claims nothing of what
// the log has may return while the process rereads it.
func (f *hookFollower) allows(p *place, c *hookClaim, seq int64) bool {
	if c.in(f.x, f.x.current(seq)) <= f.log.start(seq) || f.toldOf(p, c.op) {
		return true
	}
	if p.again != nil && (p.waiting || p.differs != nil) && f.op(c.op).Call.Seq < p.again.seq && f.reaches(&p.again.from, c, seq) {
		return true // it may have returned before that
	}
	for _, q := range f.settled(p, seq) {
		if q.differs == nil && f.reaches(&q, c, seq) {
			return true
		}
	}
	return false
}

// toldOf reports whether hooks have told of a write in the log that a process follows at a place. The
// log may have lost that record since, and got another one of the same write, which was sent again.
func (f *hookFollower) toldOf(p *place, op int32) bool {
	o := f.op(op)
	if !o.Kind.Writes() || p.waiting || p.differs != nil {
		return false
	}
	for _, it := range f.itemsOf(op) {
		told := it.class >= 0 && slices.ContainsFunc(f.x.written[max(0, it.class)], func(rec int32) bool {
			m := &f.x.records[rec]
			return m.seq > o.Call.Seq && m.born <= p.epoch && m.died > p.epoch && m.off < p.at
		})
		if !told {
			return false
		}
	}
	return true
}

// reaches reports whether a process that follows the log may have got as far as an operation claims.
func (f *hookFollower) reaches(p *place, c *hookClaim, seq int64) bool {
	last := f.lastEpoch(p, seq)
	from := p.epoch
	if !c.any {
		from = max(from, c.pos.epoch)
	}
	for e := from; e <= last && f.x.spend(1); e++ {
		off := c.in(f.x, e)
		if off = min(off, f.x.reach(e, seq).lso); p.at >= off || f.owed(p, e, off, seq) < 0 {
			return true
		}
	}
	return false
}

// missing returns a record whose hook had not fired when an operation returned, or -1.
func (f *hookFollower) missing(c *hookClaim, seq int64) int32 {
	for i := range f.places {
		for _, p := range f.settled(&f.places[i], seq) {
			if e := f.lastEpoch(&p, seq); p.differs == nil {
				return f.owed(&p, e, max(c.pos.off, p.at+1), seq)
			}
		}
	}
	return -1
}
