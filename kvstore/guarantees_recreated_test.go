package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
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

// The topic is recreated after an opening client was told its id and before it has read any of
// it. It goes on with the new topic, of which it misses nothing.
func TestTopicRecreatedWhileItIsOpenedIsReadWhole(t *testing.T) {
	type opening struct {
		late    kmsg.Key // whose answers come after the topic was recreated
		kafka   string
		records int // in the new topic
	}
	versions := map[string]*kversion.Versions{"3.0": kversion.V3_0_0(), "4.0": kversion.V4_0_0()}
	for kafka, v := range versions {
		for _, o := range []opening{{kmsg.ListOffsets, kafka, 20}, {kmsg.Fetch, kafka, 20}, {kmsg.Fetch, kafka, 0}, {kmsg.ListOffsets, kafka, 0}} {
			t.Run(fmt.Sprintf("%s, %s, %d records", kafka, o.late.Name(), o.records), func(t *testing.T) {
				inWorld(t, withTopic(1), func(t *testing.T, w *world) {
					old := w.kafka("old")
					for i := range 9 {
						w.produce(old, record(fmt.Sprint("k", i), "old"))
					}
					w.DeleteRecords(3)
					w.options("c") // makes the client known
					late := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{o.late}, Dir: kvstoretest.ToClient}).Stall()
					var c *kvstore.Client
					done := make(chan struct{})
					var hooks string
					go func() {
						defer close(done)
						c = w.open("c", kvstore.WithKafkaOptions(kgo.MaxVersions(v)), kvstore.WithOnSetHook(func(key, value []byte) {
							hooks += fmt.Sprintf("%s=%s ", key, value)
						}))
					}()
					time.Sleep(500 * time.Millisecond)
					w.RecreateTopic()
					other := w.kafka("other")
					var want strings.Builder
					for i := range o.records {
						w.produce(other, record(fmt.Sprintf("n%02d", i), "new"))
						fmt.Fprintf(&want, "n%02d=new ", i)
					}
					time.Sleep(3 * time.Second)
					late.Undo()
					<-done
					if got := w.contents(c); got != want.String() {
						t.Errorf("contents = %q, want %q", got, want.String())
					}
					if got := c.Position(); got != int64(o.records) {
						t.Errorf("position = %d, want %d", got, o.records)
					}
					if hooks != want.String() {
						t.Errorf("hooks were told %q, want %q", hooks, want.String())
					}
					if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 0 {
						t.Errorf("status = %+v, want live and not rebuilt", s)
					}
				})
			})
		}
	}
}

// A question for offsets names no topic id. A leader that answers for the topic that was there
// before, with another begin or end, hides no record.
func TestLogIsReadWholeWhateverOffsetsWereNamed(t *testing.T) {
	for _, old := range []int64{1, 4, 9} {
		t.Run(fmt.Sprint(old), func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				other := w.kafka("other")
				for i := range 9 {
					w.produce(other, record(fmt.Sprint("k", i), "1"))
				}
				a := w.answers("c")
				wrong := 6
				a.set(func(r *reply) {
					if m, ok := r.resp.(*kmsg.ListOffsetsResponse); ok && wrong > 0 { // the old one begins and ends there
						m.Topics[0].Partitions[0].Offset = old
						wrong--
					}
				})
				c := w.open("c", a.option(), smallFetches())
				if got, want := w.contents(c), "k0=1 k1=1 k2=1 k3=1 k4=1 k5=1 k6=1 k7=1 k8=1 "; got != want || c.Position() != 9 {
					t.Errorf("contents = %q at position %d, want %q at 9", got, c.Position(), want)
				}
			})
		})
	}
}
