package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
)

// Brokers of Kafka 2.8 to 3.0 know the topic's id, and fetches name the topic. While a
// reader is blocked the topic is recreated and grows beyond what it had read.
func TestReaderThatFetchesByNameNeverMixesTwoTopics(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{"2.8": kversion.V2_8_0(), "3.0": kversion.V3_0_0(), "4.0": kversion.V4_0_0()} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				old := w.kafka("old")
				for i := range 3 {
					w.produce(old, record(fmt.Sprint("k", i), "old"))
				}
				c := w.open("c", kvstore.WithReadOnly(), kvstore.WithKafkaOptions(kgo.MaxVersions(v)), kvstore.WithTopicGoneAfter(5*time.Second))
				held := w.On(onlyFetches("c")).Stall()
				w.DropConnections("c")
				time.Sleep(4 * time.Second)
				w.RecreateTopic()
				other := w.kafka("other")
				for i := range 8 {
					w.produce(other, record(fmt.Sprint("k", i), "new"))
				}
				held.Undo()
				for range 6000 {
					if c.Status().State == kvstore.StateFailed {
						break
					}
					if got := w.contents(c); strings.Contains(got, "new") {
						t.Fatalf("contents = %q: of two topics", got)
					}
					time.Sleep(10 * time.Millisecond)
				}
				if s := c.Status(); s.State != kvstore.StateFailed || !errors.Is(s.Err, kvstore.ErrTopicRecreated) {
					t.Errorf("status = %+v, want failed with ErrTopicRecreated", s)
				}
			})
		})
	}
}
