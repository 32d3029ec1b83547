package linearizability

import (
	"cmp"
	"fmt"
)

// afterLoss judges the hooks from the first loss or rebuild on by what holds however the
// process reread the log: a hook tells something that is in some log and can be read, it
// tells no value that its listener has already, or that it has had while the log lost nothing,
// what the hooks tell one after the other are states of the log that don't go back, and the hook
// for the process's own write has fired once the write is acknowledged.
func (r *hookReader) afterLoss(before, hooks []*Hook, writes []int32) {
	told := map[string]*Hook{}
	fired := map[Item]*Hook{}
	note := func(h *Hook) {
		told[h.Key] = h
		if !h.Delete {
			fired[Item{Key: h.Key, Value: h.Value}] = h
		}
	}
	for _, h := range before {
		note(h)
	}
	t := &toldStates{hookReader: r, at: position{r.epoch, r.offset()}, proc: process{client: r.proc.client, number: r.proc.number, opened: r.proc.opened}}
	for _, h := range hooks {
		for ; len(writes) > 0 && r.op(writes[0]).Return.Seq < h.Seq; writes = writes[1:] {
			if !r.toldOwn(writes[0], told) {
				return
			}
		}
		r.judged(CheckHooks)
		last := told[h.Key]
		if h.Seq < r.lost && !h.Delete {
			last = cmp.Or(fired[Item{Key: h.Key, Value: h.Value}], last)
		}
		if !r.news(h, last) || !t.takes(h) {
			return
		}
		note(h)
	}
	for _, op := range writes {
		if !r.toldOwn(op, told) {
			return
		}
	}
}

// news judges one hook. Last is the hook of its key before it, or the one that told the same
// before if that must not be told again, or nil.
func (r *hookReader) news(h, last *Hook) bool {
	if h.Delete {
		return true // the key may have vanished with the log's tail
	}
	recs := r.written(h.Key, h.Value)
	readable := 0
	if !r.x.spend(len(recs)) {
		return false
	}
	for _, m := range recs {
		rec := &r.x.records[m]
		if rec.visible() && (h.Offset == None || h.Offset == rec.off) && rec.off < r.x.reach(rec.born, h.Seq).lso && r.x.epochs[rec.born].seq <= h.Seq {
			readable++
		}
	}
	v := r.violation(h)
	switch {
	case readable == 0:
		v.Reason = hookName(h) + " fired, but readers could see no such record in the log by then"
	case len(recs) == 1 && last != nil && !last.Delete && last.Value == h.Value:
		v.Reason = hookName(h) + " fired twice"
		v.From = last.Stamp
	default:
		return true
	}
	r.violate(r.with(v, recs...))
	return false
}

// toldStates are the states that the hooks of a process have told since a loss or a rebuild. Each
// hook is judged as a read of its key is: there must be a position, not before that of the hooks
// before, at which the log has what it tells.
type toldStates struct {
	*hookReader

	at position
	// proc is the process, of which nothing is known: while it rereads the log, it may miss what
	// compaction has removed after it had read it.
	proc process
}

// takes judges one hook.
func (t *toldStates) takes(h *Hook) bool {
	value := h.Value
	if h.Delete {
		value = ""
	}
	q := read{seq: h.Seq, proc: &t.proc, pos: None, targets: []target{t.target(h.Key, value, h.Offset, h.Seq)}}
	at, ok := t.x.least(&q, t.at, q.reach(t.x))
	if ok {
		t.at = at
		return true
	}
	if t.x.spent() {
		return false
	}
	v := t.violation(h)
	v.Reason = fmt.Sprintf("%s fired, but the log had no such state from position %d on, where the hooks before were", hookName(h), t.x.in(t.at, t.x.current(h.Seq)))
	if k, ok := t.x.keyID[h.Key]; ok {
		if rec, _ := t.stateAt(t.x.current(h.Seq), k, t.x.in(t.at, t.x.current(h.Seq))); rec >= 0 {
			v = t.with(v, rec)
		}
	}
	t.violate(v)
	return false
}

// written returns all records of a key with a value that the log ever had.
func (r *hookReader) written(key, value string) []int32 {
	c := r.x.lookup(key, value)
	if c < 0 {
		return nil
	}
	return r.x.written[c]
}

// toldOwn judges whether the hook for the last record of an acknowledged write of the
// process had fired, or one for a later record of the key.
func (r *hookReader) toldOwn(op int32, told map[string]*Hook) bool {
	o := r.op(op)
	now := r.x.current(o.Return.Seq)
	for _, it := range r.itemsOf(op) {
		if it.rec < 0 || it.paired {
			continue
		}
		rec := &r.x.records[it.rec]
		cls := r.x.classes[rec.class]
		key := r.x.keys[cls.key]
		versions := r.x.versions.in(now, cls.key)
		newest := versions.len() > 0 && versions.at(versions.len()-1) == it.rec
		if cls.value == "" || rec.born != now || rec.died != never || rec.gone != 0 || !newest || r.x.trimmed(it.rec) {
			continue
		}
		if h := told[key]; h != nil && !h.Delete && h.Value == cls.value {
			continue
		}
		v := r.accusation(CheckHooks, op)
		v.Key = key
		v.Reason = fmt.Sprintf("%s was acknowledged at %s, when the hook for its record at offset %d had not fired", o.call(), o.Return.Time, rec.off)
		r.violate(r.with(v, it.rec))
		return false
	}
	return true
}
