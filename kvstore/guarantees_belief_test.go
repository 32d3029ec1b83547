package kvstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// staleMetadata holds wrong things that a broker says of the topic,
// because it lags, has just started, or is wrong.
var staleMetadata = map[string]func(*kmsg.MetadataResponse){
	"another id":         func(r *kmsg.MetadataResponse) { r.Topics[0].TopicID[3]++ },
	"unknown":            denyTopic,
	"no topics":          func(r *kmsg.MetadataResponse) { r.Topics = nil },
	"another topic":      func(r *kmsg.MetadataResponse) { r.Topics[0].Topic = new("somebody's") },
	"no partitions":      func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions = nil },
	"partition 7":        func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].Partition = 7 },
	"an older epoch":     func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].LeaderEpoch-- },
	"an epoch far ahead": func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].LeaderEpoch += 100 },
	"one epoch ahead":    func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].LeaderEpoch++ },
	"another leader, an epoch far ahead": func(r *kmsg.MetadataResponse) {
		p := &r.Topics[0].Partitions[0]
		p.Leader, p.LeaderEpoch = (p.Leader+1)%3, p.LeaderEpoch+100
	},
	"unknown leader, an epoch far ahead": func(r *kmsg.MetadataResponse) {
		r.Topics[0].Partitions[0].Leader = 77
		r.Topics[0].Partitions[0].LeaderEpoch += 100
	},
	"no leader":      func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].Leader = -1 },
	"unknown leader": func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].Leader = 77 },
	"no brokers":     func(r *kmsg.MetadataResponse) { r.Brokers = nil },
	"other brokers":  func(r *kmsg.MetadataResponse) { r.Brokers = r.Brokers[:1] },
	"no controller":  func(r *kmsg.MetadataResponse) { r.ControllerID = -1 },
	"more partitions": func(r *kmsg.MetadataResponse) {
		more := r.Topics[0].Partitions[0]
		more.Partition = 1
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, more)
	},
	"an error":               func(r *kmsg.MetadataResponse) { r.Topics[0].ErrorCode = kerr.UnknownServerError.Code },
	"an error of all":        func(r *kmsg.MetadataResponse) { r.ErrorCode = kerr.UnknownServerError.Code },
	"rebootstrap":            func(r *kmsg.MetadataResponse) { r.ErrorCode = kerr.RebootstrapRequired.Code },
	"a partition's error":    func(r *kmsg.MetadataResponse) { r.Topics[0].Partitions[0].ErrorCode = kerr.LeaderNotAvailable.Code },
	"no right to the topic":  func(r *kmsg.MetadataResponse) { r.Topics[0].ErrorCode = kerr.TopicAuthorizationFailed.Code },
	"an invalid topic":       func(r *kmsg.MetadataResponse) { r.Topics[0].ErrorCode = kerr.InvalidTopicException.Code },
	"no id":                  func(r *kmsg.MetadataResponse) { r.Topics[0].TopicID = [16]byte{} },
	"a topic without a name": func(r *kmsg.MetadataResponse) { r.Topics[0].Topic = nil },
}

func denyTopic(r *kmsg.MetadataResponse) {
	r.Topics[0].ErrorCode, r.Topics[0].Partitions = kerr.UnknownTopicOrPartition.Code, nil
	r.Topics[0].TopicID = [16]byte{}
}

// lie makes some brokers, all if none is named, tell stale metadata of the topic.
func (a *tampered) lie(stale func(*kmsg.MetadataResponse), brokers ...string) {
	a.set(func(r *reply) {
		m, ok := r.resp.(*kmsg.MetadataResponse)
		if ok && len(m.Topics) == 1 && (len(brokers) == 0 || slices.Contains(brokers, r.broker)) {
			stale(m)
		}
	})
}

// One broker of three tells something else of the topic than the others do, for
// minutes: whoever asks all the time, and has to look for the leader again and
// again, goes on as if it were not there.
func TestStaleMetadataOfOneBrokerEndsNobody(t *testing.T) {
	for name, stale := range staleMetadata {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				a.lie(stale, w.Brokers()[1])
				for i := range 60 {
					if i%5 == 0 {
						w.MoveLeader(i / 5 % 3)
					}
					began := time.Now()
					if err := c.Sync(w.within(10 * time.Second)); err != nil {
						t.Fatalf("Sync %d while one broker is wrong = %v", i, err)
					}
					w.put(c, "a", "2")
					time.Sleep(2*time.Second - time.Since(began))
				}
				if s := c.Status(); s.Rebuilds != 0 || s.State != kvstore.StateLive {
					t.Errorf("status after two minutes = %+v, want live and never rebuilt", s)
				}
				if n := a.requests(kmsg.Metadata); n > 60*10 {
					t.Errorf("%d metadata requests in two minutes with 60 syncs and 60 writes", n)
				}
			})
		})
	}
}

// All brokers tell it, as they do behind a proxy that was pointed to another
// cluster for a while, or when the only one has just started.
func TestStaleMetadataOfAllBrokersEndsNobodySoon(t *testing.T) {
	for name, stale := range staleMetadata {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				a.requests(kmsg.Metadata)
				a.lie(stale)
				w.MoveLeader((w.Leader() + 1) % 3)
				for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
					w.want(c, "a", "1")
					_ = c.Sync(w.within(time.Second))
					time.Sleep(500 * time.Millisecond)
				}
				if s := c.Status(); s.State == kvstore.StateFailed || s.State == kvstore.StateRebuilding || s.Rebuilds != 0 {
					t.Errorf("status after 20 s = %+v, want neither failed nor rebuilding", s)
				}
				if n := a.requests(kmsg.Metadata); n > 300 {
					t.Errorf("%d metadata requests in 20 s", n)
				}
				a.set(nil)
				w.eventually("the client is back", func() bool { return c.Status().State == kvstore.StateLive && c.Status().Reading.Count == 0 })
				w.put(c, "a", "2")
				w.want(c, "a", "2")
			})
		})
	}
}

// While it is in doubt a client answers reads, and says what it is waiting for.
func TestClientInDoubtReadsAndSaysWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		lie  func(*kmsg.MetadataResponse)
		want string
		end  error
	}{
		"denied":     {denyTopic, "UNKNOWN_TOPIC_OR_PARTITION", kvstore.ErrTopicDeleted},
		"another id": {staleMetadata["another id"], "another id", kvstore.ErrTopicRecreated},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				a.lie(tc.lie)
				began := time.Now()
				if err := c.Sync(w.within(10 * time.Second)); !strings.Contains(err.Error(), tc.want) || errors.Is(err, tc.end) {
					t.Errorf("Sync in doubt = %v, want the doubt named and no verdict", err)
				}
				w.want(c, "a", "1")
				if err := c.Put(w.within(5*time.Second), []byte("a"), []byte("2")); err == nil {
					t.Error("Put in doubt = nil, want it to wait")
				}
				if p := c.Status().Reading; p.Err == nil || !strings.Contains(p.Err.Error(), tc.want) {
					t.Errorf("Status().Reading = %+v, want the doubt", p)
				}
				w.eventually("the verdict", func() bool { return c.Status().State == kvstore.StateFailed })
				if d := time.Since(began); d < 30*time.Second || d > 33*time.Second {
					t.Errorf("believed after %v, want 30s", d)
				}
				w.wantDead(c, tc.end)
			})
		})
	}
}

func TestTopicGoneAfterIsAnOption(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithTopicGoneAfter(3*time.Second))
		w.put(c, "a", "1")
		w.deleteTopic()
		d := took(func() { w.eventually("the verdict", func() bool { return c.Status().State == kvstore.StateFailed }) })
		if d < 3*time.Second || d > 5*time.Second {
			t.Errorf("believed after %v, want 3s", d)
		}
		w.wantDead(c, kvstore.ErrTopicDeleted)
	})
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		_, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", kvstore.WithTopicGoneAfter(-1))...)
		if err == nil || !strings.Contains(err.Error(), "WithTopicGoneAfter") {
			t.Errorf("NewClient with a time below zero = %v, want it refused by name", err)
		}
	})
}

// What was said before it was contradicted does not count.
func TestContradictionStartsTheClockAgain(t *testing.T) {
	for name, stale := range map[string]func(*kmsg.MetadataResponse){"unknown": denyTopic, "another id": staleMetadata["another id"]} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				for range 4 {
					a.lie(stale)
					if err := c.Sync(w.within(20 * time.Second)); err == nil {
						t.Error("Sync in doubt = nil, want it to wait")
					}
					a.set(nil)
					if err := c.Sync(w.within(5 * time.Second)); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// The first answer that an opening gets is as fallible as any other.
func TestOpeningDoesNotTrustOneBroker(t *testing.T) {
	for name, stale := range staleMetadata {
		t.Run(name, func(t *testing.T) {
			opts := withTopic(3, kvstoretest.WithUsers(map[string]string{"u": "p"}))
			inWorld(t, opts, func(t *testing.T, w *world) {
				w.Allow("u", kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
				for _, liar := range w.Brokers() {
					a := w.answers("asks " + liar)
					a.lie(stale, liar)
					c := w.open("asks "+liar, a.option(), w.As("u"))
					if err := c.Sync(w.within(10 * time.Second)); err != nil {
						t.Error(err)
					}
					if c.Status().Rebuilds != 0 {
						t.Error("it rebuilt")
					}
				}
			})
		})
	}
}

// A broker lags at the very first question, and knows better at the next.
func TestOpeningOutlivesAStaleFirstAnswer(t *testing.T) {
	for name, stale := range staleMetadata {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				var n atomic.Int64
				a.set(func(r *reply) {
					if m, ok := r.resp.(*kmsg.MetadataResponse); ok && len(m.Topics) == 1 {
						if n.Add(1) == 1 {
							stale(m)
						}
					}
				})
				c := w.open("c", a.option())
				w.put(c, "a", "1")
			})
		})
	}
}

// The new topic's log is shorter than the old one's, which looks like a loss to who
// asks for it by its name. The client neither rebuilds nor lets reads wait: it shows
// what it has, until it is sure that the topic is another one.
func TestTopicCreatedAnewIsNotTakenForALoss(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		c := w.open("c")
		for range 10 {
			w.put(c, "a", "1")
		}
		w.RecreateTopic()
		w.produce(w.kafka("other"), record("a", "new"))
		for range 10 {
			if err := c.Sync(w.within(2 * time.Second)); err == nil {
				t.Error("Sync = nil while the topic may be another one")
			}
			if got, err := c.Get(w.within(time.Millisecond), []byte("a")); err != nil || string(got) != "1" {
				t.Errorf("Get = %q, %v; want what the client has", got, err)
			}
		}
		w.eventually("the verdict", func() bool { return c.Status().State == kvstore.StateFailed })
		if n := c.Status().Rebuilds; n != 0 {
			t.Errorf("%d rebuilds", n)
		}
		w.wantDead(c, kvstore.ErrTopicRecreated)
	})
}

// What a message says of how many brokers say something counts each of them once, also one
// that is known as a seed and by its id.
func TestBrokersThatDoubtAreCountedOnce(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		inWorld(t, withTopic(brokers), func(t *testing.T, w *world) {
			a := w.answers("c")
			c := w.open("c", a.option())
			a.lie(denyTopic)
			want := fmt.Sprintf("(said by %d brokers", brokers)
			for range 10 {
				if err := c.Sync(w.within(500 * time.Millisecond)); err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("Sync while all %d brokers deny the topic = %v, want %q in it", brokers, err, want)
				}
			}
		})
	}
}

// An opening hears an epoch that never was first.
func TestOpeningHearsAnEpochThatNeverWas(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		for range 10 { // whoever is asked first
			a, said := w.answers("c"), false
			a.set(func(r *reply) {
				if m, ok := r.resp.(*kmsg.MetadataResponse); ok && len(m.Topics) == 1 && !said {
					said = true
					m.Topics[0].Partitions[0].LeaderEpoch += 7
				}
			})
			var c *kvstore.Client
			if d := took(func() { c = w.open("c", a.option()) }); d > 2*time.Second || !said {
				t.Errorf("opening took %v (epoch said: %v)", d, said)
			}
			w.put(c, "a", "1")
			_ = c.Close()
		}
	})
}
