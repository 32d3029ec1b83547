package report

import (
	"fmt"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A violationView is a violation in the page.
type violationView struct {
	Number    int
	Check     string
	Reason    string
	Guarantee string
	Who       string
	Also      []checkName
	Ops       []int64
	Evidence  []string
	Log       []logView
	Faults    []string
	Span      string
}

// A logView is a line of the log. Lines that prove the violation are marked.
type logView struct {
	Text   string
	Marked bool
}

type checkName struct{ Check, Guarantee string }

// A problemView is a problem that makes the checks themselves doubtful.
type problemView struct{ Title, Text string }

// A checkView is what one check found.
type checkView struct {
	Check, Guarantee string
	Result           string
	Mark             string
}

// A faultView is a fault in the list of faults.
type faultView struct{ Text, From, To string }

func (r *Report) violations() []violationView {
	var views []violationView
	for i, v := range r.Verdict.Violations {
		w := violationView{
			Number: i + 1, Check: string(v.Check), Reason: clean(v.Reason), Guarantee: v.Check.Guarantee(),
			Ops: v.Ops, Span: fmt.Sprintf("%s to %s", duration(v.From.Time), duration(v.To.Time)),
		}
		if v.Client != "" {
			w.Who = fmt.Sprintf("%s (process %d)", printable(v.Client), v.Process)
		}
		for _, id := range v.Also {
			w.Also = append(w.Also, checkName{string(id), id.Guarantee()})
		}
		for _, e := range v.Evidence {
			w.Evidence = append(w.Evidence, clean(e))
		}
		for i := range v.Log {
			marked := v.Log[i].Kind == lin.LogAppend && slices.Contains(v.Offsets, v.Log[i].Offset)
			w.Log = append(w.Log, logView{clean(v.Log[i].String()), marked})
		}
		for _, f := range v.Faults {
			w.Faults = append(w.Faults, clean(f.String()))
		}
		views = append(views, w)
	}
	return views
}

func (r *Report) problems() []problemView {
	var views []problemView
	for _, a := range r.Verdict.Assumptions {
		views = append(views, problemView{"An assumption of the checks does not hold", clean(a.Error())})
	}
	for _, d := range r.Verdict.Disagreements {
		views = append(views, problemView{"The two judges disagree", clean(d.Error())})
	}
	return views
}

func (r *Report) checks() []checkView {
	var views []checkView
	for _, c := range r.Verdict.Checks {
		w := checkView{Check: string(c.Check), Guarantee: c.Check.Guarantee(), Mark: "held"}
		switch {
		case !c.Ran:
			w.Mark, w.Result = "not-judged", "not judged: "+clean(c.Reason)
		case c.Violations > 0:
			w.Mark, w.Result = "violated", fmt.Sprintf("violated, %d of %d", c.Violations, c.Judged)
		case c.Undecided > 0:
			w.Mark, w.Result = "inconclusive", fmt.Sprintf("undecided, %d of %d", c.Undecided, c.Judged)
		default:
			w.Result = fmt.Sprintf("held, %d judged", c.Judged)
		}
		views = append(views, w)
	}
	return views
}

func (r *Report) faults() []faultView {
	var views []faultView
	for i := range r.History.Faults {
		f := &r.History.Faults[i]
		to := "the end"
		if f.End != (lin.Stamp{}) {
			to = f.End.Time.String()
		}
		views = append(views, faultView{clean(f.Text), f.Start.Time.String(), to})
	}
	return views
}
