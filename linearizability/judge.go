package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// A judge carries one run of Check.
type judge struct {
	ctx  context.Context
	h    *History
	opts Options
	x    *logIndex

	results    map[CheckID]*CheckResult
	violations []*Violation
	found      int // violations that count, explained or not
	// witnessing says that the log witness is at work, stopped that it reached its bound.
	witnessing, stopped bool

	items     []item2log
	first     []int32        // by operation: the index of its first item; one more entry ends the last
	writes    []int32        // operations that write, in the order of their call
	several   map[int32]bool // operations that reported an offset at which several records may be theirs
	torn      int32          // a record that no write explains if batches are whole, or -1
	byClass   *classWritesOf // built when needed
	events    []opEvent
	processes map[processID]*process
	finals    map[processID][]*Snapshot // see finalsOf
	// accused has the keys that the log witness found something wrong with. charged
	// has those for which it was reported, because the check is not switched off.
	// certain has the violations that porcupine must find too.
	accused map[string]bool
	charged map[string]bool
	certain []*Violation
	byID    map[int64]int32 // operations, built when needed
	// byValue has the first write of each value, built when needed. Without it, each
	// violation would search all writes, so that many would take quadratic time.
	byValue map[string]int32

	budget         budget
	keys           []*keyHistory
	tasks          []*task
	illegal        []*task
	porcupineFound []*Violation
	unfitKey       []bool // by key of the log
	unfitKeys      int
}

func newJudge(h *History, opts Options) *judge {
	opts.MaxViolations = cmp.Or(opts.MaxViolations, 20)
	j := &judge{ctx: context.Background(), h: h, opts: opts, results: make(map[CheckID]*CheckResult), torn: -1, accused: map[string]bool{}, charged: map[string]bool{}}
	for _, id := range AllChecks() {
		j.results[id] = &CheckResult{Check: id, Ran: true}
	}
	for _, id := range opts.Skip {
		j.without(id, "switched off")
	}
	return j
}

// without notes that a check does not run, and why. If the check is off already, the
// earlier reason stays.
func (j *judge) without(id CheckID, reason string) {
	if r := j.results[id]; r != nil && r.Ran {
		r.Ran, r.Reason = false, reason
	}
}

func (j *judge) runs(id CheckID) bool { return j.results[id].Ran }

// judged counts that a check looked at one more thing.
func (j *judge) judged(id CheckID) { j.results[id].Judged++ }

// violate reports a violation. If its check is switched off, the first of the checks in
// Also that runs takes its place; if none does, nothing is reported.
func (j *judge) violate(v *Violation) {
	if j.witnessing && j.x.spent() {
		return // the search that led here was cut short
	}
	j.accuse(j.accused, v)
	all := append([]CheckID{v.Check}, v.Also...)
	all = slices.DeleteFunc(all, func(id CheckID) bool { return !j.runs(id) })
	if len(all) == 0 {
		return
	}
	v.Check, v.Also = all[0], all[1:]
	for _, id := range all {
		j.results[id].Violations++
	}
	j.found++
	j.accuse(j.charged, v)
	if v.certain {
		j.certain = append(j.certain, v)
	}
	if len(j.violations) >= 4*j.opts.MaxViolations {
		return // counted, but too many to explain
	}
	j.violations = append(j.violations, v)
}

// accuse notes the keys that a violation is about.
func (j *judge) accuse(keys map[string]bool, v *Violation) {
	if v.Key != "" {
		keys[v.Key] = true
	}
	if j.byID == nil {
		j.byID = make(map[int64]int32, len(j.h.Ops))
		for i := range j.h.Ops {
			j.byID[j.h.Ops[i].ID] = int32(i)
		}
	}
	for _, id := range v.Ops {
		o := &j.h.Ops[j.byID[id]]
		if o.Key != "" {
			keys[o.Key] = true
		}
		if j.witnessing {
			j.x.spend(len(o.Items))
		}
		for _, it := range o.Items {
			keys[it.Key] = true
		}
	}
}

// report puts the violations in order and explains them.
func (j *judge) report(v *Verdict) {
	slices.SortStableFunc(j.violations, func(a, b *Violation) int { return cmp.Compare(a.To.Seq, b.To.Seq) })
	if len(j.violations) > j.opts.MaxViolations {
		j.violations = j.violations[:j.opts.MaxViolations]
	}
	for _, w := range j.violations {
		j.explain(w)
	}
	v.Violations = j.violations
	for _, id := range AllChecks() {
		v.Checks = append(v.Checks, *j.results[id])
	}
}

// explain adds the log around a violation and the faults that were active.
func (j *judge) explain(v *Violation) {
	if v.From.Seq != 0 || v.To.Seq != 0 {
		v.Faults = j.h.ActiveFaults(v.From, v.To)
	}
	v.Log = j.excerpt(v)
}

// excerptRadius is how many log events around an offset are shown.
const excerptRadius = 3

// excerpt returns the log events around the offsets of a violation. If there are more
// than six offsets, it takes the first three and the last three.
func (j *judge) excerpt(v *Violation) []LogEvent {
	if j.x == nil || len(v.Offsets) == 0 {
		return nil
	}
	want := map[int64]bool{}
	for i, off := range v.Offsets {
		if i < 3 || i >= len(v.Offsets)-3 {
			want[off] = true
		}
	}
	show := make(map[int]bool)
	for i := range j.h.Log {
		if j.h.Log[i].Kind != LogAppend || !want[j.h.Log[i].Offset] {
			continue
		}
		for k := max(0, i-excerptRadius); k <= min(len(j.h.Log)-1, i+excerptRadius); k++ {
			show[k] = true
		}
	}
	var out []LogEvent
	for i := range j.h.Log {
		if show[i] {
			out = append(out, j.h.Log[i])
		}
	}
	return out
}

// op returns the operation at an index.
func (j *judge) op(i int32) *Operation { return &j.h.Ops[i] }

// recordName describes a record.
func (j *judge) recordName(r int32) string {
	rec := &j.x.records[r]
	s := j.h.Log[rec.event].Record.String()
	if rec.died != never {
		s += fmt.Sprintf(" (lost when the log was cut to offset %d at %s)",
			j.x.epochs[rec.died].cut, j.eventTime(j.x.epochs[rec.died].seq))
	}
	switch rec.status {
	case aborted:
		s += ", aborted"
	case undecided:
		s += ", still open"
	case committed:
	}
	return s
}

// eventTime returns the time of a log event.
func (j *judge) eventTime(seq int64) string {
	i, ok := slices.BinarySearchFunc(j.h.Log, seq, func(l LogEvent, seq int64) int { return cmp.Compare(l.Seq, seq) })
	if !ok {
		return fmt.Sprintf("event %d", seq)
	}
	return j.h.Log[i].Time.String()
}
