package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// An Outcome is the result of a run.
type Outcome struct {
	Scenario string     `json:"scenario"`
	Seed     uint64     `json:"seed"`
	Status   lin.Status `json:"-"`
	// Result is Status in words.
	Result string `json:"status"`
	// Reasons say why the status is not Held.
	Reasons []Reason `json:"reasons,omitempty"`
	// Verdict and History are what was judged.
	Verdict *lin.Verdict `json:"-"`
	History *lin.History `json:"-"`
	// HistoryHash is the SHA-256 of the whole history, times included, in hex.
	HistoryHash string `json:"history_hash"`
	// Simulated is how long the run took in its own time.
	Simulated time.Duration `json:"simulated_ns"`
	// Ops counts the operations by their kind.
	Ops map[string]OpCount `json:"ops"`
	// Acked counts the acknowledged writes of each phase.
	Acked Acked `json:"acknowledged"`
	// Records and Events count what the log tap and the whole history have.
	Records int `json:"records"`
	Events  int `json:"events"`
	// Faults are those of the plan, in its order.
	Faults []FaultResult `json:"faults"`
	// Sometimes counts what may happen in a run; SometimesNames lists all of it.
	Sometimes map[string]int `json:"sometimes"`
	// Answers counts which error codes brokers answered because of faults "answer", by the Name of their
	// AnswerCells: those that reached a client.
	Answers map[string]int `json:"answers,omitempty"`
	// Availability says how long each client of the plan did not serve writes; none where time is
	// not virtual.
	Availability []Availability `json:"availability,omitempty"`
	// accused has what the simulator itself found, besides the liveness.
	accused []Reason
	// Liveness tells how the clients converged. It is nil when the run ended
	// before that.
	Liveness *Liveness `json:"liveness,omitempty"`
}

// A Reason is one cause of a status that is not Held.
type Reason struct {
	// Name groups equal causes of many runs: the name of a check, "liveness",
	// or "floor: " and what was too little.
	Name string `json:"name"`
	// Text says it in a sentence.
	Text string `json:"text"`
}

// OpCount counts operations by their outcome.
type OpCount struct {
	OK      int `json:"ok"`
	Failed  int `json:"failed,omitempty"`
	Unknown int `json:"unknown,omitempty"`
	Pending int `json:"pending,omitempty"`
}

// Acked counts acknowledged writes by phase. Those of the convergence count as
// After.
type Acked struct {
	Before int `json:"before"`
	During int `json:"during"`
	After  int `json:"after"`
}

// A FaultResult is one planned fault and what it did.
type FaultResult struct {
	// Fault is its line in the plan, Kind the first word.
	Fault string `json:"fault"`
	Kind  string `json:"kind"`
	// Injected says that the fault was applied. From and To are when it began and ended,
	// since the start of the run.
	Injected bool          `json:"injected"`
	From     time.Duration `json:"from_ns"`
	To       time.Duration `json:"to_ns"`
	// Hits is how often it took effect.
	Hits int `json:"hits"`
}

// livenessName and floorName are names of reasons that are not the name of a check.
const (
	livenessName = "liveness"
	floorName    = "floor: "
)

// outcome judges the run. When ctx ends, porcupine gives up.
func (w *world) outcome(ctx context.Context, hash string) *Outcome {
	h := w.rec.History()
	o := &Outcome{
		Scenario: w.plan.Scenario, Seed: w.plan.Seed, History: h, HistoryHash: hash,
		Simulated: h.Duration(), Events: h.Events(), Liveness: w.liveness, Faults: w.results,
		Acked:        Acked{w.acked[phaseBefore], w.acked[phaseDuring], w.acked[phaseAfter]},
		Availability: w.availability(),
	}
	o.count(h)
	w.lookBack(h)
	o.Sometimes, o.Answers = w.sometimes.n, w.answers.n
	o.accused = w.findings.all
	o.accuse(endingName, w.unfounded(h))
	o.accuse(lifeName, w.outlived(h))
	o.accuse(unseenName, needlessly(h))
	known := func(v *lin.Verdict) {
		if w.env.Judging != nil {
			early := *o
			early.Verdict = v
			early.conclude(w.plan.Floors)
			w.env.Judging(&early)
		}
	}
	known(&lin.Verdict{Status: lin.Inconclusive, Undecided: []string{"the history was not judged to its end"}})
	o.Verdict = lin.CheckContext(ctx, h, lin.Options{Witnessed: known})
	o.conclude(w.plan.Floors)
	return o
}

func (o *Outcome) count(h *lin.History) {
	o.Ops = map[string]OpCount{}
	for i := range h.Ops {
		op := &h.Ops[i]
		c := o.Ops[op.Kind.String()]
		switch op.Outcome {
		case lin.OK:
			c.OK++
		case lin.Failed:
			c.Failed++
		case lin.Unknown:
			c.Unknown++
		case lin.Pending:
			c.Pending++
		}
		o.Ops[op.Kind.String()] = c
	}
	for i := range h.Log {
		if h.Log[i].Kind == lin.LogAppend {
			o.Records++
		}
	}
}

// conclude combines the verdict, the liveness and the floors into one status.
func (o *Outcome) conclude(f Floors) {
	v := o.Verdict
	o.Status = v.Status
	switch v.Status {
	case lin.Held:
	case lin.Violated:
		for _, x := range v.Violations {
			o.reason(string(x.Check), "%s", x.Reason)
		}
	case lin.Inconclusive:
		o.reason("undecided", "%s", strings.Join(v.Undecided, "; "))
	case lin.HarnessFailure:
		for _, a := range v.Assumptions {
			o.reason("assumption", "%v", a)
		}
		for _, d := range v.Disagreements {
			o.reason("disagreement", "%v", d)
		}
	}
	if o.Liveness != nil && v.Status != lin.HarnessFailure {
		for _, s := range o.Liveness.Stuck {
			o.Status = lin.Violated
			o.reason(livenessName, "%s", s)
		}
	}
	if len(o.accused) > 0 && v.Status != lin.HarnessFailure {
		o.Status = lin.Violated
		o.Reasons = append(o.Reasons, o.accused...)
	}
	if o.Status == lin.Held || o.Status == lin.Inconclusive {
		o.floors(f)
	}
	o.Result = o.Status.String()
}

// accuse notes what the simulator found wrong, one sentence for each finding.
func (o *Outcome) accuse(name string, found []string) {
	for _, text := range found {
		o.accused = append(o.accused, Reason{name, text})
	}
}

func (o *Outcome) reason(name, format string, args ...any) {
	o.Reasons = append(o.Reasons, Reason{name, fmt.Sprintf(format, args...)})
}

// floors makes the status of a run that did too little inconclusive.
func (o *Outcome) floors(f Floors) {
	low := func(name, format string, args ...any) {
		o.Status = lin.Inconclusive
		o.reason(floorName+name, format, args...)
	}
	for _, x := range []struct {
		when      string
		got, want int
	}{{"before", o.Acked.Before, f.Before}, {"during", o.Acked.During, f.During}, {"after", o.Acked.After, f.After}} {
		if x.got < x.want {
			low("writes "+x.when, "%d writes were acknowledged %s the faults, at least %d are needed to judge", x.got, x.when, x.want)
		}
	}
	for _, r := range o.Faults {
		if r.Hits < f.Hits {
			low("hits of "+r.Kind, "the fault %q took effect %d times, at least %d are needed to judge", r.Fault, r.Hits, f.Hits)
		}
	}
}

// lookBack counts what is easiest to see in the complete history.
func (w *world) lookBack(h *lin.History) {
	s := w.sometimes
	inLog := map[string]bool{}
	deleted := map[string]bool{}
	for i := range h.Log {
		l := &h.Log[i]
		if l.Kind != lin.LogAppend || l.Key == "" {
			continue
		}
		if l.Value == "" {
			deleted[l.Key] = true
			continue
		}
		inLog[l.Value] = true
		if deleted[l.Key] {
			delete(deleted, l.Key)
			s.hit(sometimesRecreatedKey)
		}
	}
	for i := range h.Ops {
		op := &h.Ops[i]
		switch {
		case op.Kind == lin.OpPut && (op.Outcome == lin.Unknown || op.Outcome == lin.Pending) && op.Value != emptyID:
			if inLog[op.Value] {
				s.hit(sometimesUnknownInLog)
			} else {
				s.hit(sometimesUnknownNotInLog)
			}
		case op.Kind.Writes() && op.Outcome == lin.Failed:
			s.hit(sometimesNotWritten)
		case op.Kind == lin.OpGet && op.Outcome == lin.OK && op.Value == emptyID:
			s.hit(sometimesEmptyValue)
		}
	}
	w.staleReads(h)
}

// staleReads counts the reads that returned when the log was longer than the client's
// position.
func (w *world) staleReads(h *lin.History) {
	var reads []*lin.Operation
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind.Reads() && op.Outcome == lin.OK && op.Position != lin.None {
			reads = append(reads, op)
		}
	}
	slices.SortFunc(reads, func(a, b *lin.Operation) int { return cmp.Compare(a.Return.Seq, b.Return.Seq) })
	end, next := int64(0), 0
	for _, op := range reads {
		for ; next < len(h.Log) && h.Log[next].Seq < op.Return.Seq; next++ {
			switch l := &h.Log[next]; l.Kind {
			case lin.LogAppend:
				end = l.Offset + 1
			case lin.LogTruncate:
				end = min(end, l.Offset)
			case lin.LogRecreate:
				end = 0
			default:
			}
		}
		if op.Position < end {
			w.sometimes.hit(sometimesStaleRead)
		}
	}
}
