package reference

import (
	"errors"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// deliver lets a write get into the log.
func (w *world) deliver() {
	var waiting []*write
	for _, x := range w.writes {
		if !x.gone && (x.records == nil || x.lost() && !x.acked && w.one(2)) {
			waiting = append(waiting, x)
		}
	}
	if len(waiting) == 0 {
		return
	}
	x := waiting[w.rng.IntN(len(waiting))]
	var rs []lin.Record
	for _, it := range items(&x.op) {
		rs = append(rs, lin.Record{Key: it.Key, Value: it.Value})
	}
	x.records = w.append(rs...)
}

// lost reports whether the log has lost the records of a write. It may then be sent again.
func (x *write) lost() bool {
	return !slices.ContainsFunc(x.records, func(e *entry) bool { return !e.lost })
}

// look records the state of a process.
func (w *world) look(p *proc) {
	if w.tap != lin.TapNone && p.opened && p.begun && !p.dead && p.was == nil && p.at >= max(p.behind, p.shown) {
		w.rec.Snapshot(lin.Snapshot{Kind: lin.SnapshotClient, Client: p.client, Process: p.n, Position: p.at, Items: p.items(w.one(2))})
	}
}

// end ends one of a process's operations, if it can.
func (w *world) end(p *proc) {
	if p.dead || len(p.calls) == 0 {
		return
	}
	i := w.rng.IntN(len(p.calls))
	c := p.calls[i]
	if !w.ends(p, c) {
		return
	}
	p.calls = slices.Delete(p.calls, i, i+1)
}

var errSome = errors.New("some error")

func (w *world) ends(p *proc, c *call) bool {
	if w.one(8) && c.op.Kind != lin.OpOpen {
		if c.write != nil && c.write.records == nil && w.one(2) {
			c.write.gone = true
			c.Failed(errSome)
			return true
		}
		if c.op.Kind.Reads() && w.one(2) {
			c.Failed(errSome)
			return true
		}
		if c.write != nil && (c.write.records == nil || c.write.lost()) && w.one(2) {
			c.Class(lin.ErrorLoss)
		}
		if c.write != nil && len(c.write.records) > 0 && w.tap != lin.TapNone {
			if last := c.write.records[len(c.write.records)-1].Offset; last%2 == 0 {
				c.Revision(last)
			}
		}
		c.Unknown(errSome)
		return true
	}
	if p.era < c.era || p.was != nil || p.at < p.shown {
		return false
	}
	if p.at < c.until && (p.era == w.era || p.era == c.era || c.op.Kind != lin.OpOpen) || p.at < p.behind {
		return false
	}
	// Who opens in one that was lost since needs what that had left.
	if c.op.Kind == lin.OpOpen && p.at < slices.Min(append(w.cuts[c.era:p.era:p.era], c.until)) {
		return false
	}
	// Who follows a log that was lost since needs all of that log.
	if slices.ContainsFunc(c.needs, func(e *entry) bool { return !p.has(w, e) && (!e.lost || p.era <= c.era) }) {
		return false
	}
	if c.write != nil {
		if c.write.records == nil || slices.ContainsFunc(c.write.records, func(e *entry) bool { return !e.seen[p] }) {
			return false
		}
		c.write.acked = true
		if w.tap != lin.TapNone && w.one(2) {
			c.Revision(c.write.records[len(c.write.records)-1].Offset)
		}
	}
	if c.op.Kind.Reads() {
		w.read(p, c)
	}
	if w.tap != lin.TapNone && w.one(2) {
		c.Position(p.at)
	}
	p.opened = p.opened || c.op.Kind == lin.OpOpen
	c.OK()
	if c.op.Kind == lin.OpClose {
		p.dead = true
		if w.one(2) {
			w.start(p.client, p.n+1)
		}
	}
	return true
}

// has reports whether a process has applied an entry.
func (p *proc) has(w *world, e *entry) bool {
	return e.Offset < p.at && e.Offset < int64(len(p.log(w))) && p.log(w)[e.Offset] == e
}

func (p *proc) log(w *world) []*entry {
	if p.era < w.era {
		return p.view
	}
	return w.log
}

// read lets a read take place.
func (w *world) read(p *proc, c *call) {
	rev := w.tap != lin.TapNone && w.one(2)
	if c.op.Kind == lin.OpGet {
		if it, ok := p.state[c.op.Key]; ok {
			c.Value(it.Value)
			if rev {
				c.Revision(it.Revision)
			}
		}
		return
	}
	var got []lin.Item
	for _, it := range p.items(rev) {
		if it.Key >= c.op.Start && (c.op.End == "" || it.Key < c.op.End) && (c.op.Limit == 0 || len(got) < c.op.Limit) {
			got = append(got, it)
		}
	}
	c.Items(got)
}

func (p *proc) items(rev bool) (all []lin.Item) {
	for _, it := range p.state {
		if !rev {
			it.Revision = lin.None
		}
		all = append(all, it)
	}
	return byKey(all)
}
