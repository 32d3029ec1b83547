package realkafka_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// produce appends records as another program would, one batch a call.
func produce(t *testing.T, k *realkafka.Cluster, topic string, records ...*kgo.Record) {
	t.Helper()
	cl := plain(t, k, topic)
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// plain returns a franz-go client of another program.
func plain(t *testing.T, k *realkafka.Cluster, topic string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.Brokers()...),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func record(key, value string) *kgo.Record { return kgo.KeySliceRecord([]byte(key), []byte(value)) }

// text prints a log: each record as offset:key=value, a tombstone as
// offset:key, markers as offset:commit and offset:abort.
func text(batches []realkafka.Batch) string {
	var out []string
	for _, b := range batches {
		out = append(out, batchText(b))
	}
	return strings.Join(out, " ")
}

func TestVersionComesFromTheBroker(t *testing.T) {
	k := realkafka.Start(t)
	if !strings.Contains(k.Version(), ".") {
		t.Errorf("Version() = %q, want a release", k.Version())
	}
	t.Log(k.Kafka())
}

func TestCompactReallyHappens(t *testing.T) {
	k := realkafka.Start(t)
	topic := k.Topic(keepAll)
	produce(t, k, topic, record("a", "1"), record("b", "1"), record("a", "2"))
	produce(t, k, topic, record("b", "2"), kgo.KeySliceRecord([]byte("c"), nil))
	if got, want := text(k.ReadLog(topic)), "0:a=1,1:b=1,2:a=2 3:b=2,4:c"; got != want {
		t.Fatalf("log before compaction = %q, want %q", got, want)
	}
	k.Compact(topic)
	log := text(k.ReadLog(topic))
	if !strings.HasPrefix(log, "2:a=2 3:b=2") {
		t.Errorf("log after compaction = %q, want a=2 at offset 2 and b=2 at offset 3 first", log)
	}
	t.Log(log)
}

func TestBrokerKeepsPortAndDataOverRestart(t *testing.T) {
	k := realkafka.Start(t)
	topic := k.Topic(nil)
	produce(t, k, topic, record("a", "1"))
	before := k.Brokers()
	k.StopBroker(1)
	k.StartBroker(1)
	k.KillBroker(1)
	k.StartBroker(1)
	produce(t, k, topic, record("b", "1"))
	if got, want := text(k.ReadLog(topic)), "0:a=1 1:b=1"; got != want {
		t.Errorf("log after two restarts = %q, want %q", got, want)
	}
	if after := k.Brokers(); strings.Join(after, ",") != strings.Join(before, ",") {
		t.Errorf("brokers were at %v and are at %v", before, after)
	}
}

func TestMoveLeaderRaisesTheEpoch(t *testing.T) {
	k := realkafka.Start(t, realkafka.WithBrokers(3))
	topic := k.Topic(nil)
	for range 3 {
		from, epoch := k.Leader(topic)
		to := from%3 + 1
		k.MoveLeader(topic, to)
		now, later := k.Leader(topic)
		if now != to || later <= epoch {
			t.Errorf("leader after the move from %d to %d = %d, epoch %d after %d", from, to, now, later, epoch)
		}
		produce(t, k, topic, record("a", "1"))
	}
}
