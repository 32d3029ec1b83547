package linearizability

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Status is the overall result of a verdict.
type Status uint8

// The statuses. A history is never Held for lack of evidence.
const (
	// Held says that everything that could be judged kept the guarantees.
	Held Status = iota
	// Violated says that a guarantee was broken.
	Violated
	// Inconclusive says that no violation was found, but the history has too little to
	// judge, or porcupine reached one of its bounds.
	Inconclusive
	// HarnessFailure says that the history breaks an assumption of the checks. It says
	// nothing about the system under test.
	HarnessFailure
)

var statuses = [...]string{
	Held: "held", Violated: "violated", Inconclusive: "inconclusive", HarnessFailure: "harness failure",
}

// String returns the status in words.
func (s Status) String() string { return statuses[s] }

// ErrAssumption matches every broken assumption of the checks in errors.Is.
var ErrAssumption = errors.New("assumption of the checks does not hold")

// ErrViolation matches every violation in errors.Is.
var ErrViolation = errors.New("guarantee violated")

// ErrInconclusive matches the error of an inconclusive verdict in errors.Is.
var ErrInconclusive = errors.New("history could not be judged")

// ErrDisagreement matches every contradiction between the judges in errors.Is.
var ErrDisagreement = errors.New("the two judges disagree")

// A CheckResult is what one check found.
type CheckResult struct {
	Check CheckID
	// Ran is false if the history has no evidence for the check, or if the
	// check was switched off. Reason says which.
	Ran    bool
	Reason string
	// Judged is the number of things that the check looked at: operations,
	// records, hooks or snapshots; for porcupine, pieces of the keys' histories.
	Judged int
	// Undecided is how many of them could not be decided within the bounds.
	Undecided int
	// Violations is how many of them broke the guarantee. A violation that breaks
	// several guarantees counts for each of them.
	Violations int
}

// String returns the result in one line.
func (r CheckResult) String() string {
	switch {
	case !r.Ran:
		return fmt.Sprintf("%s: not judged, %s", r.Check, r.Reason)
	case r.Violations > 0:
		return fmt.Sprintf("%s: violated, %d of %d", r.Check, r.Violations, r.Judged)
	case r.Undecided > 0:
		return fmt.Sprintf("%s: undecided, %d of %d", r.Check, r.Undecided, r.Judged)
	}
	return fmt.Sprintf("%s: held, %d judged", r.Check, r.Judged)
}

// A Verdict is what the judges found in a history.
type Verdict struct {
	Status Status
	// Checks has one entry for each check, in the order of AllChecks.
	Checks []CheckResult
	// Violations are in order of time, at most Options.MaxViolations.
	Violations []*Violation
	// Assumptions are those that the history breaks. If there are any, nothing
	// else is judged.
	Assumptions []*AssumptionError
	// Disagreements are the contradictions between the log witness and porcupine.
	Disagreements []*Disagreement
	// Undecided says what made the verdict inconclusive.
	Undecided []string
	// Operations and Records are how many of each the history has.
	Operations, Records int
	// Duration is the time of the last event of the history.
	Duration time.Duration
}

// Err returns nil if the status is Held. Otherwise it returns an error that explains
// why not, with all violations, broken assumptions or disagreements. It matches
// ErrViolation, ErrAssumption, ErrDisagreement or ErrInconclusive in errors.Is.
func (v *Verdict) Err() error {
	switch v.Status {
	case Held:
		return nil
	case Violated:
		return errors.Join(joined(v.Violations), joined(v.Disagreements))
	case HarnessFailure:
		return errors.Join(joined(v.Assumptions), joined(v.Disagreements))
	case Inconclusive:
	}
	return errors.Join(fmt.Errorf("%w: %s", ErrInconclusive, strings.Join(v.Undecided, "; ")), joined(v.Assumptions))
}

// joined is [errors.Join] for a list of errors of one type.
func joined[E error](list []E) error {
	errs := make([]error, len(list))
	for i, err := range list {
		errs[i] = err
	}
	return errors.Join(errs...)
}

// Result returns what one check found.
func (v *Verdict) Result(id CheckID) CheckResult {
	for _, r := range v.Checks {
		if r.Check == id {
			return r
		}
	}
	return CheckResult{Check: id, Reason: "there is no such check"}
}

// String returns the verdict for people: the status, one line for each check, and
// the explanations.
func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d operations, %d log records, %s\n", v.Status, v.Operations, v.Records, v.Duration)
	for _, r := range v.Checks {
		fmt.Fprintf(&b, "  %s\n", r)
	}
	if err := v.Err(); err != nil {
		fmt.Fprintf(&b, "\n%s\n", err)
	}
	return b.String()
}

// An AssumptionError says that a history breaks an assumption of the checks.
type AssumptionError struct {
	// Assumption is the rule, Detail how it is broken.
	Assumption string
	Detail     string
	// Seq is the event that breaks it, or 0 if it is no single event.
	Seq int64
}

// Error says which assumption is broken and how.
func (e *AssumptionError) Error() string {
	s := fmt.Sprintf("%v: %s: %s", ErrAssumption, e.Assumption, e.Detail)
	if e.Seq != 0 {
		s += fmt.Sprintf(" (event %d)", e.Seq)
	}
	return s
}

// Is reports whether target is ErrAssumption.
func (e *AssumptionError) Is(target error) bool { return target == ErrAssumption }

// A Disagreement is a contradiction between the two judges about a key. One of them
// is wrong, so the verdict can't be trusted.
type Disagreement struct {
	Key string
	// LogWitness and Porcupine say what each judge found.
	LogWitness, Porcupine string
}

// Error returns the findings of both judges.
func (d *Disagreement) Error() string {
	return fmt.Sprintf("%v about key %s:\nlog witness: %s\nporcupine: %s",
		ErrDisagreement, quote(d.Key), d.LogWitness, d.Porcupine)
}

// Is reports whether target is ErrDisagreement.
func (d *Disagreement) Is(target error) bool { return target == ErrDisagreement }

// A Violation is a guarantee that was broken, with the evidence.
type Violation struct {
	// Check is the guarantee that was broken. Also lists others that the same
	// evidence breaks.
	Check CheckID
	Also  []CheckID
	// Reason says in one sentence what is wrong.
	Reason string
	// Client and Process name the process to which the guarantee was broken, if
	// there is one.
	Client  string
	Process int
	// Key is the key that the violation is about, if it is about one.
	Key string
	// Ops are the ids of the operations that prove it, the offending one first.
	Ops []int64
	// Offsets are the offsets of the records that prove it.
	Offsets []int64
	// From and To bound the evidence in time.
	From, To Stamp
	// Evidence describes the operations, hooks or snapshots involved.
	Evidence []string
	// Log has the log events around Offsets.
	Log []LogEvent
	// Faults are the faults that were active at some time between From and To.
	Faults []Fault

	// certain says that porcupine must find the violation too, if one of its
	// pieces covers the history from event since up to the violation.
	certain bool
	since   int64
}

// Is reports whether target is ErrViolation.
func (v *Violation) Is(target error) bool { return target == ErrViolation }

// Error explains the violation.
func (v *Violation) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", v.Check, v.Reason)
	fmt.Fprintf(&b, "  guarantee: %s\n", v.Check.Guarantee())
	for _, id := range v.Also {
		fmt.Fprintf(&b, "  also breaks %s: %s\n", id, id.Guarantee())
	}
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	if len(v.Log) > 0 {
		b.WriteString("  log around it:\n")
		for i := range v.Log {
			fmt.Fprintf(&b, "    %s\n", v.Log[i].String())
		}
	}
	if len(v.Faults) > 0 {
		b.WriteString("  faults active then:\n")
		for _, f := range v.Faults {
			fmt.Fprintf(&b, "    %s\n", f)
		}
	} else {
		b.WriteString("  no fault was active then\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// String describes the fault with its time.
func (f Fault) String() string {
	end := "the end"
	if f.End.Seq != 0 {
		end = f.End.Time.String()
	}
	return fmt.Sprintf("%s (%s to %s)", f.Text, f.Start.Time, end)
}
