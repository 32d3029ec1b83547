package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// hook takes the next hook. If it is not the turn of a record that the hook can be of,
// it reports a violation and returns false.
func (r *hookReader) hook(h *Hook) bool {
	if r.ofNext(h) {
		return true
	}
	held := r.records(h)
	if held.len() == 0 {
		r.strange(h, r.anyRecords(h))
		return false
	}
	var next []int
	if held.len() == 1 {
		next = r.ledTo(held.at(0), h.Seq)
	} else {
		next = r.ledToAny(r.x.records[held.at(0)].class, h.Seq)
	}
	next = r.readable(next, h.Seq)
	if len(next) > 0 {
		r.next = next
		return true
	}
	if r.tooEarly(h, held) {
		return false
	}
	k := r.x.search(held, r.offset())
	if k == held.len() {
		r.strange(h, held)
		return false
	}
	turn := held.at(k)
	for i := r.furthest(); i < r.list.len() && r.list.at(i) != turn && r.x.spend(1); i++ {
		if m := r.list.at(i); !r.mayMiss(m, h.Seq) {
			v := r.violation(h)
			v.Reason = fmt.Sprintf("the hook for %s was skipped: the next one to fire was for offset %d",
				r.recordName(m), r.x.records[turn].off)
			r.violate(r.with(v, m, turn))
			return false
		}
	}
	r.strange(h, held)
	return false
}

// ofNext takes a hook that is that of the next record, and can be of no other one. It returns false if
// that is not certain.
func (r *hookReader) ofNext(h *Hook) bool {
	if len(r.next) != 1 || r.next[0] >= r.list.len() || h.Delete == (h.Value != "") {
		return false
	}
	rec := r.list.at(r.next[0])
	m := &r.x.records[rec]
	if m.class < 0 || !m.visible() || h.Offset != None && h.Offset != m.off || m.off >= r.reached(h.Seq) {
		return false
	}
	if r.x.classes[m.class].value != h.Value || r.x.keys[m.key] != h.Key || len(r.x.written[m.class]) != 1 && r.mayMiss(rec, h.Seq) {
		return false
	}
	r.next[0]++
	return true
}

// reached returns how far readers could get by an event. It is quick if that of the last call was a
// little earlier.
func (r *hookReader) reached(seq int64) int64 {
	steps := r.x.steps
	for range 8 {
		if r.step == len(steps) || steps[r.step].seq > seq {
			break
		}
		r.step++
	}
	if r.step > 0 && steps[r.step-1].seq <= seq && (r.step == len(steps) || steps[r.step].seq > seq) && steps[r.step-1].epoch == r.epoch {
		return steps[r.step-1].lso
	}
	if r.step < len(steps) && steps[r.step].seq <= seq {
		r.step = sort.Search(len(steps), func(i int) bool { return steps[i].seq > seq })
	}
	return r.x.reach(r.epoch, seq).lso
}

// readable leaves out the places that readers could not get to by an event.
func (r *hookReader) readable(next []int, seq int64) []int {
	end := r.x.reach(r.epoch, seq).lso
	return slices.DeleteFunc(next, func(i int) bool { return r.x.records[r.list.at(i-1)].off >= end })
}

// tooEarly reports a hook for a record that readers could not see yet.
func (r *hookReader) tooEarly(h *Hook, held list) bool {
	end := r.x.reach(r.epoch, h.Seq).lso
	k := r.x.search(held, r.offset())
	if k == held.len() || r.x.records[held.at(k)].off < end {
		return false
	}
	v := r.violation(h)
	v.Reason = fmt.Sprintf("%s fired when readers could get to position %d only, but its record is at offset %d", hookName(h), end, r.x.records[held.at(k)].off)
	r.violate(r.with(v, held.at(k)))
	return true
}

// records returns the records that the hook may have been called for.
func (r *hookReader) records(h *Hook) list {
	held := r.anyRecords(h)
	if h.Offset == None {
		return held
	}
	return r.x.only(held, h.Offset)
}

// anyRecords returns the records with the key and the value of the hook.
func (r *hookReader) anyRecords(h *Hook) list {
	value := h.Value
	if h.Delete {
		value = ""
	} else if value == "" {
		return list{} // a set hook has a value
	}
	c := r.x.lookup(h.Key, value)
	if c < 0 {
		return list{}
	}
	return r.x.byClass.in(r.epoch, c)
}

// ledTo returns the next places in the timeline after a hook of the given record, or nil
// if it can't be that record's turn.
func (r *hookReader) ledTo(rec int32, seq int64) []int {
	at := r.x.search(r.list, r.x.records[rec].off)
	for i := len(r.next) - 1; i >= 0; i-- {
		if from := r.next[i]; from <= at && r.allMissable(from, at, seq) {
			return []int{at + 1}
		}
	}
	return nil
}

// ledToAny returns the next places in the timeline after a hook that may be of any
// record of the class.
func (r *hookReader) ledToAny(class int32, seq int64) []int {
	var next []int
	for n, from := range r.next {
		for i := from; i < r.list.len() && r.x.spend(1); i++ {
			if n+1 < len(r.next) && i >= r.next[n+1] {
				break // covered when the loop comes to the next place
			}
			rec := &r.x.records[r.list.at(i)]
			if rec.class == class && rec.visible() {
				next = append(next, i+1)
			}
			if !r.mayMiss(r.list.at(i), seq) {
				break
			}
		}
	}
	return next
}

func (r *hookReader) allMissable(from, to int, seq int64) bool {
	for i := from; i < to && r.x.spend(1); i++ {
		if !r.mayMiss(r.list.at(i), seq) {
			return false
		}
	}
	return true
}

// furthest returns the furthest of the next places.
func (r *hookReader) furthest() int { return r.next[len(r.next)-1] }

// offset returns the offset up to which hooks have fired.
func (r *hookReader) offset() int64 {
	if n := r.furthest(); n > 0 {
		return r.x.records[r.list.at(n-1)].off + 1
	}
	return 0
}

// mayMiss reports whether a record needs no hook.
func (r *hookReader) mayMiss(rec int32, seq int64) bool {
	m := &r.x.records[rec]
	return !m.visible() || m.off < r.first || r.x.missable(r.proc, m, seq, r.epoch, 0)
}

func (r *hookReader) violation(h *Hook) *Violation {
	return &Violation{
		Check: CheckHooks, Client: h.Client, Process: h.Process, Key: h.Key, From: h.Stamp, To: h.Stamp,
		Evidence: []string{fmt.Sprintf("%s of %s at %s", hookName(h), who(h.Client, h.Process), h.Time)},
	}
}

func hookName(h *Hook) string {
	s := fmt.Sprintf("set hook for %s = %s", quote(h.Key), h.Value)
	if h.Delete {
		s = "delete hook for " + quote(h.Key)
	}
	if h.Offset != None {
		s += fmt.Sprintf(" at offset %d", h.Offset)
	}
	return s
}

// strange reports a hook that fired twice, out of order, or for no record.
func (r *hookReader) strange(h *Hook, held list) {
	v := r.violation(h)
	if held.len() == 0 {
		v.Reason = hookName(h) + " fired, but the log has no such record that is committed"
		r.violate(v)
		return
	}
	last := held.at(held.len() - 1)
	v.Reason = fmt.Sprintf("%s fired after the hooks of later records: its record is at offset %d", hookName(h), r.x.records[last].off)
	if n := r.furthest(); n > 0 {
		passed := r.list.at(n - 1)
		if passed == last {
			v.Reason = hookName(h) + " fired twice"
		}
		v = r.with(v, last, passed)
		versions := r.x.versions.in(r.epoch, r.x.records[last].key)
		newer := r.x.search(versions, r.x.records[last].off+1)
		if newer < versions.len() && r.x.records[versions.at(newer)].off <= r.x.records[passed].off {
			v.Also = []CheckID{CheckPerKeyOrder}
		}
	}
	r.violate(v)
}
