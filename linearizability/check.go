package linearizability

import (
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
	// linearizable, as if it were marked as a barrier. The default is that
	// reads may lag.
	Linearizable bool
	// MaxViolations is the most violations that are explained, 20 if 0. All
	// are counted.
	MaxViolations int
	// Porcupine bounds the second judge.
	Porcupine PorcupineOptions
	// Witnessed is called with the verdict of the log witness, if it came to
	// one, before porcupine begins to search: whatever becomes of that, this much
	// is known. Nil means that nobody is told.
	Witnessed func(*Verdict)
}

// PorcupineOptions bound porcupine, whose search is exponential at worst. A
// bound that is reached makes a piece undecided, and so the verdict
// inconclusive unless something else is violated.
type PorcupineOptions struct {
	// Workers is how many pieces are judged at the same time, GOMAXPROCS if 0.
	Workers int
	// PieceOperations is the most operations of one key that are judged in
	// one piece, 300 if 0, and never more than 10,000.
	PieceOperations int
	// PieceUnknown is the most operations of unknown outcome in a piece, 10 if 0.
	PieceUnknown int
	// MaxSteps is the most steps of the model in a piece, 200,000 if 0. It
	// bounds memory too.
	MaxSteps int
	// TotalSteps is the most steps of the model in the whole history; 0 is
	// 5,000,000 and 20 more for each operation. It is exceeded by what the
	// pieces under way take, which are 8 at most. What is left then is
	// undecided. A history that holds needs a few steps for each operation;
	// what explodes is a violation in each of many keys.
	TotalSteps int
	// Timeout bounds a piece in wall time, as a last resort: the answer then
	// depends on the machine. 0 is no timeout.
	Timeout time.Duration
}

// Check judges a history. It does not change it, and it is deterministic but
// for PorcupineOptions.Timeout.
func Check(h *History, opts Options) *Verdict {
	return CheckContext(context.Background(), h, opts)
}

// CheckContext is Check until ctx ends. Then porcupine gives up soon, what it has
// not decided is undecided, and the verdict says so. The log witness, which takes
// little time, goes on to its end.
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

// witnessed returns the verdict as it would be if porcupine had no say.
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
	j.x = newLogIndex(j.h)
	j.match()
	j.checkWrites()
	j.sweep()
	j.checkHooks()
	j.checkRebuilds()
	j.checkStates()
}

// noWitness notes what cannot be judged for want of a log.
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

// noEvidence switches those checks off that found nothing to judge (J6).
func (j *judge) noEvidence() {
	reasons := map[CheckID]string{
		CheckAckedOnce:         "no write was acknowledged",
		CheckRefusedAbsent:     "no write was refused",
		CheckUnknownAtMostOnce: "no write has an unknown outcome",
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
		CheckRebuild:           "no process told that it read the log anew",
		CheckConvergence:       "no final state was recorded",
		CheckCompaction:        "no cold reader was recorded",
		CheckPorcupineSession:  "no get returned",
		CheckPorcupineKey:      "no get was a barrier or came right after one",
	}
	for id, r := range j.results {
		if r.Ran && r.Judged == 0 {
			reason := reasons[id]
			if reason == "" {
				reason = "no read returned"
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
	if why := j.budget.spentWhy(); why != "" && len(v.Undecided) > 0 {
		v.Undecided = append(v.Undecided, why)
	}
	if !ran {
		v.Undecided = append(v.Undecided, "no check had anything to judge")
	}
	switch {
	case len(v.Disagreements) > 0:
		v.Status = HarnessFailure
	case j.found > 0:
		v.Status = Violated
	case len(v.Undecided) > 0:
		v.Status = Inconclusive
	default:
		v.Status = Held
	}
}
