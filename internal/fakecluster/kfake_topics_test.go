package fakecluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

func TestTransactionOnATopicThatAClientCreatedGetsItsMarker(t *testing.T) {
	t.Parallel()
	c, err := fakecluster.Start(fakecluster.Options{Brokers: 1, TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Seeds()...), kgo.DefaultProduceTopic("own"), kgo.TransactionalID("tx"), kgo.MetadataMinAge(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "own"); err != nil {
		t.Fatal(err)
	}
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, kgo.StringRecord("v")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	// The next transaction of the same id waits until the marker is there.
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, kgo.StringRecord("w")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	log, err := c.ReadLog("own", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(log) < 2 || !log[1].Control {
		t.Errorf("log = %+v, want the marker behind the first batch", log)
	}
}
