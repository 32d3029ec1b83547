package reference

import (
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// An assignment says which operation wrote each record. In an attempt that lists the
// records of one write, batches come in the order of their items.
type assignment struct {
	of       map[*record]*lin.Operation
	attempts map[*lin.Operation][][]*record
	tries    bool                    // attempts in aborted transactions count for nothing: version 2
	aborted  func(rs []*record) bool // reports whether an attempt is in a transaction that was aborted
}

// counts reports whether an attempt is more than a try.
func (a *assignment) counts(rs []*record) bool { return !a.tries || !a.aborted(rs) }

// written returns the records of the attempt that an acknowledgement is about: the last one that counts.
func (a *assignment) written(op *lin.Operation) []*record {
	for _, rs := range slices.Backward(a.attempts[op]) {
		if !a.aborted(rs) {
			return rs
		}
	}
	return nil
}

func items(op *lin.Operation) []lin.Item {
	if op.Kind == lin.OpBatch {
		return op.Items
	}
	return []lin.Item{{Key: op.Key, Value: op.Value, Revision: op.Revision}}
}

// assign calls try with each assignment that keeps what the package promises about writes
// and the log, until try returns true. It reports whether that happened.
func assign(h *lin.History, t *timeline, try func(*assignment) bool) bool {
	a := &assignment{of: map[*record]*lin.Operation{}, attempts: map[*lin.Operation][][]*record{}, tries: h.Header.Version > 1}
	a.aborted = func(rs []*record) bool { return t.aborted(rs[0], forever) }
	var writes []*lin.Operation
	for i := range h.Ops {
		if h.Ops[i].Kind.Writes() {
			writes = append(writes, &h.Ops[i])
		}
	}
	var step func(i int) bool
	step = func(i int) bool {
		if i == len(t.records) {
			return a.explains(h, writes) && a.lost(h, writes) && try(a)
		}
		if r := t.records[i]; r.Foreign || r.Key == "" {
			return step(i + 1)
		}
		for _, op := range writes {
			n := len(items(op))
			if i+n > len(t.records) && interrupted(h) && op.Outcome == lin.Pending {
				n = len(t.records) - i // the rest is not noted any more
			}
			if n == 0 || i+n > len(t.records) || !a.fits(op, t.records[i:i+n]) {
				continue
			}
			attempt := t.records[i : i+n]
			for _, r := range attempt {
				a.of[r] = op
			}
			a.attempts[op] = append(a.attempts[op], attempt)
			if step(i + n) {
				return true
			}
			a.attempts[op] = a.attempts[op][:len(a.attempts[op])-1]
			for _, r := range attempt {
				delete(a.of, r)
			}
		}
		return false
	}
	return step(0)
}

// interrupted reports whether a history may have ended while the records of a batch were noted: the last
// thing that happened to the log is an append, and nothing says that the history has all.
func interrupted(h *lin.History) bool {
	return len(h.Log) > 0 && h.Log[len(h.Log)-1].Kind == lin.LogAppend &&
		!slices.ContainsFunc(h.Snapshots, func(s lin.Snapshot) bool { return s.Kind != lin.SnapshotClient })
}

// fits reports whether records that follow each other may be one attempt of a write.
func (a *assignment) fits(op *lin.Operation, rs []*record) bool {
	if op.Outcome == lin.Failed {
		return false
	}
	for i, it := range items(op)[:len(rs)] {
		r := rs[i]
		if r.Foreign || r.Key != it.Key || r.Value != it.Value {
			return false
		}
		if r.noted < op.Call.Seq || i > 0 && (r.Offset != rs[i-1].Offset+1 || r.Txn != rs[i-1].Txn) {
			return false
		}
	}
	for _, earlier := range a.attempts[op] {
		if earlier[0].lost > rs[0].noted && a.counts(earlier) && a.counts(rs) {
			return false // still in the log
		}
	}
	return true
}

// explains reports whether the assignment keeps what is promised to the writers.
func (a *assignment) explains(h *lin.History, writes []*lin.Operation) bool {
	for _, op := range writes {
		if op.Outcome == lin.Unknown && !a.placed(h, op) {
			return false
		}
		if op.Outcome != lin.OK || len(items(op)) == 0 {
			continue
		}
		rs := a.written(op)
		late := func(rs []*record) bool {
			return h.Header.Tap == lin.TapExact && rs[0].noted > op.Return.Seq || rs[0].since > op.Return.Seq
		}
		if len(rs) == 0 || slices.ContainsFunc(a.attempts[op], late) {
			return false
		}
		if !slices.ContainsFunc(a.attempts[op], func(rs []*record) bool { return revised(op, rs) }) {
			return false
		}
		for _, later := range writes {
			if later.Call.Seq < op.Return.Seq {
				continue
			}
			for _, attempt := range a.attempts[later] {
				// The offsets of records that were not in the log together say nothing.
				if a.counts(attempt) && attempt[0].Offset <= rs[0].Offset && attempt[0].noted < rs[0].lost && rs[0].noted < attempt[0].lost {
					return false
				}
			}
		}
	}
	return true
}

// placed reports whether a write of unknown outcome that reports a revision was there when it returned.
// A late tap may never note a record that was lost, and that of a shared value may be another write's.
func (a *assignment) placed(h *lin.History, op *lin.Operation) bool {
	attempts := a.attempts[op]
	known := op.Revision != lin.None || slices.ContainsFunc(op.Items, func(it lin.Item) bool { return it.Revision != lin.None })
	late := h.Header.Tap != lin.TapExact
	if !known || len(items(op)) == 0 || late && len(attempts) == 0 {
		return true
	}
	if late {
		own := *op
		own.Items = slices.Clone(op.Items)
		for i, it := range items(op) {
			shared := it.Value == "" || it.Value[0] == '~'
			switch {
			case op.Kind != lin.OpBatch && shared:
				return true
			case op.Kind == lin.OpBatch && shared:
				own.Items[i].Revision = lin.None
			case op.Kind == lin.OpBatch && own.Items[i].Revision == lin.None && op.Revision != lin.None:
				own.Items[i].Revision = op.Revision - int64(len(own.Items)-1-i)
			}
		}
		if op.Kind == lin.OpBatch {
			own.Revision = lin.None
		}
		op = &own
	}
	return slices.ContainsFunc(attempts, func(rs []*record) bool {
		return revised(op, rs) && (late || rs[len(rs)-1].noted < op.Return.Seq)
	})
}

// reportedLost reports whether the error of a write says that the log has lost it.
func reportedLost(op *lin.Operation) bool {
	return op.Outcome == lin.Unknown && op.Kind.Writes() && op.Class == lin.ErrorLoss
}

// lost reports whether the writes that are reported as lost are not in the log: an attempt of each
// was lost when it returned, or is not in the log as it was appended. What a late tap notes may have
// happened long before.
func (a *assignment) lost(h *lin.History, writes []*lin.Operation) bool {
	for _, op := range writes {
		if !reportedLost(op) {
			continue
		}
		by := op.Return.Seq
		if h.Header.Tap != lin.TapExact {
			by = forever
		}
		once := slices.ContainsFunc(a.attempts[op], func(rs []*record) bool { return rs[0].lost < by })
		stays := func(r *record) bool {
			return a.counts([]*record{r}) && r.noted < op.Return.Seq && r.lost >= by && r.removed >= by && !slices.ContainsFunc(h.Log, func(e lin.LogEvent) bool {
				return e.Kind == lin.LogTrim && e.Offset > r.Offset && e.Seq > r.noted && e.Seq < by
			})
		}
		if !once && slices.ContainsFunc(a.attempts[op], func(rs []*record) bool { return !slices.ContainsFunc(rs, func(r *record) bool { return !stays(r) }) }) {
			return false
		}
	}
	return true
}

// revised reports whether the revisions that a write reports are those of the records.
func revised(op *lin.Operation, rs []*record) bool {
	if op.Revision != lin.None && op.Revision != rs[len(rs)-1].Offset {
		return false
	}
	if op.Kind == lin.OpBatch {
		for i, it := range op.Items {
			if it.Revision != lin.None && it.Revision != rs[i].Offset {
				return false
			}
		}
	}
	return true
}
