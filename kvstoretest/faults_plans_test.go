package kvstoretest

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/sim"
)

// elsewhere are the faults of plans that are no call of the kit, and what does the same.
var elsewhere = map[string]string{
	"pause":               "On(Traffic{Clients}).Stall, and the test that does nothing meanwhile",
	"crash":               "Close and Open, with a new storage",
	"herd":                "Open, many times",
	"slow-storage":        "WithStorage",
	"fail-storage":        "WithStorage",
	"slow-hooks":          "the hooks of the test",
	"rolling-restart":     "MoveLeader and StopBroker, one broker after the other",
	"revoke":              "Revoke and Allow",
	"change-password":     "SetPassword",
	"alter-topic":         "AlterTopic",
	"transaction":         "Begin",
	"abandon-transaction": "Begin, without an end",
	"slow-markers":        "WithTransactionDelays",
	"keyless":             "Append(Keyless(...))",
}

// TestFaultsAreCalledAsInPlans holds the calls of the kit to the words of package
// sim, in which failures, histories and reports speak of faults.
func TestFaultsAreCalledAsInPlans(t *testing.T) {
	t.Parallel()
	kinds, called := map[string]bool{}, map[string]bool{}
	for _, k := range sim.FaultKinds() {
		kinds[k.Name] = true
	}
	kit := New(t, WithBrokers(2))
	a := kit.Open("a")
	put(t, a, "k", "v")
	kit.KafkaOptions("b c")
	for want, do := range map[string]func() *Effect{
		"lag client=a delay=1ms":                   func() *Effect { return kit.Lag(time.Millisecond, "a") },
		"stall dir=to-client api=fetch":            func() *Effect { return kit.PauseFetches() },
		`latency client="a,b c" min=1ms`:           func() *Effect { return kit.Latency(time.Millisecond, "a", "b c") },
		"black-hole client=a":                      func() *Effect { return kit.BlackHole("a") },
		"reset client=a":                           func() *Effect { return kit.DropConnections("a") },
		"lose-answer client=a api=produce count=1": func() *Effect { return kit.LoseAnswers(1, "a") },
		"lose-request api=produce":                 func() *Effect { return kit.LoseRequests(0) },
		"stall client=a broker=1 dir=to-broker api=metadata,offset-for-leader-epoch": func() *Effect {
			return kit.On(Traffic{Clients: []string{"a"}, Brokers: []int{1}, Dir: ToBroker, APIs: []kmsg.Key{kmsg.Metadata, kmsg.OffsetForLeaderEpoch}}).Stall()
		},
		"latency dir=to-client min=9s":      func() *Effect { return kit.On(Traffic{Dir: ToClient}).Latency(9 * time.Second) },
		"black-hole broker=0,1":             func() *Effect { return kit.On(Traffic{Brokers: []int{0, 1}}).BlackHole() },
		"reset broker=1":                    func() *Effect { return kit.On(Traffic{Brokers: []int{1}}).DropConnections() },
		"cut-frame api=fetch bytes=40":      func() *Effect { return kit.On(Traffic{APIs: []kmsg.Key{kmsg.Fetch}}).CutFrames(0, 40) },
		"lose-request api=init-producer-id": func() *Effect { return kit.On(Traffic{APIs: []kmsg.Key{kmsg.InitProducerID}}).LoseRequests(0) },
		"lose-answer broker=1 count=2":      func() *Effect { return kit.On(Traffic{Brokers: []int{1}}).LoseAnswers(2) },
		"silence broker=1":                  func() *Effect { return kit.Silence(1) },
		"slow-broker api=produce,fetch delay=1s count=2": func() *Effect {
			return kit.SlowBroker(2, time.Second, kmsg.Produce, kmsg.Fetch)
		},
		"withhold-records count=1":                        func() *Effect { return kit.WithholdRecords(1) },
		"grow-partitions partitions=2":                    func() *Effect { return kit.GrowPartitions(2) },
		"fail-produce error=NOT_ENOUGH_REPLICAS count=3":  func() *Effect { return kit.FailProduces(3, kerr.NotEnoughReplicas) },
		"fail-produce error=REQUEST_TIMED_OUT after=true": func() *Effect { return kit.FailProducesAfterAppend(0, kerr.RequestTimedOut) },
		"restart broker=0":                                func() *Effect { return kit.StopBroker(0) },
		"restart-all":                                     func() *Effect { return kit.RestartBrokers() },
		"move-leader broker=0":                            func() *Effect { return kit.MoveLeader(0) },
		"below-min-insync broker=1":                       func() *Effect { return kit.OutOfSync(1) },
		"forget-producers mode=refuse":                    func() *Effect { return kit.ForgetProducers(RefuseForgotten) },
		"forget-producers mode=accept elections=true":     func() *Effect { return kit.ForgetProducersAtElections(AcceptForgotten) },
		"throttle api=fetch delay=1s count=2":             func() *Effect { return kit.ThrottleFetches(2, time.Second) },
		"throttle client=a api=produce delay=1s count=2": func() *Effect {
			return kit.On(Traffic{Clients: []string{"a"}, APIs: []kmsg.Key{kmsg.Produce}}).Throttle(2, time.Second)
		},
		"answer client=a broker=1 api=list-offsets error=OFFSET_NOT_AVAILABLE throttle=5ms count=2": func() *Effect {
			return kit.On(Traffic{Clients: []string{"a"}, Brokers: []int{1}, APIs: []kmsg.Key{kmsg.ListOffsets}}).Answer(2, Refusal{Err: kerr.OffsetNotAvailable, Throttle: 5 * time.Millisecond})
		},
		"answer api=sasl-authenticate error=SASL_AUTHENTICATION_FAILED": func() *Effect {
			return kit.On(Traffic{APIs: []kmsg.Key{kmsg.SASLAuthenticate}}).Answer(0, Refusal{Err: kerr.SaslAuthenticationFailed})
		},
		"answer api=metadata error=LEADER_NOT_AVAILABLE at=partition": func() *Effect {
			return kit.On(Traffic{APIs: []kmsg.Key{kmsg.Metadata}}).Answer(0, Refusal{Err: kerr.LeaderNotAvailable, At: "partition"})
		},
		"answer api=produce error=NOT_LEADER_FOR_PARTITION after=true count=1": func() *Effect {
			return kit.On(Traffic{APIs: []kmsg.Key{kmsg.Produce}}).Answer(1, Refusal{Err: kerr.NotLeaderForPartition, After: true})
		},
		"answer-at-once count=1":               func() *Effect { return kit.AnswerAtOnce(1) },
		"older-ends back=3":                    func() *Effect { return kit.OlderEnds(0, 3) },
		"hostile-batch does=claim":             func() *Effect { return kit.HostileBatch(Claims, 1000) },
		"hostile-batch does=inflate":           func() *Effect { return kit.HostileBatch(Inflates, 5000) },
		"fail-fetch error=OFFSET_OUT_OF_RANGE": func() *Effect { return kit.FailFetches(0, kerr.OffsetOutOfRange) },
		"stale-metadata broker=0,1 knows=election elections=2 count=1": func() *Effect {
			return kit.StaleMetadata(1, Stale{Brokers: []int{0, 1}, Elections: 2})
		},
		"stale-metadata knows=partitions partitions=1": func() *Effect { return kit.StaleMetadata(0, Stale{Partitions: 1}) },
		"stale-metadata knows=other-id":                func() *Effect { return kit.StaleMetadata(0, Stale{Other: true}) },
		"load-coordinators count=2":                    func() *Effect { return kit.LoadCoordinators(2) },
		"move-coordinator broker=1 id=tx":              func() *Effect { return kit.MoveCoordinator("tx", 1) },
		"compact":                                      func() *Effect { return kit.Compact() },
		"uncompacted-leader broker=1":                  func() *Effect { return kit.UncompactedLeader(1) },
		"delete-records before=-1":                     func() *Effect { return kit.DeleteRecords(-1) },
		"lose-tail records=1":                          func() *Effect { return kit.LoseTail(1) },
		"recreate-topic":                               func() *Effect { return kit.RecreateTopic() },
	} {
		f := do()
		f.Undo()
		if got := f.String(); got != want {
			t.Errorf("the fault is %q, want %q", got, want)
		}
		kind, _, _ := strings.Cut(want, " ")
		if !kinds[kind] {
			t.Errorf("plans have no fault %q, of %q", kind, want)
		}
		called[kind] = true
	}
	for kind := range elsewhere {
		if !kinds[kind] {
			t.Errorf("plans have no fault %q, for which the kit would have something else", kind)
		}
	}
	for kind := range kinds {
		if called[kind] == (elsewhere[kind] != "") {
			t.Errorf("fault %q of plans: the kit has a call %v, and %q does the same; want one of both", kind, called[kind], elsewhere[kind])
		}
	}
}
