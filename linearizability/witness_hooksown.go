package linearizability

import (
	"slices"
	"sort"
)

// toldOwn judges the writes of a process during which the log lost records. Such a write takes place
// at a moment between its call and its return, and may return after its process has reread the log. But
// what it wrote was applied at that moment, and told of.
//
// For example, the log [a=1 b=1] loses b=1 and gets c=1 in its place. A client whose hooks have told of
// a=1 and c=1 only can't say that it wrote b=1.
//
// What was removed from the log may be told of nowhere.
func (r *hookReader) toldOwn() bool {
	for _, op := range r.of.torn {
		o := r.op(op)
		if slices.ContainsFunc(r.of.hooks, func(h *Hook) bool { return h.Away && h.Seq < o.Return.Seq }) {
			return true
		}
		r.judged(CheckHooks)
		for n := range r.itemsOf(op) {
			if rec, must := r.untold(op, n); must {
				r.early(&hookClaim{op: op}, rec)
				return false
			}
		}
	}
	return !r.x.spent()
}

// untold returns a record of an item of a write if the process needs to have told of the item, and no
// hook between the call and the return has.
func (r *hookReader) untold(op int32, n int) (rec int32, must bool) {
	o, it := r.op(op), &r.itemsOf(op)[n]
	if it.rec < 0 || r.told(op, n) {
		return -1, false
	}
	for _, rec := range r.x.written[it.class] {
		m := &r.x.records[rec]
		if !r.x.spend(1) || m.seq > o.Call.Seq && (m.gone != 0 && m.gone < r.before(o.Return.Seq) || r.deleted(rec, o.Return.Seq)) {
			return -1, false
		}
	}
	return it.rec, true
}

// deleted reports whether a record was deleted from the start of the log by an event, and not lost before.
// With a late tap, it may have been at any time.
func (r *hookReader) deleted(rec int32, seq int64) bool {
	m := &r.x.records[rec]
	if !r.x.trimmed(rec) || r.h.Header.Tap != TapExact {
		return r.x.trimmed(rec)
	}
	if m.died != never {
		seq = min(seq, r.x.epochs[m.died].seq)
	}
	i := sort.Search(len(r.x.trims), func(i int) bool { return r.x.trims[i].seq > m.seq })
	for ; i < len(r.x.trims) && r.x.trims[i].seq < seq && r.x.spend(1); i++ {
		if r.x.trims[i].off > m.off {
			return true
		}
	}
	return false
}

// told reports whether a hook between the call and the return of a write can be that of one of its
// items.
func (r *hookReader) told(op int32, n int) bool {
	o, c := r.op(op), r.x.classes[r.itemsOf(op)[n].class]
	from := sort.Search(len(r.of.hooks), func(i int) bool { return r.of.hooks[i].Seq > o.Call.Seq })
	for _, h := range r.of.hooks[from:] {
		if h.Seq > o.Return.Seq || !r.x.spend(1) {
			break
		}
		if h.Value == c.value && h.Key == r.x.keys[c.key] && (h.Offset == None || r.reported(op, n) == None || h.Offset == r.reported(op, n)) {
			return true
		}
	}
	return false
}
