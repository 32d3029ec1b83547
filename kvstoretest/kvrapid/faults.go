package kvrapid

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstoretest"
)

// FaultKind names a fault, as plans of package sim do.
type FaultKind string

// The kinds of faults. The first group lasts and lets operations continue, the second lasts
// and blocks them, the third happens immediately.
const (
	Lag           FaultKind = "lag"
	Latency       FaultKind = "latency"
	LoseAnswers   FaultKind = "lose-answer"
	LoseRequests  FaultKind = "lose-request"
	FailBefore    FaultKind = "fail-produce"
	FailAfter     FaultKind = "fail-produce after=true"
	PauseFetches  FaultKind = "stall"
	BlackHole     FaultKind = "black-hole"
	StopLeader    FaultKind = "restart"
	DropConns     FaultKind = "reset"
	Restart       FaultKind = "restart-all"
	MoveLeader    FaultKind = "move-leader"
	Compact       FaultKind = "compact"
	LoseTail      FaultKind = "lose-tail"
	DeleteRecords FaultKind = "delete-records"
	RecreateTopic FaultKind = "recreate-topic"
)

// FaultKinds returns all kinds.
func FaultKinds() []FaultKind {
	return []FaultKind{
		Lag, Latency, LoseAnswers, LoseRequests, FailBefore, FailAfter,
		PauseFetches, BlackHole, StopLeader,
		DropConns, Restart, MoveLeader, Compact, LoseTail, DeleteRecords, RecreateTopic,
	}
}

// Blocks reports whether operations can't be done while the fault lasts.
func (k FaultKind) Blocks() bool { return k == PauseFetches || k == BlackHole || k == StopLeader }

// Fault is a fault to apply to a kit.
type Fault struct {
	Kind FaultKind
	// Client is the name of the client that is hit, "" for all. Not every kind concerns
	// clients.
	Client string
	// N is how often the fault takes effect, or how many records are lost.
	N int
	// Delay is the delay of lag and latency.
	Delay time.Duration
}

// String returns the fault with what its kind uses, as a line of a plan.
func (f Fault) String() string {
	s := string(f.Kind)
	switch f.Kind {
	case Lag, Latency, LoseAnswers, LoseRequests, PauseFetches, BlackHole, DropConns:
		if f.Client != "" {
			s += " client=" + f.Client
		}
	default:
	}
	switch f.Kind {
	case Lag:
		s += " delay=" + f.Delay.String()
	case Latency:
		s += " min=" + f.Delay.String()
	case LoseAnswers, LoseRequests, FailBefore, FailAfter:
		s += fmt.Sprintf(" count=%d", f.N)
	case LoseTail:
		s += fmt.Sprintf(" records=%d", f.N)
	default:
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
	var clients []string
	if f.Client != "" {
		clients = []string{f.Client}
	}
	switch f.Kind {
	case Lag:
		return kit.Lag(f.Delay, clients...)
	case Latency:
		return kit.Latency(f.Delay, clients...)
	case LoseAnswers:
		return kit.LoseAnswers(f.N, clients...)
	case LoseRequests:
		return kit.LoseRequests(f.N, clients...)
	case FailBefore:
		return kit.FailProduces(f.N, kerr.NotEnoughReplicas)
	case FailAfter:
		return kit.FailProducesAfterAppend(f.N, kerr.RequestTimedOut)
	case PauseFetches:
		return kit.PauseFetches(clients...)
	case BlackHole:
		return kit.BlackHole(clients...)
	case StopLeader:
		return kit.StopBroker(kit.Leader())
	case DropConns:
		return kit.DropConnections(clients...)
	case Restart:
		return kit.RestartBrokers()
	case MoveLeader:
		return kit.MoveLeader((kit.Leader() + f.N) % len(kit.Brokers()))
	case Compact:
		return kit.Compact()
	case LoseTail:
		return kit.LoseTail(f.N)
	case DeleteRecords:
		// All records: the fake broker's compaction would bring back deleted records of a
		// batch that is deleted in part, which Kafka's does not.
		return kit.DeleteRecords(-1)
	case RecreateTopic:
		return kit.RecreateTopic()
	}
	panic(fmt.Sprintf("kvrapid: there is no fault %q", f.Kind))
}
