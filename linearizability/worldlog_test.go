package linearizability_test

import (
	"fmt"
	"maps"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

type worldRecord struct {
	lin.Record

	aborted, control bool
}

// tap records a log event, now or later.
func (w *world) tap(event func()) {
	if w.late {
		w.queue = append(w.queue, event)
		return
	}
	event()
}

func (w *world) tell(n int) {
	for range min(n, len(w.queue)) {
		w.queue[0]()
		w.queue = w.queue[1:]
	}
}

func (w *world) stable() int64 {
	if w.txn >= 0 {
		return w.txn
	}
	return w.end
}

// arrive appends a write that is under way.
func (w *world) arrive() {
	var under []*worldOp
	for _, c := range w.clients {
		for _, o := range c.ops {
			if o.op.Kind.Writes() && o.off < 0 && !o.lost {
				under = append(under, o)
			}
		}
	}
	under = append(under, w.limbo...)
	if len(under) == 0 {
		return
	}
	o := pick(w, under)
	w.limbo = slices.DeleteFunc(w.limbo, func(l *worldOp) bool { return l == o })
	items := o.op.Items
	if o.op.Kind != lin.OpBatch {
		items = []lin.Item{{Key: o.op.Key, Value: o.op.Value}}
	}
	start := w.end
	for _, it := range items {
		w.append(worldRecord{Record: lin.Record{Key: it.Key, Value: it.Value}})
	}
	o.off, o.epoch = w.end-1, w.epoch
	w.batches[start] = w.end
}

func (w *world) append(r worldRecord) {
	r.Offset = w.end
	w.end++
	w.log = append(w.log, r)
	w.tap(func() { w.r.Append(r.Record) })
}

func (w *world) transaction() {
	if w.txn < 0 {
		w.txns++
		w.txn = w.end
		w.append(worldRecord{Record: lin.Record{Key: "f", Value: fmt.Sprintf("f%d", w.txns), Txn: fmt.Sprintf("t%d", w.txns), Foreign: true}})
		return
	}
	commit := w.one(2)
	name := fmt.Sprintf("t%d", w.txns)
	for i := range w.log {
		if w.log[i].Txn == name {
			w.log[i].aborted = !commit
		}
	}
	w.append(worldRecord{control: true})
	w.txn = -1
	w.tap(func() { w.r.Transaction(name, commit) })
}

// compact removes some of the records that a newer one supersedes.
func (w *world) compact() {
	newest := map[string]int64{}
	for _, r := range w.log {
		if r.Offset < w.stable() && !r.control && !r.aborted {
			newest[r.Key] = r.Offset
		}
	}
	var removed []int64
	var kept []worldRecord
	for _, r := range w.log {
		if !r.control && !r.aborted && r.Offset < newest[r.Key] && w.one(2) {
			removed = append(removed, r.Offset)
			continue
		}
		kept = append(kept, r)
	}
	if len(removed) == 0 || w.calm {
		return
	}
	w.tell(len(w.queue))
	w.log = kept
	w.r.Compact(removed)
	for _, c := range w.clients {
		c.must = max(c.must, w.stable())
	}
}

// truncate loses the tail of the log.
func (w *world) truncate(all bool) {
	if w.txn >= 0 || w.end == 0 || w.calm {
		return
	}
	cut := int64(0)
	if !all {
		cut = w.between(0, w.end)
	}
	for start, end := range w.batches {
		if start < cut && cut < end {
			cut = start
		}
	}
	w.tell(len(w.queue))
	w.epoch++
	w.cuts = append(w.cuts, cut)
	w.log = slices.DeleteFunc(w.log, func(r worldRecord) bool { return r.Offset >= cut })
	w.end = cut
	maps.DeleteFunc(w.batches, func(start, _ int64) bool { return start >= cut })
	for _, c := range w.clients {
		for _, o := range c.ops {
			switch {
			case o.off < cut:
			case w.one(2):
				o.off, o.again = -1, true
			default:
				o.lost = true
			}
		}
	}
	if all {
		w.r.Recreate()
	} else {
		w.r.Truncate(cut)
	}
}

// trim deletes records at the start of the log. Clients that have not got that far have to
// reread it.
func (w *world) trim() {
	if w.stable() == 0 || w.calm {
		return
	}
	start := w.between(1, w.stable())
	w.tell(len(w.queue))
	w.log = slices.DeleteFunc(w.log, func(r worldRecord) bool { return r.Offset < start })
	w.r.Trim(start)
	for _, c := range w.clients {
		c.behind = c.behind || c.pos < start
	}
}
