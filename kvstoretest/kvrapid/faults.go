package kvrapid

import (
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstoretest"
)

// FaultKind names a fault, as plans of package sim do.
type FaultKind string

// The kinds of faults. The first group lasts and lets operations continue, the second lasts
// and blocks them, the third happens immediately.
const (
	Lag              FaultKind = "lag"
	Latency          FaultKind = "latency"
	LoseAnswers      FaultKind = "lose-answer"
	LoseRequests     FaultKind = "lose-request"
	CutFrames        FaultKind = "cut-frame"
	FailBefore       FaultKind = "fail-produce"
	FailAfter        FaultKind = "fail-produce after=true"
	FailFetches      FaultKind = "fail-fetch"
	Answer           FaultKind = "answer"
	WithholdRecords  FaultKind = "withhold-records"
	AnswerAtOnce     FaultKind = "answer-at-once"
	OlderEnds        FaultKind = "older-ends"
	SlowBroker       FaultKind = "slow-broker"
	ThrottleFetches  FaultKind = "throttle api=fetch"
	ThrottleWrites   FaultKind = "throttle api=produce"
	StaleElection    FaultKind = "stale-metadata knows=election"
	StaleUnknown     FaultKind = "stale-metadata knows=unknown"
	StaleID          FaultKind = "stale-metadata knows=other-id"
	LoadCoordinators FaultKind = "load-coordinators"

	PauseFetches FaultKind = "stall"
	BlackHole    FaultKind = "black-hole"
	StopLeader   FaultKind = "restart"
	Silence      FaultKind = "silence"
	OutOfSync    FaultKind = "below-min-insync"

	DropConns       FaultKind = "reset"
	Restart         FaultKind = "restart-all"
	MoveLeader      FaultKind = "move-leader"
	ForgetProducers FaultKind = "forget-producers"
	GrowPartitions  FaultKind = "grow-partitions"
	Compact         FaultKind = "compact"
	LoseTail        FaultKind = "lose-tail"
	DeleteRecords   FaultKind = "delete-records"
	RecreateTopic   FaultKind = "recreate-topic"
)

// FaultKinds returns all kinds.
func FaultKinds() []FaultKind {
	all := make([]FaultKind, len(allKinds))
	for i, k := range allKinds {
		all[i] = k.name
	}
	return all
}

// Blocks reports whether operations can't be done while the fault lasts.
func (k FaultKind) Blocks() bool {
	is, _ := k.find()
	return is.blocks
}

// Fault is a fault to apply to a kit.
type Fault struct {
	Kind FaultKind
	// Client is the name of the client that is hit, "" for all. Not every kind concerns
	// clients.
	Client string
	// N is how often the fault takes effect, or how many records are lost, offsets an end lies
	// back, elections are not known, or partitions the topic gets besides the one that it has.
	N int
	// Delay is the delay of lag and latency, and how long brokers wait or let clients wait.
	Delay time.Duration
}

// String returns the fault with what its kind uses, as a line of a plan.
func (f Fault) String() string {
	s := string(f.Kind)
	is, _ := f.Kind.find()
	if is.client && f.Client != "" {
		s += " client=" + f.Client
	}
	if is.settings != nil {
		s += " " + is.settings(f)
	}
	return s
}

// GoString returns what String does: rapid uses it to list what was drawn.
func (f Fault) GoString() string { return f.String() }

// Faults generates faults of the given kinds, on single ones of the named clients and on
// all clients.
func Faults(kinds []FaultKind, clients ...string) *rapid.Generator[Fault] {
	return rapid.Custom(func(t *rapid.T) Fault {
		return Fault{
			Kind:   rapid.SampledFrom(kinds).Draw(t, "kind"),
			Client: rapid.SampledFrom(append([]string{""}, clients...)).Draw(t, "client"),
			N:      rapid.IntRange(1, 3).Draw(t, "n"),
			Delay:  time.Duration(rapid.IntRange(1, 10).Draw(t, "ms")) * time.Millisecond,
		}
	})
}

// Apply applies the fault to a kit.
func (f Fault) Apply(kit *kvstoretest.Kit) *kvstoretest.Effect {
	is, ok := f.Kind.find()
	if !ok {
		panic("kvrapid: there is no fault " + string(f.Kind))
	}
	var clients []string
	if f.Client != "" {
		clients = []string{f.Client}
	}
	return is.apply(f, kit, clients)
}
