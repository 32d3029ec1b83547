package linearizability

import "time"

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
}

// PorcupineOptions bound porcupine, whose search is exponential at worst. A
// bound that is reached makes a piece undecided, and so the verdict
// inconclusive unless something else is violated.
type PorcupineOptions struct {
	// Workers is how many pieces are judged at the same time, GOMAXPROCS if 0.
	Workers int
	// PieceOperations is the most operations of one key that are judged in
	// one piece, 300 if 0.
	PieceOperations int
	// PieceUnknown is the most operations of unknown outcome in a piece, 10 if 0.
	PieceUnknown int
	// MaxSteps is the most steps of the model in a piece, 200,000 if 0. It
	// bounds memory too.
	MaxSteps int
	// Timeout bounds a piece in wall time, as a last resort: the answer then
	// depends on the machine. 0 is no timeout.
	Timeout time.Duration
}

// Check judges a history. It does not change it, and it is deterministic but
// for PorcupineOptions.Timeout.
func Check(h *History, opts Options) *Verdict {
	v := &Verdict{Operations: len(h.Ops), Duration: h.Duration()}
	for i := range h.Log {
		if h.Log[i].Kind == LogAppend {
			v.Records++
		}
	}
	if len(h.Ops) == 0 {
		v.Status = Inconclusive
		v.Undecided = append(v.Undecided, "the history is empty: it has no operation")
		v.Assumptions = append(v.Assumptions, &AssumptionError{Assumption: "a history has operations", Detail: "this one has none"})
		return v
	}
	if v.Assumptions = checkAssumptions(h); len(v.Assumptions) > 0 {
		v.Status = HarnessFailure
		return v
	}
	v.Status = Inconclusive
	v.Undecided = append(v.Undecided, "no check has run")
	return v
}
