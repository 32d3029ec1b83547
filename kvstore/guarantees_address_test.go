package kvstore_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// A broker is replaced by another one with its id, at another address, and leads. The
// old one still answers on the connections that it has, that it does not lead.
func TestWriteFindsABrokerAtAnotherAddress(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Skip("no loopback network: ", err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.MoveTopicPartition(topic, 0, 1))
	kv, err := kvstore.NewClient(ctx, topic, memory.New(), kvstore.WithBrokers(c.ListenAddrs()...),
		kvstore.WithTopicValidation(kvstore.TopicValidationSkip), kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	must(err)
	t.Cleanup(func() { _ = kv.Close() })
	must(kv.Put(ctx, []byte("k"), []byte("1")))
	must(c.RemoveNode(1))
	_, _, err = c.AddNode(1, 0)
	must(err)
	must(c.MoveTopicPartition(topic, 0, 1))
	must(kv.Put(ctx, []byte("k"), []byte("2")))
}
