package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Options configure Check. The zero value is right for most uses.
type Options struct {
	// Skip switches checks off, because the system under test does not give
	// the guarantee. Unknown names are ignored.
	Skip []CheckID
	// Linearizable says that every read of the system under test claims to be
	// linearizable, as if it were marked as a barrier. By default reads may lag.
	Linearizable bool
	// MaxViolations is the maximum number of violations that are explained; 0
	// means 20. All are counted.
	MaxViolations int
	// WitnessSteps is the maximum number of steps of the log witness, by default
	// 1,000,000,000 plus 1,000 for each event. Most checks take a few steps for each event
	// and for each key that a range covers. Some histories need far more, such as many
	// ranges over many keys that return nothing. When it is reached, the verdict says so: it
	// has the violations that were found until then, or is inconclusive if there is none.
	WitnessSteps int64
	// Porcupine bounds the second judge.
	Porcupine PorcupineOptions
	// Witnessed, if not nil, is called with the verdict of the log witness before porcupine
	// starts its search, so that this much is known even if the search does not finish. It
	// is not called if the history is empty, breaks an assumption, or has what the judges do
	// not know.
	Witnessed func(*Verdict)
}

// PorcupineOptions bound porcupine, whose search takes exponential time at worst.
// When a bound is reached, the piece is undecided, and so the verdict is
// inconclusive unless something else is violated. 0 means the default of a field.
type PorcupineOptions struct {
	// Workers is the number of pieces that are judged at the same time, by
	// default GOMAXPROCS.
	Workers int
	// PieceOperations is the maximum number of operations in a piece, by default
	// 300. It is never more than 10,000.
	PieceOperations int
	// PieceUnknown is the maximum number of operations of unknown outcome in a
	// piece, by default 10.
	PieceUnknown int
	// MaxSteps is the maximum number of steps of the model in a piece, by default
	// 200,000. It bounds memory too.
	MaxSteps int
	// TotalSteps is the maximum number of steps of the model in the whole
	// history, by default 5,000,000 plus 20 for each operation. The pieces under
	// way when it is reached, at most 8, are finished, so the sum may exceed it.
	// The remaining pieces are undecided. A history that holds needs a few steps
	// for each operation. Many keys that each have a violation need far more.
	TotalSteps int
	// Timeout bounds the wall time for a piece, as a last resort: the answer then
	// depends on how fast the machine is. By default there is no timeout.
	Timeout time.Duration
}

// Check judges a history and does not change it. Its verdict depends on the history
// and the options only, unless PorcupineOptions.Timeout is set.
func Check(h *History, opts Options) *Verdict {
	return CheckContext(context.Background(), h, opts)
}

// CheckContext is like Check, but porcupine gives up soon after ctx ends. The
// verdict then says what is undecided. The log witness does not look at ctx; what
// bounds it is Options.WitnessSteps.
func CheckContext(ctx context.Context, h *History, opts Options) *Verdict {
	v := &Verdict{Operations: len(h.Ops), Duration: h.Duration()}
	for i := range h.Log {
		if h.Log[i].Kind == LogAppend {
			v.Records++
		}
	}
	if len(h.Ops) == 0 {
		v.Status = Inconclusive
		v.Undecided = append(v.Undecided, "the history is empty: it has no operation")
		v.Assumptions = append(v.Assumptions, &AssumptionError{
			Assumption: "a history has operations", Detail: "this one has none",
		})
		return v
	}
	if v.Assumptions = checkAssumptions(h); len(v.Assumptions) > 0 {
		v.Status = HarnessFailure
		return v
	}
	if h.refuse(v) {
		return v
	}
	j := newJudge(h, opts)
	j.ctx = ctx
	j.events = j.opEvents()
	if h.Header.Tap != TapNone || len(h.Log) > 0 {
		j.witness()
	} else {
		j.noWitness()
	}
	if opts.Witnessed != nil {
		opts.Witnessed(j.witnessed(v))
	}
	j.checkPorcupine()
	v.Disagreements = j.compare()
	j.noEvidence()
	j.report(v)
	j.conclude(v)
	return v
}

// witnessed returns the verdict of the log witness alone.
func (j *judge) witnessed(v *Verdict) *Verdict {
	early, w := *j, *v
	early.results = make(map[CheckID]*CheckResult, len(j.results))
	for id, r := range j.results {
		copied := *r
		early.results[id] = &copied
	}
	early.violations = slices.Clone(j.violations)
	for _, id := range []CheckID{CheckPorcupineKey, CheckPorcupineSession} {
		early.without(id, "not judged yet")
	}
	early.noEvidence()
	early.report(&w)
	early.conclude(&w)
	return &w
}

// witness runs the checks that compare the history with the log.
func (j *judge) witness() {
	j.opts.WitnessSteps = cmp.Or(j.opts.WitnessSteps, 1_000_000_000+1_000*int64(j.h.Events()))
	j.x = newLogIndex(j.h, j.opts.WitnessSteps)
	j.witnessing = true
	for _, check := range []func(){j.match, j.checkWrites, j.sweep, j.checkHooks, j.checkRebuilds, j.checkStates} {
		if check(); j.x.spent() {
			break
		}
	}
	j.witnessing, j.stopped = false, j.x.spent()
}

// noWitness switches off the checks that need a log, when there is none.
func (j *judge) noWitness() {
	for _, id := range AllChecks() {
		switch id {
		case CheckConvergence, CheckPorcupineKey, CheckPorcupineSession:
		default:
			j.without(id, "the history has no log tap")
		}
	}
	j.checkFinalAgreement()
}

// noEvidence marks the checks that found nothing to judge as not run (J6).
func (j *judge) noEvidence() {
	reasons := map[CheckID]string{
		CheckAckedOnce:         "no write was acknowledged",
		CheckRefusedAbsent:     "no write was refused",
		CheckUnknownAtMostOnce: "no write has an unknown outcome",
		CheckReportedLost:      "no write was reported as lost",
		CheckLogFromWrites:     "the log has no record of a client",
		CheckAckedAfterAppend:  "the log tap is late, or no write was acknowledged",
		CheckRevision:          "no operation reported a revision",
		CheckRealTimeOrder:     "no write began after another was acknowledged",
		CheckBatchInLog:        "there is no batch",
		CheckWriteVisible:      "no acknowledged write reported a position",
		CheckPosition:          "no operation reported a position",
		CheckReadYourWrites:    "no process read after a write of its own",
		CheckMonotonicReads:    "no process read twice",
		CheckPerKeyOrder:       "no process read a key twice",
		CheckBarrier:           "no read was a barrier or came after one",
		CheckWaitRevision:      "no read came after waiting for a revision",
		CheckOpen:              "no read came after opening a log that had records",
		CheckOnePosition:       "there is no range",
		CheckHooks:             "no hook was recorded",
		CheckRebuild:           "no process reported that it reread the log",
		CheckConvergence:       "no final state was recorded",
		CheckCompaction:        "no cold reader was recorded",
		CheckPorcupineSession:  "no get returned",
		CheckPorcupineKey:      "no get was a barrier or came right after one",
	}
	for id, r := range j.results {
		if r.Ran && r.Judged == 0 {
			reason := cmp.Or(reasons[id], "no read returned")
			if j.stopped {
				reason = "the log witness had reached its bound, WitnessSteps"
			}
			j.without(id, reason)
		}
	}
}

// conclude sets the status.
func (j *judge) conclude(v *Verdict) {
	ran := false
	for _, r := range v.Checks {
		ran = ran || r.Ran
		if r.Undecided > 0 {
			v.Undecided = append(v.Undecided, fmt.Sprintf("%s could not decide %d of %d pieces within its bounds",
				r.Check, r.Undecided, r.Judged))
		}
	}
	if j.stopped {
		v.Undecided = append(v.Undecided, fmt.Sprintf("the log witness used up its bound, WitnessSteps %d, so what comes after is not judged", j.opts.WitnessSteps))
	}
	if why := j.budget.spentWhy(); why != "" && len(v.Undecided) > 0 {
		v.Undecided = append(v.Undecided, why)
	}
	if !ran {
		v.Undecided = append(v.Undecided, "no check had anything to judge")
	}
	switch {
	case j.found > 0:
		v.Status = Violated
	case len(v.Disagreements) > 0:
		v.Status = HarnessFailure
	case len(v.Undecided) > 0:
		v.Status = Inconclusive
	default:
		v.Status = Held
	}
}
