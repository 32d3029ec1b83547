package linearizability

import "slices"

// claimed judges what an operation that has returned says of the hooks.
func (f *hookFollower) claimed(c *hookClaim) bool {
	seq := f.op(c.op).Return.Seq
	check := func(all []place) (kept []place) {
		for i := range all {
			kept = append(kept, f.allows(&all[i], c, seq)...)
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

// allows returns where a process at a place may be when an operation has returned. One that claims
// nothing of what the log has may return while the process rereads it.
func (f *hookFollower) allows(p *place, c *hookClaim, seq int64) []place {
	anew := p.again != nil || !f.log.reported || f.op(c.op).Call.Seq <= f.until
	if anew && c.in(f.x, f.x.current(seq)) <= f.log.start(seq) || f.toldOf(p, c.op) {
		return []place{*p}
	}
	rereads := p.waiting || p.differs != nil
	if p.again != nil && rereads && f.op(c.op).Call.Seq < p.again.seq && len(f.reaches(&p.again.from, c, seq)) > 0 {
		return []place{*p} // it may have returned before that
	}
	if !rereads {
		return f.reaches(p, c, seq)
	}
	for _, q := range f.settled(p, seq) {
		if q.differs == nil && len(f.reaches(&q, c, seq)) > 0 {
			return []place{*p}
		}
	}
	return nil
}

// toldOf reports whether hooks have told of a write in the log that a process follows at a place. The
// log may have lost that record since, and got another one of the same write, which was sent again.
func (f *hookFollower) toldOf(p *place, op int32) bool {
	o := f.op(op)
	if !o.Kind.Writes() || p.waiting || p.differs != nil {
		return false
	}
	items := f.itemsOf(op)
	for n, it := range items {
		told := it.class >= 0 && slices.ContainsFunc(f.x.written[max(0, it.class)], func(rec int32) bool {
			m := &f.x.records[rec]
			return m.seq > o.Call.Seq && m.born <= p.epoch && m.died > p.epoch && m.off+int64(len(items)-n) <= p.at
		})
		if !told {
			return false
		}
	}
	return true
}

// reaches returns where a process that follows the log may be if it has got as far as an operation
// claims. Then hooks have told of what is below, if it reads the log of one epoch only.
func (f *hookFollower) reaches(p *place, c *hookClaim, seq int64) []place {
	last := f.lastEpoch(p, seq)
	from := p.epoch
	if !c.any {
		from = max(from, c.pos.epoch)
	}
	for e := from; e <= last && f.x.spend(1); e++ {
		off := c.in(f.x, e)
		off = min(off, f.x.reach(e, seq).lso)
		switch {
		case p.at < off && f.owed(p, e, off, seq) >= 0:
		case p.at >= off || from < last || p.at == 0 && p.again == nil && f.began(e, off-1, beyond, seq):
			return []place{*p}
		default:
			return []place{f.behind(p, e, off-1)}
		}
	}
	return nil
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
