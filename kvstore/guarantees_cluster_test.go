package kvstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
)

func inAnotherCluster(r *kmsg.MetadataResponse) { r.ClusterID = new("B") }

// idless are brokers that don't give topics ids.
func idless() kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.MaxVersions(kversion.V2_7_0()))
}

// A name that led to one cluster leads to another one, which has a topic of the same name
// without an id, of the same leader epoch, with as many records as the first or more.
func TestFailoverToAnotherClusterEndsTheClient(t *testing.T) {
	for name, records := range map[string]int{"fewer records": 1, "as many": 3, "more": 8} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option(), idless(), kvstore.WithTopicGoneAfter(5*time.Second))
				for _, key := range []string{"k0", "k1", "k2"} {
					w.put(c, key, "old")
				}
				refused := w.cluster.Network().RefuseDials(target("c"))
				w.cluster.Network().DropConns(target("c"))
				a.lie(inAnotherCluster)
				if err := w.cluster.RecreateTopic(topic); err != nil {
					t.Fatal(err)
				}
				other := w.kafka("other")
				for i := range records {
					w.produce(other, record("k"+string(rune('0'+i)), "new"))
				}
				refused.Undo()
				for range 1000 {
					if got := w.contents0(c); strings.Contains(got, "new") {
						t.Fatalf("contents = %q: of the other cluster", got)
					}
					time.Sleep(10 * time.Millisecond)
				}
				w.wantDead(c, kvstore.ErrTopicRecreated)
				if err := c.Status().Err; err == nil || !strings.Contains(err.Error(), `the cluster's id is "B", before it was "kfake"`) {
					t.Errorf("Status().Err = %v, want both ids in it", err)
				}
				if n := c.Status().Rebuilds; n != 0 {
					t.Errorf("%d rebuilds", n)
				}
			})
		})
	}
}

// contents0 returns what a client shows, nothing when it has ended.
func (w *world) contents0(c *kvstore.Client) string {
	w.t.Helper()
	if c.Status().State == kvstore.StateFailed {
		return ""
	}
	return w.contents(c)
}

// One broker that names another cluster, or none, ends nobody.
func TestBrokerThatNamesAnotherClusterEndsNobody(t *testing.T) {
	for name, stale := range map[string]func(*kmsg.MetadataResponse){
		"another": inAnotherCluster, "none": func(r *kmsg.MetadataResponse) { r.ClusterID = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				for _, liar := range w.cluster.Seeds() {
					a := w.answers("c")
					a.lie(stale, liar) // from the first question on
					c := w.open("c", a.option(), idless(), kvstore.WithTopicGoneAfter(5*time.Second))
					for i := range 20 {
						must(t, w.cluster.MoveLeader(topic, 0, int32(i%3)))
						must(t, c.Sync(w.within(10*time.Second)))
						w.put(c, "a", "2")
						time.Sleep(time.Second)
					}
					if s := c.Status(); s.Rebuilds != 0 || s.State != kvstore.StateLive {
						t.Errorf("status = %+v, want live and never rebuilt", s)
					}
					must(t, c.Close())
				}
			})
		})
	}
}

// A topic's id says for itself that it is the same topic, whatever the cluster is called.
func TestClusterOfAnotherNameWithTheSameTopicEndsNobody(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		// Later protocols name the cluster to whom they connect, and these brokers would refuse.
		old := kvstore.WithKafkaOptions(kgo.MaxVersions(kversion.V3_9_0()))
		c := w.open("c", a.option(), old, kvstore.WithTopicGoneAfter(5*time.Second))
		a.lie(inAnotherCluster)
		for i := range 10 {
			must(t, w.cluster.MoveLeader(topic, 0, int32(i%3)))
			must(t, c.Sync(w.within(10*time.Second)))
			w.put(c, "a", "1")
			time.Sleep(time.Second)
		}
	})
}

// Brokers deny the topic, and in between all answer without its id, which says nothing of
// whether it is the same.
func TestAnswersWithoutAnIDDoNotEndADoubt(t *testing.T) {
	inWorld(t, fakecluster.Options{Brokers: 1, Topics: withTopic(1).Topics}, func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option(), kvstore.WithTopicGoneAfter(5*time.Second))
		w.put(c, "a", "1")
		must(t, w.cluster.MoveLeader(topic, 0, 0))
		n := 0
		a.lie(func(r *kmsg.MetadataResponse) {
			if n++; n%2 == 0 {
				staleMetadata["no id"](r)
			} else {
				staleMetadata["another id"](r)
			}
		})
		for range 20 {
			if err := c.Sync(w.within(time.Second)); err == nil {
				t.Fatal("Sync = nil while the topic may be another one")
			} else if errors.Is(err, kvstore.ErrTopicRecreated) {
				return
			}
		}
		t.Errorf("status after 20 s = %+v, want ErrTopicRecreated", c.Status())
	})
}
