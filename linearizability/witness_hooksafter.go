package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// A hookFollower follows the hooks of one process after the log has lost records, or after the
// process has reread it. It knows all places where the process may be.
//
// A process that has lost nothing of what it had read goes on: there is one hook for each record.
// One that rereads the log tells what differs from what its hooks have been told, up to where the
// log is the one that it had read. From there on, again, there is one hook for each record:
//
//	log before   a=1 b=1 a=2 c=1   hooks: a=1 b=1 a=2 c=1
//	log after    a=1 b=1 d=1       hooks: delete c, a=1, and then d=1
type hookFollower struct {
	*hookReader

	late   bool
	places []place
	told   map[string]*Hook // by key: the last hook
	last   int64            // the event of the last hook
	// maybe has values of keys that the process may hold though no hook has told of them: when it
	// rereads a log that lost nothing, another leader may still have a record that compaction
	// had removed before the process read it.
	maybe map[int32][]int32
}

// A moment is something that a process did, apart from hooks.
type moment struct {
	seq     int64
	claim   *hookClaim
	final   *Snapshot
	rebuild *Rebuild
}

// afterLoss judges the hooks from number n on, which fired after the first loss or rebuild.
func (r *hookReader) afterLoss(n int, loss int64) {
	f := &hookFollower{hookReader: r, late: r.h.Header.Tap != TapExact, told: map[string]*Hook{}, last: loss}
	for _, i := range r.next {
		p := place{epoch: r.epoch}
		if i > 0 {
			p.at = r.x.records[r.list.at(i-1)].off + 1
		}
		p.upTo = max(p.at, f.first)
		f.places = add(f.places, p)
	}
	for _, h := range r.of.hooks[:n] {
		f.note(h)
	}
	hooks, all := r.of.hooks[n:], f.moments(loss)
	for _, h := range hooks {
		for ; len(all) > 0 && all[0].seq < h.Seq; all = all[1:] {
			if !f.moment(&all[0]) {
				return
			}
		}
		if h.Away { // it can't be known where the process is from here on
			r.finally()
			return
		}
		r.judged(CheckHooks)
		if !f.hook(h) {
			return
		}
	}
	for i := range all {
		if !f.moment(&all[i]) {
			return
		}
	}
	r.finally()
}

// moments returns what the process did after the first loss or rebuild, in order.
func (f *hookFollower) moments(loss int64) (all []moment) {
	for i := range f.of.claims {
		all = append(all, moment{seq: f.op(f.of.claims[i].op).Return.Seq, claim: &f.of.claims[i]})
	}
	for _, s := range f.of.finals {
		if s.Seq > loss {
			all = append(all, moment{seq: s.Seq, final: s})
		}
	}
	for _, b := range f.of.rebuilds {
		all = append(all, moment{seq: b.Seq, rebuild: b})
	}
	slices.SortFunc(all, func(a, b moment) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

func (f *hookFollower) note(h *Hook) {
	f.told[h.Key] = h
	f.last = h.Seq
	if k, ok := f.x.keyID[h.Key]; ok {
		delete(f.maybe, k)
	}
}

func (f *hookFollower) moment(m *moment) bool {
	switch {
	case f.x.spent():
		return false
	case m.claim != nil:
		return f.claimed(m.claim)
	case m.final != nil:
		return f.caughtUp(m.final)
	}
	f.rebuilt(m.rebuild)
	return true
}

// rebuilt takes that the process rereads the log.
func (f *hookFollower) rebuilt(b *Rebuild) {
	var next []place
	for i := range f.places {
		p := &f.places[i]
		from := []place{*p}
		if p.waiting || p.differs != nil {
			from = slices.DeleteFunc(f.settled(p, b.Seq), func(q place) bool { return q.differs != nil })
			if q := *p; q.waiting {
				from = append(from, q)
			} else {
				from = append(from, q.unfinished(b.Seq))
			}
		}
		for n := range from {
			if !b.Cause.lossless() {
				q := f.reread(&from[n], b.Seq, false)
				next = f.addDeleted(add(next, q), &q)
			}
			if b.Cause != RebuildLoss {
				next = add(next, f.reread(&from[n], b.Seq, true))
			}
		}
	}
	if len(next) > 0 {
		f.places = next
	}
}

// hook takes a hook.
func (f *hookFollower) hook(h *Hook) bool {
	var next []place
	for i := range f.places {
		if p := &f.places[i]; p.waiting || p.differs != nil {
			for _, q := range f.settled(p, h.Seq) {
				next = f.after(next, &q, h)
			}
		} else {
			next = f.after(next, p, h)
		}
	}
	if len(next) == 0 || h.Delete || shared(h.Value) || len(f.written(h.Key, h.Value)) > 1 {
		for _, p := range f.silently(h.Seq) {
			next = f.after(next, &p, h)
		}
	}
	if len(next) == 0 {
		f.unexpected(h)
		return false
	}
	f.places = next
	f.note(h)
	return !f.x.spent()
}

// silently returns where the process may be if it has reread the log, which the history does not
// say of any process. It can only have done so after a loss.
func (f *hookFollower) silently(seq int64) (all []place) {
	if f.log.reported {
		return nil
	}
	for i := range f.places {
		for _, p := range f.settled(&f.places[i], seq) {
			since := int64(0)
			if p.again != nil {
				since = p.again.seq
			}
			if p.differs != nil || !f.lostSince(&p, max(since, f.from), seq) {
				continue
			}
			q := f.reread(&p, seq, false)
			q.again.seq, q.again.silent = max(since, f.last), true
			all = append(all, f.settled(&q, seq)...)
		}
	}
	return all
}

// lostSince reports whether the log lost its end or what a process at a place had not got to, between
// two events. With a late tap, it is not known when records were deleted.
func (f *hookFollower) lostSince(p *place, from, to int64) bool {
	if f.x.current(from) != f.x.current(to) {
		return true
	}
	f.x.spend(len(f.x.trims))
	return slices.ContainsFunc(f.x.trims, func(t trim) bool {
		return t.off > p.at && (f.late || t.seq > from && t.seq < to)
	})
}

// after adds where a process at a place may be after a hook.
func (f *hookFollower) after(next []place, p *place, h *Hook) []place {
	if d := p.differs; d != nil {
		i := d.find(h)
		if n := d.musts[min(p.next, len(d.all)-1)]; i >= p.next && (n < 0 || int(n) >= i) {
			q := *p
			if q.next = i + 1; q.next == len(d.all) {
				q.differs, q.next = nil, 0
			}
			next = add(next, q)
		}
		return next
	}
	if g := p.gone; g != nil {
		told := f.since(g)
		if i := g.find(h); i >= p.nextGone && !told(g.all[i].key) {
			if n := g.owed(p.nextGone, told); n < 0 || f.x.keys[n] >= h.Key {
				q := *p
				q.nextGone = i + 1
				next = add(next, q)
			}
		}
		if p.nextGone > 0 && g.owed(p.nextGone, told) >= 0 {
			return next
		}
	}
	for _, q := range f.follows(p, h) {
		if q.nextGone > 0 {
			q.gone, q.nextGone = nil, 0
		}
		next = add(next, q)
	}
	return next
}

// since returns which keys hooks have told of since the log was reread.
func (f *hookFollower) since(d *differences) func(key int32) bool {
	return func(key int32) bool {
		h := f.told[f.x.keys[key]]
		return h != nil && h.Seq > d.since
	}
}

// follows returns where a process that follows the log may be after a hook.
func (f *hookFollower) follows(p *place, h *Hook) (all []place) {
	value := h.Value
	if h.Delete {
		value = ""
	} else if value == "" {
		return nil
	}
	c := f.x.lookup(h.Key, value)
	if c < 0 {
		return nil
	}
	last := f.lastEpoch(p, h.Seq)
	if recs := f.x.written[c]; len(recs) < 4 {
		for _, rec := range recs {
			m := &f.x.records[rec]
			for e := max(p.epoch, m.born); e <= min(last, m.died-1) && f.fits(p, e, rec, h); e++ {
				if f.owedUpTo(p, e, m.off, m.off, h.Seq) < 0 {
					all = append(all, f.behind(p, e, m.off))
					break
				}
				if p.at > 0 { // only where it begins depends on the epoch
					break
				}
			}
		}
		return all
	}
	for e := p.epoch; e <= last && f.x.spend(1); e++ {
		l, above := f.x.timeline.in(e, 0), int64(-1)
		for i := f.x.search(l, p.at); i < l.len() && f.x.spend(1); i++ {
			rec := l.at(i)
			if m := &f.x.records[rec]; m.class == c && f.fits(p, e, rec, h) && (above < 0 || f.began(e, above, m.off, h.Seq)) {
				all = add(all, f.behind(p, max(p.epoch, m.born), m.off))
			}
			if !f.skips(p, e, rec, beyond, h.Seq) {
				break
			}
			if !f.skips(p, e, rec, 0, h.Seq) {
				above = f.x.records[rec].off // it has begun above
			}
		}
	}
	return all
}

// fits reports whether a hook can be that of a record.
func (f *hookFollower) fits(p *place, e, rec int32, h *Hook) bool {
	m := &f.x.records[rec]
	return m.visible() && m.off >= p.at && m.off < f.x.reach(e, h.Seq).lso && (h.Offset == None || h.Offset == m.off)
}

// behind returns the place behind a record.
func (f *hookFollower) behind(p *place, e int32, off int64) place {
	q := *p
	if e > p.epoch {
		q.upTo = min(q.upTo, f.x.cuts.of(p.epoch+1, e))
	}
	q.epoch, q.at = e, off+1
	q.upTo = max(q.upTo, q.at)
	return q
}

// caughtUp judges whether a process that has caught up has called all its hooks.
func (f *hookFollower) caughtUp(s *Snapshot) bool {
	now := f.x.current(s.Seq)
	end := f.x.reach(now, s.Seq).lso
	if f.late {
		now = int32(len(f.x.epochs) - 1)
		end = min(f.x.reach(now, s.Seq).lso, f.x.settled)
	}
	owed, key := int32(-1), int32(-1)
	all := f.places
	for range 2 {
		for i := range all {
			for _, p := range f.settled(&all[i], s.Seq) {
				switch {
				case p.differs != nil:
					key = p.differs.owed(p.next, nil)
				case now > p.epoch && f.x.cuts.of(p.epoch+1, now) < p.at:
				case p.gone != nil && p.gone.owed(p.nextGone, f.since(p.gone)) >= 0:
					key = p.gone.owed(p.nextGone, f.since(p.gone))
				default:
					if owed = f.owed(&p, now, end, s.Seq); owed < 0 {
						return !f.x.spent()
					}
				}
			}
		}
		all = f.silently(s.Seq)
	}
	v := f.ofSnapshot(CheckHooks, s)
	v.Reason = fmt.Sprintf("%s had caught up at %s, but its hooks had not told that the log lost records", who(s.Client, s.Process), s.Time)
	switch {
	case owed >= 0:
		v.Key = f.x.keys[f.x.records[owed].key]
		v.Reason = fmt.Sprintf("%s had caught up at %s, but the hook for %s had not fired", who(s.Client, s.Process), s.Time, f.recordName(owed))
		v = f.with(v, owed)
	case key >= 0:
		v.Key = f.x.keys[key]
		v.Reason = fmt.Sprintf("%s had caught up at %s, but no hook had told what differs in key %s since it reread the log",
			who(s.Client, s.Process), s.Time, quote(v.Key))
	}
	f.violate(v)
	return false
}

// unexpected reports a hook for which it was not the time.
func (f *hookFollower) unexpected(h *Hook) {
	v := f.violation(h)
	recs := f.written(h.Key, h.Value)
	readable := 0
	if !f.x.spend(len(recs)) {
		return
	}
	for _, m := range recs {
		rec := &f.x.records[m]
		if rec.visible() && (h.Offset == None || h.Offset == rec.off) && rec.off < f.x.reach(rec.born, h.Seq).lso && f.x.epochs[rec.born].seq <= h.Seq {
			readable++
		}
	}
	last, skipped := f.told[h.Key], f.skipped(h)
	switch {
	case readable == 0 && !h.Delete:
		v.Reason = hookName(h) + " fired, but readers could see no such record in the log by then"
	case len(recs) == 1 && last != nil && !last.Delete && last.Value == h.Value:
		v.Reason = hookName(h) + " fired twice"
		v.From = last.Stamp
	case skipped != "":
		v.Reason = fmt.Sprintf("the hook for %s was skipped: the next one to fire was the %s", skipped, hookName(h))
	default:
		v.Reason = hookName(h) + " fired, but it was not its turn: after the hooks before, the log has no such record that follows, and nothing that was lost makes it differ"
	}
	if len(recs) <= 6 {
		v = f.with(v, recs...)
	}
	f.violate(v)
}

// skipped names what a hook left out, if anything.
func (f *hookFollower) skipped(h *Hook) string {
	for i := range f.places {
		for _, p := range f.settled(&f.places[i], h.Seq) {
			if p.differs != nil {
				if key := p.differs.owed(p.next, nil); key >= 0 {
					return "key " + quote(f.x.keys[key]) + ", which differs since the log was reread,"
				}
				continue
			}
			e := f.lastEpoch(&p, h.Seq)
			if rec := f.owed(&p, e, f.x.reach(e, h.Seq).lso, h.Seq); rec >= 0 {
				return f.recordName(rec)
			}
		}
	}
	return ""
}

// written returns all records of a key with a value that the log ever had.
func (r *hookReader) written(key, value string) []int32 {
	c := r.x.lookup(key, value)
	if c < 0 {
		return nil
	}
	return r.x.written[c]
}
