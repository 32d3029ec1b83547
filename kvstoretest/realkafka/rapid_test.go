package realkafka_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
	"github.com/kvsim/kvsim/kvstoretest/kvrapid"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// machineChecks is how many runs of the state machine there are, unless the
// command line says so. A run takes about half a second.
const machineChecks = 25

// TestStateMachine is the state machine of package kvrapid on real brokers.
func TestStateMachine(t *testing.T) {
	k := realkafka.Start(t)
	checks(t, machineChecks)
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		kvrapid.Run(rt, kvrapid.Config{Cluster: func(tb testing.TB) kvrapid.Cluster { return newTopic(t, tb, k) }})
	})
	t.Logf("%d runs, shrinking included", rounds)
}

// checks sets how often rapid runs a property, unless the command line does.
func checks(t *testing.T, n int) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	before := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", before) })
}

// topicCluster is a topic on real brokers as a kvrapid.Cluster.
type topicCluster struct {
	tb    testing.TB
	ctx   context.Context
	k     *realkafka.Kafka
	topic string
}

// newTopic makes a topic that goes with the run.
func newTopic(t *testing.T, tb testing.TB, c *realkafka.Cluster) *topicCluster {
	tb.Helper()
	w := &topicCluster{tb: tb, ctx: t.Context(), k: c.Kafka(), topic: c.Name()}
	// The model knows the log by its records: the cleaner must take none.
	err := w.k.CreateTopic(w.ctx, w.topic, map[string]string{"min.compaction.lag.ms": "3600000", "delete.retention.ms": "86400000", "max.message.bytes": "65536"})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func (w *topicCluster) Topic() string { return w.topic }

func (w *topicCluster) ClientOptions(string) []kvstore.ClientOption {
	return []kvstore.ClientOption{kvstore.WithBrokers(w.k.Brokers()...)}
}

func (w *topicCluster) Log() kvstoretest.Log {
	w.tb.Helper()
	batches, err := w.k.ReadLog(w.ctx, w.topic)
	if err != nil {
		w.tb.Fatalf("%v", fmt.Errorf("the log of the topic: %w", err))
	}
	var log kvstoretest.Log
	for _, b := range batches {
		for _, r := range b.Records {
			rec := kvstoretest.LogRecord{Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value, Producer: b.ProducerID}
			if r.Value == nil {
				rec.Kind = kvstoretest.KindTombstone
			}
			log = append(log, rec)
		}
	}
	return log
}
