package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// everywhere runs a test in real time and in a bubble, where a goroutine that is
// left at the end is an error.
func everywhere(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	t.Run("real time", func(t *testing.T) { t.Parallel(); fn(t) })
	t.Run("bubble", func(t *testing.T) { t.Parallel(); synctest.Test(t, fn) })
}

func put(t testing.TB, kv interface {
	PutRevision(ctx context.Context, key, value []byte) (int64, error)
}, key, value string,
) int64 {
	t.Helper()
	rev, err := kv.PutRevision(t.Context(), []byte(key), []byte(value))
	if err != nil {
		t.Fatalf("Put(%q, %q) = %v", key, value, err)
	}
	return rev
}

func TestOneLineGivesAStore(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kv := NewStore(t)
		if err := kv.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		if got, err := kv.Get(t.Context(), []byte("k")); err != nil || string(got) != "v" {
			t.Errorf("Get = %q, %v, want v", got, err)
		}
	})
}

func TestClientIsOpenedOnce(t *testing.T) {
	t.Parallel()
	kit := New(t)
	if a, b := kit.Client(), kit.Client(); a != b {
		t.Error("Client() twice gives two clients, want one")
	}
}

func TestNamesCanBeOpenedAgain(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		for i := range 3 {
			kv := kit.Open("app")
			put(t, kv, "k", fmt.Sprint(i))
			if err := kv.Close(); err != nil {
				t.Fatal(err)
			}
		}
		kit.WantValue(kit.Open("app"), "k", "2")
	})
}

func TestOptionsReachClusterAndClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stores, hooks := 0, 0
		kit := New(t,
			WithBrokers(3), WithTopic("settings"), WithSeed(7), WithLatency(10*time.Millisecond),
			WithTopicConfig(map[string]string{"max.message.bytes": "2000"}),
			WithClientOptions(kvstore.WithOnSetHook(func(_, _ []byte) { hooks++ })),
			WithStorage(func(testing.TB) kvstore.Storage { stores++; return memory.New() }),
		)
		if got := len(kit.Brokers()); got != 3 {
			t.Errorf("%d brokers, want 3", got)
		}
		if got := kit.Topic(); got != "settings" {
			t.Errorf("Topic() = %q", got)
		}
		kv := kit.Client()
		start := time.Now()
		put(t, kv, "k", "v")
		if d := time.Since(start); d < 20*time.Millisecond {
			t.Errorf("Put took %v, want two times 10ms at least", d)
		}
		if err := kv.Put(t.Context(), []byte("k"), make([]byte, 3000)); !errors.Is(err, kvstore.ErrValueTooLarge) {
			t.Errorf("Put of 3000 bytes = %v, want ErrValueTooLarge", err)
		}
		if stores != 1 || hooks != 1 {
			t.Errorf("%d storages, %d hooks, want 1 and 1", stores, hooks)
		}
	})
}

func TestTCPServesClientsFromOutside(t *testing.T) {
	t.Parallel()
	kit := New(t, WithTCP())
	put(t, kit.Client(), "k", "v")
	// A client that has nothing from the kit but the address.
	ctx, cancel := kit.context()
	defer cancel()
	outside, err := kvstore.NewClient(ctx, kit.Topic(), memory.New(),
		kvstore.WithBrokers(kit.Brokers()...), kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	kit.WantValue(outside, "k", "v")
	kit.MoveLeader(0)
	kit.Compact()
}

func TestTryOpenReturnsTheError(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		kit.AppendCorrupt()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := kit.TryOpen(ctx, "app")
		var we *kvstore.WaitError
		if !errors.As(err, &we) {
			t.Errorf("TryOpen on a corrupt log = %v, want a WaitError", err)
		}
	})
}

func TestKafkaClientsConnect(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		cl, err := kgo.NewClient(kit.KafkaOptions("other")...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		r := &kgo.Record{Topic: kit.Topic(), Key: []byte("k"), Value: []byte("v")}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		kit.WantSnapshot(map[string]string{"k": "v"})
	})
}

func TestLogsAreAttachedToFailingTestsOnly(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		f := onFake(t, func(t testing.TB) {
			kit := New(t)
			kv := kit.Client()
			kit.PauseFetches()
			kit.RestartBrokers()
			_ = kv
			slog.New(kit.logs.handler("app")).With("a", 1).WithGroup("g").Warn("something odd", "b", 2)
			if fails {
				t.Errorf("no")
			}
		})
		if got := strings.Contains(f.text(), "logs of clients and brokers"); got != fails {
			t.Errorf("test fails: %v, logs attached: %v\n%s", fails, got, f.text())
		}
		if fails && !strings.Contains(f.text(), "app      WARN something odd a=1 g.b=2") {
			t.Errorf("the log lacks the client's line:\n%s", f.text())
		}
	}
}

func TestOldLogLinesAreDropped(t *testing.T) {
	t.Parallel()
	l := newLogBook()
	for i := range mostLines + 5 {
		l.logf("line %d.", i)
	}
	f := onFake(t, func(t testing.TB) { l.attach(t) })
	text := f.text()
	if !strings.Contains(text, "the last 200 of 205 lines") || strings.Contains(text, "line 4.") ||
		strings.Index(text, "line 5.") > strings.Index(text, "line 204.") {
		t.Errorf("attached:\n%s\nwant lines 5 to 204 in order", text)
	}
}

func TestClientLeftOpenFailsTheTest(t *testing.T) {
	t.Parallel()
	var left *kvstore.Client
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		var err error
		left, err = kvstore.NewClient(t.Context(), kit.Topic(), memory.New(), kit.ClientOptions("app")...)
		if err != nil {
			t.Fatalf("%v", err)
		}
	})
	defer left.Close()
	f.wantErrors(t, `client "app" is still open at the end of the test: Close it`)
}

// TestMisuseFailsTheTest holds that every wrong use ends the test with a message
// that names the call and says what to do.
func TestMisuseFailsTheTest(t *testing.T) {
	t.Parallel()
	onKit := func(fn func(k *Kit)) func(testing.TB) {
		return func(t testing.TB) { fn(New(t)) }
	}
	for _, c := range []struct {
		want string
		test func(t testing.TB)
	}{
		{"WithBrokers(0): a cluster needs at least 1 broker", func(t testing.TB) { New(t, WithBrokers(0)) }},
		{`WithTopic(""): a topic has a name of 1 to 249`, func(t testing.TB) { New(t, WithTopic("")) }},
		{"WithLatency(-1s): latency can't be negative", func(t testing.TB) { New(t, WithLatency(-time.Second)) }},
		{"WithTimeout(0s): the timeout has to be more than zero", func(t testing.TB) { New(t, WithTimeout(0)) }},
		{"option 2 is nil: leave it out", func(t testing.TB) { New(t, WithBrokers(1), nil) }},
		{`WithTopicConfig: max.message.bytes="lots": it has to be a whole number`, func(t testing.TB) { New(t, WithTopicConfig(map[string]string{"max.message.bytes": "lots"})) }},
		{`AlterTopic: delete.retention.ms="1 day": it has to be a whole number`, onKit(func(k *Kit) { k.AlterTopic(map[string]string{"delete.retention.ms": "1 day"}) })},
		{"WithStorage(nil)", func(t testing.TB) { New(t, WithStorage(nil)) }},
		{"leave WithTCP out", func(t testing.TB) { New(t, WithTCP(), WithLatency(1)) }},
		{`WithTopic("no/name"): a topic has a name`, func(t testing.TB) { New(t, WithTopic("no/name")) }},
		{"a client needs a name", onKit(func(k *Kit) { k.Open("") })},
		{`Open("app"): a client of that name is open`, onKit(func(k *Kit) { k.Open("app"); k.Open("app") })},
		{`open client "app": `, onKit(func(k *Kit) { k.Open("app", kvstore.WithKafkaOptions(kgo.TransactionalID("x"))) })},
		{"Seed: there are no keys", onKit(func(k *Kit) { k.Seed(nil) })},
		{"Seed: a key needs at least one byte", onKit(func(k *Kit) { k.Seed(map[string]string{"": "v"}) })},
		{"Append: there are no records", onKit(func(k *Kit) { k.Append() })},
		{"Transaction.Append: there are no records", onKit(func(k *Kit) { k.Begin().Append() })},
		{"abort a transaction: ", onKit(func(k *Kit) { x := k.Begin(); x.Commit(); x.Abort() })},
		{"append to a transaction: ", onKit(func(k *Kit) { x := k.Begin(); x.Commit(); x.Append(Set("k", "v")) })},
		{"CaughtUp: name the clients", onKit(func(k *Kit) { k.CaughtUp() })},
		{`Lag: there is no client "b"; known are a (names are given to Open, `, onKit(func(k *Kit) { k.Open("a"); k.Lag(1, "b") })},
		{`PauseFetches: there is no client "b"; known are none yet`, onKit(func(k *Kit) { k.PauseFetches("b") })},
		{"BlackHole: there is no client", onKit(func(k *Kit) { k.BlackHole("b") })},
		{"DropConnections: there is no client", onKit(func(k *Kit) { k.DropConnections("b") })},
		{"Lag(0s): the delay has to be more than zero", onKit(func(k *Kit) { k.Lag(0) })},
		{"Lag(10s): the delay has to be more than zero and less than 10s", onKit(func(k *Kit) { k.Lag(10 * time.Second) })},
		{"Latency(5s): the delay has to be more than zero and less than 5s", onKit(func(k *Kit) { k.Latency(5 * time.Second) })},
		{"Latency(-1ns): the delay has to be more than zero", onKit(func(k *Kit) { k.Latency(-1) })},
		{"LoseAnswers(-1): the number can't be negative", onKit(func(k *Kit) { k.LoseAnswers(-1) })},
		{"LoseRequests(-1): the number can't be negative", onKit(func(k *Kit) { k.LoseRequests(-1) })},
		{"FailProduces(1, nope): the error has to be one of package kerr", onKit(func(k *Kit) { k.FailProduces(1, errors.New("nope")) })},
		{"FailProducesAfterAppend(-2): the number can't be negative", onKit(func(k *Kit) { k.FailProducesAfterAppend(-2, kerr.RequestTimedOut) })},
		{"FailProducesAfterAppend(1, nope): the error has to be one of package kerr", onKit(func(k *Kit) { k.FailProducesAfterAppend(1, errors.New("nope")) })},
		{`On: there is no client "b"`, onKit(func(k *Kit) { k.On(Traffic{Clients: []string{"b"}}).Stall() })},
		{"On(1): there is no such broker; the kit has 1", onKit(func(k *Kit) { k.On(Traffic{Brokers: []int{1}}).BlackHole() })},
		{"On: there is no Direction(3): use BothWays, ToBroker or ToClient", onKit(func(k *Kit) { k.On(Traffic{Dir: 3}).DropConnections() })},
		{"Latency(10s): the delay has to be more than zero and less than 10s", onKit(func(k *Kit) { k.On(Traffic{Dir: ToBroker}).Latency(10 * time.Second) })},
		{"CutFrames(-1): the number can't be negative", onKit(func(k *Kit) { k.On(Traffic{}).CutFrames(-1, 0) })},
		{"CutFrames(1, -1): a message has no negative number", onKit(func(k *Kit) { k.On(Traffic{}).CutFrames(1, -1) })},
		{"SlowBroker(-1): the number can't be negative", onKit(func(k *Kit) { k.SlowBroker(-1, time.Second) })},
		{"SlowBroker(1, 0s): the time has to be more than zero", onKit(func(k *Kit) { k.SlowBroker(1, 0) })},
		{"WithholdRecords(-1): the number can't be negative", onKit(func(k *Kit) { k.WithholdRecords(-1) })},
		{"Silence(2): there is no such broker", onKit(func(k *Kit) { k.Silence(2) })},
		{"grow-partitions: ", onKit(func(k *Kit) { k.GrowPartitions(0) })},
		{"a client needs a name", onKit(func(k *Kit) { k.Dialer("") })},
		{"StopBroker(1): there is no such broker; the kit has 1", onKit(func(k *Kit) { k.StopBroker(1) })},
		{"StopBroker(0): it is stopped already", onKit(func(k *Kit) { k.StopBroker(0); k.StopBroker(0) })},
		{"WithTransactionDelays(-1ns, 0s): a delay can't be negative", func(t testing.TB) { New(t, WithTransactionDelays(-1, 0)) }},
		{"LoadCoordinators(-1): the number", onKit(func(k *Kit) { k.LoadCoordinators(-1) })},
		{"MoveCoordinator(1): there is no such broker", onKit(func(k *Kit) { k.MoveCoordinator("t", 1) })},
		{"OutOfSync(3): there is no such broker; the kit has 1", onKit(func(k *Kit) { k.OutOfSync(3) })},
		{"ForgetProducers(Forgetting(7)): use AcceptForgotten", onKit(func(k *Kit) { k.ForgetProducers(7) })},
		{"ForgetProducersAtElections(Forgetting(-1)): use", onKit(func(k *Kit) { k.ForgetProducersAtElections(-1) })},
		{"ThrottleFetches(-1): the number", onKit(func(k *Kit) { k.ThrottleFetches(-1, time.Second) })},
		{"ThrottleFetches(1, 1ns): the time has to be at least one millisecond", onKit(func(k *Kit) { k.ThrottleFetches(1, 1) })},
		{"Throttle(1, 1ns): the time has to be at least one millisecond", onKit(func(k *Kit) { k.On(Traffic{}).Throttle(1, 1) })},
		{"Answer(1, nope): the error has to be one of package kerr", onKit(func(k *Kit) { k.On(Traffic{APIs: []kmsg.Key{kmsg.Fetch}}).Answer(1, Refusal{Err: errors.New("nope")}) })},
		{"Answer(-1): the number", onKit(func(k *Kit) {
			k.On(Traffic{APIs: []kmsg.Key{kmsg.Fetch}}).Answer(-1, Refusal{Err: kerr.UnknownTopicID})
		})},
		{"Answer: name one request: On(Traffic{APIs: ...}) has 0", onKit(func(k *Kit) { k.On(Traffic{}).Answer(1, Refusal{Err: kerr.UnknownTopicID}) })},
		{"Answer: fakecluster: answer: Fetch does nothing after which", onKit(func(k *Kit) {
			k.On(Traffic{APIs: []kmsg.Key{kmsg.Fetch}}).Answer(1, Refusal{Err: kerr.UnknownTopicID, After: true})
		})},
		{"AnswerAtOnce(-1): the number", onKit(func(k *Kit) { k.AnswerAtOnce(-1) })},
		{"OlderEnds(1, 0): the ends have to lie back by 1 or more", onKit(func(k *Kit) { k.OlderEnds(1, 0) })},
		{"HostileBatch(Hostile(5), 100): use Inflates or Claims", onKit(func(k *Kit) { k.HostileBatch(5, 100) })},
		{"FailFetches(1, nope): the error has to be one of package kerr", onKit(func(k *Kit) { k.FailFetches(1, errors.New("nope")) })},
		{"set exactly one of Unknown, Other, Partitions and Elections", onKit(func(k *Kit) { k.StaleMetadata(1, Stale{Brokers: []int{0}, Unknown: true, Elections: 1}) })},
		{"StaleMetadata(2): there is no such broker", onKit(func(k *Kit) { k.StaleMetadata(1, Stale{Brokers: []int{2}, Unknown: true}) })},
		{"AlterTopic: there is nothing to change", onKit(func(k *Kit) { k.AlterTopic(nil) })},
		{`As("u"): there is no such user; see WithUsers`, onKit(func(k *Kit) { k.As("u") })},
		{`Allow("u"): `, onKit(func(k *Kit) { k.Allow("u") })},
		{`Revoke("u"): `, onKit(func(k *Kit) { k.Revoke("u") })},
		{`SetPassword("u"): `, onKit(func(k *Kit) { k.SetPassword("u", "x") })},
		{"StartBroker(0): it is running", onKit(func(k *Kit) { k.StartBroker(0) })},
		{"MoveLeader(-1): there is no such broker", onKit(func(k *Kit) { k.MoveLeader(-1) })},
		{"DeleteRecords(5): the log ends at 0", onKit(func(k *Kit) { k.DeleteRecords(5) })},
		{"UncompactedLeader(9): there is no such broker", onKit(func(k *Kit) { k.UncompactedLeader(9) })},
		{"LoseTail(0): the number of records has to be 1 or more", onKit(func(k *Kit) { k.LoseTail(0) })},
		{"Record(nil): there is no store", onKit(func(k *Kit) { k.Record(nil) })},
		{"CheckHistory: nothing was recorded: wrap the clients with Record", onKit(func(k *Kit) { k.CheckHistory() })},
		{`CheckHistory: there is no check "x"`, onKit(func(k *Kit) { k.Record(k.Client()); k.CheckHistory("x") })},
		{"Lag is a fault of the in-memory network: leave WithTCP out", func(t testing.TB) { New(t, WithTCP()).Lag(1) }},
		{"StopBroker is a fault of the in-memory network", func(t testing.TB) { New(t, WithTCP()).StopBroker(0) }},
		{"RestartBrokers is a fault of the in-memory network", func(t testing.TB) { New(t, WithTCP()).RestartBrokers() }},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			f := onFake(t, c.test)
			f.wantErrors(t, c.want)
		})
	}
}

func TestTCPInABubbleIsRefused(t *testing.T) {
	t.Parallel()
	if inBubble() {
		t.Error("inBubble() = true outside of one")
	}
	synctest.Test(t, func(t *testing.T) {
		f := onFake(t, func(t testing.TB) { New(t, WithTCP()) })
		f.wantErrors(t, "WithTCP can't be used in a synctest bubble")
	})
}
