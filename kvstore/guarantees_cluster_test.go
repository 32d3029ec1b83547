package kvstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

func inAnotherCluster(r *kmsg.MetadataResponse) { r.ClusterID = new("B") }

// idless are brokers that don't give topics ids.
func idless() kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.MaxVersions(kversion.V2_7_0()))
}

// A name that led to one cluster leads to another one, which has a topic of the same name
// without an id, of the same leader epoch, with as many records as the first or more. Or the
// cluster was renamed: nobody can tell.
func TestFailoverToAnotherClusterRebuildsWithoutTopicIDs(t *testing.T) {
	for name, records := range map[string]int{"fewer records": 1, "as many": 3, "more": 8} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				var hooks hookBook
				c := w.open("c", append(hooks.options(), a.option(), idless(), kvstore.WithTopicGoneAfter(5*time.Second))...)
				for _, key := range []string{"k0", "k1", "k2"} {
					w.put(c, key, "old")
				}
				want := w.failover(a, records)
				began := time.Now()
				w.eventually("the rebuild", func() bool {
					got := w.contents(c)
					if strings.Contains(got, "old") && strings.Contains(got, "new") {
						t.Fatalf("contents = %q: of both clusters", got)
					}
					return strings.Contains(got, "new")
				})
				if d := time.Since(began); d < 5*time.Second {
					t.Errorf("rebuilt after %v, want no sooner than WithTopicGoneAfter says", d)
				}
				must(t, c.Sync(w.within(time.Second)))
				if got := w.contents(c); got != want {
					t.Errorf("contents = %q, want %q", got, want)
				}
				w.put(c, "k", "1")
				w.want(c, "k", "1")
				if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 1 {
					t.Errorf("status = %+v, want live and rebuilt once", s)
				}
				w.wantLogged(`rebuilding from the log`, `the cluster's id is "B", before it was "kfake"`)
				if got := replayed(hooks.all()); got != w.contents(c) {
					t.Errorf("hooks add up to %q, want %q", got, w.contents(c))
				}
			})
		})
	}
}

// failover brings the client "c" to another cluster, whose topic has some records, and
// returns its contents.
func (w *world) failover(a *tampered, records int) (contents string) {
	w.t.Helper()
	refused := w.refuseDials("c")
	w.DropConnections("c")
	a.lie(inAnotherCluster)
	w.RecreateTopic()
	time.Sleep(time.Second) // hooks tell records of the same offset by their time
	other := w.kafka("other")
	for i := range records {
		w.produce(other, record(fmt.Sprint("k", i), "new"))
		contents += fmt.Sprintf("k%d=new ", i)
	}
	refused.Undo()
	return contents
}

// wantLogged wants one message with all of some texts in it.
func (w *world) wantLogged(texts ...string) {
	w.t.Helper()
	for _, msg := range w.logs.all() {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(msg, text) }) {
			return
		}
	}
	w.t.Errorf("no message with %q", texts)
}

// replayed returns what the events of a hookBook come to, as one text.
func replayed(events []string) (contents string) {
	m := map[string]string{}
	for _, e := range events {
		if pair, ok := strings.CutPrefix(e, "set "); ok {
			k, v, _ := strings.Cut(pair, "=")
			m[k] = v
		} else {
			delete(m, strings.TrimPrefix(e, "delete "))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		contents += k + "=" + m[k] + " "
	}
	return contents
}

// Redpanda calls a new cluster "redpanda.initializing" for some seconds, and an upgrade, or an
// administrator, can rename one. Nothing is lost by it.
func TestClusterRenamedEndsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		rebuilds      int64
	}{
		"initializing": {"redpanda.initializing", "redpanda.2d339cd9", 0},
		"none before":  {"", "redpanda.2d339cd9", 0},
		"renamed":      {"mine", "redpanda.mine", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a, id := w.answers("c"), c.before
				a.lie(func(r *kmsg.MetadataResponse) { r.ClusterID = &id })
				var hooks hookBook
				options := []kvstore.ClientOption{a.option(), idless(), kvstore.WithTopicGoneAfter(5 * time.Second)}
				reader := w.open("c", append(hooks.options(), append(options, kvstore.WithReadOnly())...)...)
				writer := w.open("writer", options...)
				w.put(writer, "a", "0")
				a.lie(func(r *kmsg.MetadataResponse) { r.ClusterID = &c.after })
				for i := range 20 {
					w.MoveLeader(i % 3)
					must(t, writer.Put(w.within(10*time.Second), []byte("a"), fmt.Append(nil, i+1)))
					must(t, reader.Sync(w.within(10*time.Second)))
					w.want(reader, "a", fmt.Sprint(i+1))
					time.Sleep(time.Second)
				}
				for what, c2 := range map[string]*kvstore.Client{"reader": reader, "writer": writer} {
					if s := c2.Status(); s.State != kvstore.StateLive || s.Rebuilds != c.rebuilds {
						t.Errorf("%s: status = %+v, want live and %d rebuilds", what, s, c.rebuilds)
					}
				}
				if got := hooks.all(); len(got) != 21 {
					t.Errorf("hooks = %q, want each value once", got)
				}
			})
		})
	}
}

// A write is sent, and its answer is lost with the cluster. It is not sent to another
// cluster, where its producer id may be another producer's; and found if the cluster was
// only renamed.
func TestWriteInDoubtIsNotSentToAnotherCluster(t *testing.T) {
	for name, renamed := range map[string]bool{"another": false, "renamed": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option(), idless(), kvstore.WithTopicGoneAfter(5*time.Second), kvstore.WithDeliveryTimeout(time.Minute))
				w.put(c, "a", "old")
				lost := w.On(kvstoretest.Traffic{Clients: []string{"c"}, Dir: kvstoretest.ToClient}).BlackHole()
				before := w.End()
				result := make(chan error, 1)
				go func() { result <- c.Put(t.Context(), []byte("w"), []byte("1")) }()
				w.eventually("the append", func() bool { return w.End() > before })
				if renamed {
					a.lie(inAnotherCluster)
					w.DropConnections("c")
				} else {
					w.failover(a, 3)
				}
				lost.Undo()
				err, written := <-result, int64(1)
				if renamed {
					must(t, err)
				} else if written = 0; !errors.Is(err, kvstore.ErrOutcomeUnknown) {
					t.Errorf("Put = %v, want ErrOutcomeUnknown", err)
				}
				must(t, c.Sync(w.within(10*time.Second)))
				if got := strings.Count(w.contents(c), "w=1"); int64(got) != written {
					t.Errorf("contents = %q, want the write %d times", w.contents(c), written)
				}
				if s := c.Status(); s.State != kvstore.StateLive {
					t.Errorf("status = %+v, want live", s)
				}
			})
		})
	}
}

// One broker that names another cluster, or none, ends nobody.
func TestBrokerThatNamesAnotherClusterEndsNobody(t *testing.T) {
	for name, stale := range map[string]func(*kmsg.MetadataResponse){
		"another": inAnotherCluster, "none": func(r *kmsg.MetadataResponse) { r.ClusterID = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				for _, liar := range w.Brokers() {
					a := w.answers("c")
					a.lie(stale, liar) // from the first question on
					c := w.open("c", a.option(), idless(), kvstore.WithTopicGoneAfter(5*time.Second))
					for i := range 20 {
						w.MoveLeader(i % 3)
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
			w.MoveLeader(i % 3)
			must(t, c.Sync(w.within(10*time.Second)))
			w.put(c, "a", "1")
			time.Sleep(time.Second)
		}
	})
}

// Brokers deny the topic, and in between all answer without its id, which says nothing of
// whether it is the same.
func TestAnswersWithoutAnIDDoNotEndADoubt(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option(), kvstore.WithTopicGoneAfter(5*time.Second))
		w.put(c, "a", "1")
		w.MoveLeader(0)
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
