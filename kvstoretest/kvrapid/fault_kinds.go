package kvrapid

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstoretest"
)

// kind is what there is to know of the faults of a name.
type kind struct {
	name     FaultKind
	client   bool               // it hits the clients that are given
	blocks   bool               // operations can't be done while it lasts
	settings func(Fault) string // what its line says besides; may be nil
	apply    effect
}

func (k FaultKind) find() (kind, bool) {
	for _, is := range allKinds {
		if is.name == k {
			return is, true
		}
	}
	return kind{}, false
}

var allKinds = slices.Concat(trafficKinds, brokerKinds, logKinds)

// An effect applies a fault, which hits the clients, all if none is given.
type effect = func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect

func count(f Fault) string { return fmt.Sprintf("count=%d", f.N) }

func delay(f Fault) string { return "delay=" + f.Delay.String() }

func delayCount(f Fault) string { return delay(f) + " " + count(f) }

// trafficKinds are faults of the network.
var trafficKinds = []kind{
	{name: Lag, client: true, settings: delay, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.Lag(f.Delay, clients...)
	}},
	{name: Latency, client: true, settings: func(f Fault) string { return "min=" + f.Delay.String() }, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.Latency(f.Delay, clients...)
	}},
	{name: LoseAnswers, client: true, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.LoseAnswers(f.N, clients...)
	}},
	{name: LoseRequests, client: true, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.LoseRequests(f.N, clients...)
	}},
	{name: CutFrames, client: true, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.On(kvstoretest.Traffic{Clients: clients}).CutFrames(f.N, 0)
	}},
	{name: ThrottleWrites, client: true, settings: delayCount, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.On(kvstoretest.Traffic{Clients: clients, APIs: []kmsg.Key{kmsg.Produce}}).Throttle(f.N, f.Delay)
	}},
	{name: PauseFetches, client: true, blocks: true, apply: func(_ Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.PauseFetches(clients...)
	}},
	{name: BlackHole, client: true, blocks: true, apply: func(_ Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.BlackHole(clients...)
	}},
	{name: Silence, blocks: true, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.Silence(kit.Leader())
	}},
	{name: DropConns, client: true, apply: func(_ Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		return kit.DropConnections(clients...)
	}},
}

// refusals are what brokers answer to fetches while they change the leader or their disk is slow.
var refusals = []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.OffsetNotAvailable}

// answers are error codes that brokers give for a moment, for requests of several kinds.
var answers = []struct {
	api   kmsg.Key
	name  string
	err   *kerr.Error
	after bool
}{
	{kmsg.ListOffsets, "list-offsets", kerr.NotLeaderForPartition, false},
	{kmsg.Produce, "produce", kerr.NotLeaderForPartition, true},
	{kmsg.OffsetForLeaderEpoch, "offset-for-leader-epoch", kerr.KafkaStorageError, false},
	{kmsg.Metadata, "metadata", kerr.LeaderNotAvailable, false},
	{kmsg.InitProducerID, "init-producer-id", kerr.CoordinatorLoadInProgress, false},
	{kmsg.Produce, "produce", kerr.UnknownServerError, true},
}

// brokerKinds are faults of brokers.
var brokerKinds = []kind{
	{name: FailBefore, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.FailProduces(f.N, kerr.NotEnoughReplicas)
	}},
	{name: FailAfter, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.FailProducesAfterAppend(f.N, kerr.RequestTimedOut)
	}},
	{name: FailFetches, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.FailFetches(f.N, refusals[f.N%len(refusals)])
	}},
	{name: Answer, client: true, settings: func(f Fault) string {
		a := answers[f.N%len(answers)]
		text := fmt.Sprintf("api=%s error=%s count=%d", a.name, a.err.Message, f.N)
		if a.after {
			text += " after=true"
		}
		return text
	}, apply: func(f Fault, kit *kvstoretest.Kit, clients []string) *kvstoretest.Effect {
		a := answers[f.N%len(answers)]
		return kit.On(kvstoretest.Traffic{Clients: clients, APIs: []kmsg.Key{a.api}}).Answer(f.N, kvstoretest.Refusal{Err: a.err, After: a.after})
	}},
	// Twice in a row can be long enough for a client to believe that nothing is there.
	{name: WithholdRecords, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.WithholdRecords(1)
	}},
	{name: AnswerAtOnce, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.AnswerAtOnce(f.N)
	}},
	{name: OlderEnds, settings: func(f Fault) string { return fmt.Sprintf("back=%d count=%d", f.N, f.N) }, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.OlderEnds(f.N, f.N)
	}},
	{name: SlowBroker, settings: delayCount, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.SlowBroker(f.N, f.Delay)
	}},
	{name: ThrottleFetches, settings: delayCount, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.ThrottleFetches(f.N, f.Delay)
	}},
	{name: StaleElection, settings: func(f Fault) string { return fmt.Sprintf("elections=%d count=%d", f.N, f.N) }, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.StaleMetadata(f.N, kvstoretest.Stale{Elections: f.N})
	}},
	{name: StaleUnknown, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.StaleMetadata(f.N, kvstoretest.Stale{Unknown: true})
	}},
	{name: StaleID, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.StaleMetadata(f.N, kvstoretest.Stale{Other: true})
	}},
	{name: LoadCoordinators, settings: count, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.LoadCoordinators(f.N)
	}},
	{name: StopLeader, blocks: true, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.StopBroker(kit.Leader())
	}},
	{name: OutOfSync, blocks: true, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.OutOfSync((kit.Leader() + f.N) % len(kit.Brokers()))
	}},
	{name: Restart, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.RestartBrokers()
	}},
	{name: MoveLeader, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.MoveLeader((kit.Leader() + f.N) % len(kit.Brokers()))
	}},
	{name: ForgetProducers, settings: func(f Fault) string { return "mode=" + forgetting(f).String() }, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.ForgetProducers(forgetting(f))
	}},
}

// forgetting returns what brokers do with the writes of those that they have forgotten.
func forgetting(f Fault) kvstoretest.Forgetting {
	return []kvstoretest.Forgetting{kvstoretest.AcceptForgotten, kvstoretest.RefuseForgotten, kvstoretest.DenyForgotten}[f.N%3]
}

// logKinds change the log or the topic.
var logKinds = []kind{
	{name: GrowPartitions, settings: func(f Fault) string { return fmt.Sprintf("partitions=%d", 1+f.N) }, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.GrowPartitions(1 + f.N)
	}},
	{name: Compact, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.Compact()
	}},
	{name: LoseTail, settings: func(f Fault) string { return fmt.Sprintf("records=%d", f.N) }, apply: func(f Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.LoseTail(f.N)
	}},
	// All records: the fake broker's compaction would bring back deleted records of a batch
	// that is deleted in part, which Kafka's does not.
	{name: DeleteRecords, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.DeleteRecords(-1)
	}},
	{name: RecreateTopic, apply: func(_ Fault, kit *kvstoretest.Kit, _ []string) *kvstoretest.Effect {
		return kit.RecreateTopic()
	}},
}
