package kvstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A topic that the store would refuse is not created: nobody could open it.
func TestTopicThatWouldBeRefusedIsNotCreated(t *testing.T) {
	small := kvstore.WithKafkaOptions(kgo.BrokerMaxReadBytes(2<<20), kgo.FetchMaxBytes(1<<20), kgo.FetchMaxPartitionBytes(1<<20))
	for what, tc := range map[string]struct {
		configs map[string]string
		option  kvstore.ClientOption
		want    string // in the error; empty when the client opens
	}{
		"tombstones that nobody can see":  {map[string]string{"delete.retention.ms": "10"}, small, "delete.retention.ms=10 of WithTopicConfig"},
		"larger batches than it can read": {map[string]string{"max.message.bytes": "8000000"}, small, "the topic's max.message.bytes is 8000000"},
		"another time for tombstones":     {map[string]string{"delete.retention.ms": "10"}, kvstore.WithTombstoneRetention(10 * time.Second), ""},
		"only a warning":                  {map[string]string{"delete.retention.ms": "10"}, kvstore.WithTopicValidation(kvstore.TopicValidationWarn), ""},
		"another policy":                  {map[string]string{"cleanup.policy": "delete"}, small, ""},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, noTopic(kvstoretest.WithBrokers(2)), func(t *testing.T, w *world) {
				opts := w.options("c", kvstore.WithTopicConfig(tc.configs), tc.option)
				c, err := kvstore.NewClient(w.within(10*time.Second), topic, memory.New(), opts...)
				if err == nil {
					_ = c.Close()
				}
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("NewClient = %v, want %q", err, tc.want)
				}
				if strings.HasPrefix(tc.want, "delete") && !errors.Is(err, kvstore.ErrTopicConfig) {
					t.Errorf("NewClient = %v, want ErrTopicConfig", err)
				}
				if err != nil && w.topicExists() {
					t.Error("the topic was created all the same")
				}
			})
		})
	}
}
