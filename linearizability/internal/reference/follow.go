package reference

import (
	"fmt"
	"maps"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// advance lets a process apply some records, or find out that the log is another one.
func (w *world) advance(p *proc) {
	if p.dead || !p.begun {
		return
	}
	if p.era < w.era && w.one(2) {
		cut := int64(len(p.view))
		for _, c := range w.cuts[p.era:] {
			cut = min(cut, c)
		}
		p.shown, p.least = min(p.shown, cut), min(p.least, cut)
		if p.at > cut || w.one(3) {
			w.reread(p, min(p.at, cut))
		} else {
			p.era, p.behind = w.era, 0
		}
	}
	for range 1 + w.rng.IntN(3) {
		if p.was != nil && p.era == w.era && w.one(2) {
			w.trim(p.at)
		}
		switch {
		case p.era == w.era && p.at < w.start0:
			w.reread(p, w.start0)
		case p.era == w.era && p.at == w.start0 && p.was != nil && p.from < p.at && w.one(2):
			p.least = min(p.least, p.at) // it can't tell any more whether more is left
			w.reread(p, p.least)
		}
		switch {
		case p.was != nil:
			w.goOn(p, 1)
		case p.at < stable(p.log(w)):
			w.apply(p)
		}
	}
}

// apply applies the next batch.
func (w *world) apply(p *proc) {
	log := p.log(w)
	own := false
	for _, c := range p.calls {
		own = own || c.write != nil && slices.Contains(c.write.records, log[p.at])
	}
	for last := log[p.at].last; p.at <= last; p.at++ {
		e := log[p.at]
		e.seen[p] = true
		if e.Key == "" || e.aborted {
			continue
		}
		if e.removed && !own && w.one(2) {
			for _, later := range log[p.at+1:] {
				if later.Key == e.Key && !later.aborted {
					p.behind = max(p.behind, later.Offset+1)
					break
				}
			}
			continue
		}
		if e.Value == "" {
			delete(p.state, e.Key)
		} else {
			p.state[e.Key] = lin.Item{Key: e.Key, Value: e.Value, Revision: e.Offset}
		}
		w.hook(p, lin.Hook{Key: e.Key, Value: e.Value, Offset: e.Offset})
	}
}

func (w *world) hook(p *proc, h lin.Hook) {
	if w.hooks {
		h.Client, h.Process, h.Delete = p.client, p.n, h.Value == ""
		w.rec.Hook(h)
	}
}

// reread lets a process discard its state and read the log again, of which all below an offset is
// left if it was not about to do so before.
func (w *world) reread(p *proc, left int64) {
	if p.was == nil {
		p.was, p.least, p.shown = p.state, left, max(p.shown, left)
	}
	p.era, p.behind, p.state, p.at, p.from = w.era, 0, map[string]lin.Item{}, w.start0, w.start0
	w.rec.Rebuild(lin.Rebuild{Client: p.client, Process: p.n, Cause: lin.RebuildLoss})
	if !w.torn && w.one(2) {
		w.goOn(p, len(w.log)+1)
	}
}

// goOn lets a process read the log again, so many times the next batch. Then it tells what differs.
func (w *world) goOn(p *proc, n int) {
	hooks := w.hooks
	w.hooks = false
	for ; n > 0 && p.at < stable(p.log(w)) && p.at < p.least; n-- {
		w.apply(p)
	}
	w.hooks = hooks
	if p.at < stable(p.log(w)) && p.at < p.least {
		return
	}
	was := p.was
	p.was = nil
	for _, k := range slices.Sorted(maps.Keys(was)) {
		if _, ok := p.state[k]; !ok {
			w.hook(p, lin.Hook{Key: k, Offset: lin.None})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.state)) {
		if it := p.state[k]; it.Value != was[k].Value {
			w.hook(p, lin.Hook{Key: k, Value: it.Value, Offset: it.Revision})
		}
	}
}

// foreign lets another program write, with or without a transaction.
func (w *world) foreign() {
	for _, txn := range slices.Sorted(maps.Keys(w.txns)) {
		open := w.txns[txn]
		if open && w.one(2) {
			w.decide(txn)
			return
		}
	}
	r := lin.Record{Key: w.key(), Foreign: true}
	if w.one(5) {
		r.Key = ""
	} else if !w.one(4) {
		r.Value = w.value()
	}
	if w.one(2) && (!slices.Contains(slices.Collect(maps.Values(w.txns)), true) || w.one(4)) {
		r.Txn = fmt.Sprint("t", len(w.txns)+1)
		w.txns[r.Txn] = true
	} else {
		for _, txn := range slices.Sorted(maps.Keys(w.txns)) {
			open := w.txns[txn]
			if open && w.one(2) {
				r.Txn = txn
			}
		}
	}
	w.append(r)
}

// decide ends a transaction.
func (w *world) decide(txn string) {
	w.txns[txn] = false
	w.append(lin.Record{Foreign: true})
	commit := !w.one(3)
	for _, e := range w.log {
		if e.Txn == txn {
			e.committed, e.aborted = commit, !commit
		}
	}
	w.note(func() { w.rec.Transaction(txn, commit) })
}

// suffer lets something happen to the log.
func (w *world) suffer() {
	what := w.rng.IntN(8)
	if what != 3 && what != 4 {
		w.flush()
	}
	switch what {
	case 0, 1:
		at := w.start0 + int64(w.rng.IntN(len(w.log)-int(w.start0)+1))
		if at < int64(len(w.log)) && at > 0 && w.log[at-1].last >= at {
			return
		}
		if at == int64(len(w.log)) || slices.ContainsFunc(w.log[at:], func(e *entry) bool { return e.Txn != "" || e.Foreign && e.Key == "" }) ||
			stable(w.log) < int64(len(w.log)) || w.bare(at) {
			return
		}
		w.rec.Truncate(at)
		w.lose(at)
	case 2:
		if stable(w.log) < int64(len(w.log)) {
			return
		}
		w.rec.Recreate()
		w.lose(0)
		w.start0 = 0
	case 3, 4:
		w.trim(w.start0 + int64(w.rng.IntN(int(stable(w.log)-w.start0)+1)))
	default:
		if w.one(3) {
			w.uncompact()
		} else {
			w.compact()
		}
	}
}

// trim deletes the records below an offset.
func (w *world) trim(at int64) {
	if at > w.start0 && w.log[at-1].last < at {
		w.start0 = at
		w.rec.Trim(at)
	}
}

// bare reports whether compaction removed a record below an offset for one above it.
func (w *world) bare(at int64) bool {
	return slices.ContainsFunc(w.log[:at], func(e *entry) bool {
		return (e.removed || e.returned) && !slices.ContainsFunc(w.log[e.Offset+1:at], func(l *entry) bool { return l.Key == e.Key && !l.aborted })
	})
}

// lose removes the end of the log.
func (w *world) lose(at int64) {
	for _, p := range w.procs {
		if p.era == w.era {
			p.view = w.log[:stable(w.log)]
		}
	}
	for _, e := range w.log[at:] {
		e.lost = true
	}
	w.log = slices.Clone(w.log[:at])
	w.era++
	w.cuts = append(w.cuts, at)
}

// compact removes records that later ones of their keys supersede, and old tombstones.
func (w *world) compact() {
	var removed []int64
	seen := map[string]bool{}
	for o := stable(w.log) - 1; o >= w.start0; o-- {
		e := w.log[o]
		if e.Key == "" || e.aborted {
			continue
		}
		if !e.removed && seen[e.Key] && w.one(2) {
			e.removed = true
			removed = append(removed, o)
		}
		seen[e.Key] = true
	}
	slices.Reverse(removed)
	if len(removed) > 0 {
		w.rec.Compact(removed)
	}
}

// uncompact lets another replica lead, which has what was removed.
func (w *world) uncompact() {
	var returned []int64
	for _, e := range w.log[w.start0:] {
		if e.removed {
			e.removed, e.returned = false, true
			returned = append(returned, e.Offset)
		}
	}
	if len(returned) > 0 {
		w.rec.Uncompact(returned)
	}
}

// finish lets everything end, and takes the final states.
func (w *world) finish() {
	for w.one(2) {
		w.deliver()
	}
	for _, x := range w.writes {
		x.gone = true
	}
	for _, txn := range slices.Sorted(maps.Keys(w.txns)) {
		open := w.txns[txn]
		if open && !w.one(4) {
			w.decide(txn)
		}
	}
	for _, p := range w.procs {
		for n := 0; !p.dead && p.begun && (p.era < w.era || p.was != nil || p.at < stable(w.log)) && n < 1000; n++ {
			w.advance(p)
		}
		for range 4 {
			w.end(p)
		}
	}
	w.flush()
	if w.tap == lin.TapNone {
		return
	}
	for _, p := range w.procs {
		if !p.dead && p.opened && p.begun {
			pos := p.at
			if w.one(2) {
				pos = lin.None
			}
			w.rec.Snapshot(lin.Snapshot{Kind: lin.SnapshotFinal, Client: p.client, Process: p.n, Position: pos, Items: p.items(w.one(2))})
		}
	}
	if w.one(2) {
		p := &proc{at: w.start0, era: w.era, state: map[string]lin.Item{}}
		w.hooks = false
		for p.at < stable(w.log) {
			w.apply(p)
		}
		w.rec.Snapshot(lin.Snapshot{Kind: lin.SnapshotCold, Position: p.at, Items: p.items(true)})
	}
}
