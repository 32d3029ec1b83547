package linearizability

import (
	"fmt"
	"slices"
)

// notJudged returns what the history has that the judges do not know. They judge none of
// such a history: an operation that they took for another one, or left out, could make
// them accuse a client of what it did right.
//
// Deadlines, the classes of errors, what processes said of themselves, and the name of a
// storage that was empty change nothing in what they judge.
func (h *History) notJudged() (all []string) {
	noted := map[string]bool{}
	note := func(name, first string) {
		if !noted[name] {
			noted[name] = true
			all = append(all, fmt.Sprintf("%s (first: %s)", name, first))
		}
	}
	for i := range h.Ops {
		o := &h.Ops[i]
		if name := o.notJudged(); name != "" {
			note(name, o.String())
		}
	}
	if i := slices.IndexFunc(h.Log, func(l LogEvent) bool { return l.Lease != "" }); i >= 0 {
		note("leases", h.Log[i].Record.String())
	}
	if len(h.Watched) > 0 {
		note("watches", fmt.Sprintf("%s of watch %d at %s", h.Watched[0].Kind, h.Watched[0].Watch, h.Watched[0].Time))
	}
	if len(h.Expiries) > 0 {
		note("leases", fmt.Sprintf("%s expired at %s", h.Expiries[0].Lease, h.Expiries[0].Time))
	}
	return all
}

// notJudged returns what the operation has that the judges do not know, "" if nothing.
func (o *Operation) notJudged() string {
	d := o.Details
	switch {
	case o.Kind == OpTxn:
		return "transactions"
	case o.Kind == OpWatch:
		return "watches"
	case o.Kind > OpTxn, d != nil && d.Lease != "":
		return "leases"
	case d == nil:
	case len(d.If) > 0:
		return "conditional writes"
	case o.Kind.Reads() && d.At != None:
		return "reads at a revision"
	case o.Kind == OpOpen && d.From > 0:
		return "processes that begin with a storage that is not empty"
	}
	return ""
}

// refuse says in the verdict that the judges do not know what is in the history, and
// reports whether there is anything of the kind.
func (h *History) refuse(v *Verdict) bool {
	for _, what := range h.notJudged() {
		v.Undecided = append(v.Undecided, "the judges do not know "+what)
	}
	if len(v.Undecided) == 0 {
		return false
	}
	v.Status = Inconclusive
	return true
}
