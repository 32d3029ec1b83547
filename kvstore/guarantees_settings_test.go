package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// alter changes a setting of the topic while clients run.
func (w *world) alter(setting, value string) {
	w.t.Helper()
	w.AlterTopic(map[string]string{setting: value})
}

// logged counts the messages that hold all of the texts.
func (w *world) logged(texts ...string) (n int) {
	for _, m := range w.logs.all() {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(m, text)
		}
		if all {
			n++
		}
	}
	return n
}

func TestSizeLimitOfTheTopicIsFollowed(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		large := make([]byte, 2<<20)
		var size *kvstore.SizeError
		if err := c.Put(w.within(time.Minute), []byte("k"), large); !errors.As(err, &size) || size.Limit != 1048588 {
			t.Errorf("Put of 2 MiB = %v, want it refused with Kafka's default limit, 1048588", err)
		}
		w.alter("max.message.bytes", "4000000")
		time.Sleep(time.Minute)
		if err := c.Put(w.within(time.Minute), []byte("k"), large); err != nil {
			t.Errorf("Put of 2 MiB a minute after the topic takes 4000000 bytes = %v", err)
		}
		w.alter("max.message.bytes", "1000")
		time.Sleep(time.Minute)
		if err := c.Put(w.within(time.Minute), []byte("k"), large); !errors.As(err, &size) || size.Limit != 1000 {
			t.Errorf("Put of 2 MiB a minute after the topic takes 1000 bytes = %v, want the limit 1000", err)
		}
		if n := w.logged("max.message.bytes", "from=1048588", "to=4000000"); n != 1 {
			t.Errorf("the change was logged %d times, want once", n)
		}
	})
}

func TestPolicyThatRemovesKeysIsSaid(t *testing.T) {
	for v, silent := range map[kvstore.TopicValidation]bool{kvstore.TopicValidationFail: false, kvstore.TopicValidationSkip: true} {
		inWorld(t, withTopic(1), func(t *testing.T, w *world) {
			c := w.open("c", kvstore.WithTopicValidation(v))
			w.put(c, "k", "1")
			if p := c.Status().Topic; p.Err != nil {
				t.Errorf("Status().Topic = %+v, want nothing", p)
			}
			w.alter("cleanup.policy", "compact,delete")
			time.Sleep(5 * time.Minute)
			p, said := c.Status().Topic, w.logged("does not fit any more", "compact,delete")
			if silent {
				if p.Err != nil || said != 0 {
					t.Errorf("without validation: Status().Topic = %+v, logged %d times; want nothing", p, said)
				}
				return
			}
			if p.Err == nil || !strings.Contains(p.Err.Error(), `"compact,delete"`) || p.Count < 5 || said != 1 {
				t.Errorf("Status().Topic = %+v, logged %d times; want the policy, since about 5 minutes, logged once", p, said)
			}
			w.put(c, "k", "2")
			w.alter("cleanup.policy", "compact")
			time.Sleep(time.Minute)
			if p := c.Status().Topic; p.Err != nil {
				t.Errorf("Status().Topic after the policy was set back = %+v, want nothing", p)
			}
			w.alter("cleanup.policy", "delete")
			time.Sleep(time.Minute)
			if n := w.logged("does not fit any more"); n != 2 {
				t.Errorf("logged %d times after the second change, want each change to be said", n)
			}
		})
	}
}

// A client without the right to see the settings says so once and takes Kafka's defaults.
func TestMissingRightToSeeSettingsIsSaidOnce(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		w.Allow("u", kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
		c := w.open("c", w.As("u"))
		w.put(c, "k", "1")
		time.Sleep(time.Hour)
		w.put(c, "k", "2")
		if n := w.logged("no right", "24 hours"); n != 1 {
			t.Errorf("said %d times in an hour, want once: %q", n, w.logs.all())
		}
	})
}

func TestTombstonesThatNobodyCanSeeAreRefused(t *testing.T) {
	inWorld(t, keepingTombstones(1, 500*time.Millisecond), func(t *testing.T, w *world) {
		_, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c")...)
		if !errors.Is(err, kvstore.ErrTopicConfig) || !strings.Contains(err.Error(), "delete.retention.ms is 500 and has to be at least 1000") {
			t.Errorf("NewClient = %v, want ErrTopicConfig that names delete.retention.ms, 500 and 1000", err)
		}
		c := w.open("warned", kvstore.WithTopicValidation(kvstore.TopicValidationWarn))
		w.put(c, "k", "1")
		if p := c.Status().Topic; p.Err == nil || w.logged("does not fit", "delete.retention.ms is 500") != 1 {
			t.Errorf("Status().Topic = %+v, log %q; want both to say that delete.retention.ms is too short", p, w.logs.all())
		}
		w.open("told", kvstore.WithTombstoneRetention(time.Hour))
		_, err = kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", kvstore.WithTombstoneRetention(999*time.Millisecond))...)
		if err == nil || !strings.Contains(err.Error(), "WithTombstoneRetention(999ms)") || !strings.Contains(err.Error(), "1s") {
			t.Errorf("NewClient = %v, want the option refused by its name, value and least value", err)
		}
	})
}

// After the topic takes less, groups of writes are split by what it takes, and no
// more requests are sent than that needs.
func TestGroupsFollowALoweredSizeLimit(t *testing.T) {
	for what, readable := range map[string]bool{"settings readable": true, "settings not readable": false} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, secured(nil), func(t *testing.T, w *world) {
				w.Allow("ann", kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
				if readable {
					w.Allow("ann", kmsg.ACLOperationDescribeConfigs)
				}
				c := w.open("c", w.As("ann"))
				w.put(c, "warm", "up")
				w.alter("max.message.bytes", "20000")
				for round := range 3 {
					sent := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Produce}, Dir: kvstoretest.ToBroker}).Latency(time.Millisecond)
					var wg sync.WaitGroup
					for i := range 64 {
						wg.Go(func() {
							if err := c.Put(w.within(time.Minute), fmt.Appendf(nil, "k%d", i), random(1000+i)); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
					sent.Undo()
					most := 6 // the first write by itself, then four of 20 kB, or a few more when they come late
					if !readable {
						most = 10
					}
					if n := sent.Hits(); round > 0 && n > most {
						t.Errorf("round %d: 64 writes of 1 kB took %d produce requests, want %d at most", round, n, most)
					}
				}
			})
		})
	}
}

func TestWriteOfALoweredSizeLimitNamesTheTrueOne(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.alter("max.message.bytes", "20000")
		var size *kvstore.SizeError
		err := c.Put(w.within(time.Minute), []byte("k"), random(30000))
		wantOutcome(t, "Put", err, kvstore.ErrRefused)
		if !errors.As(err, &size) || size.Limit != 20000 || size.Bytes <= 30000 {
			t.Errorf("Put = %v, want a SizeError with the limit 20000", err)
		}
		w.alter("max.message.bytes", "40000")
		if err := c.Put(w.within(time.Minute), []byte("k"), random(30000)); err != nil {
			t.Errorf("Put after the topic takes 40000 bytes = %v", err)
		}
	})
}

// Brokers refuse a write for its size and don't say what the limit is now: that delays the
// write, and those behind it, for no longer than it lives. A broker that dies takes the
// question for the limit with it: it is asked again.
func TestRaisedSizeLimitIsLearnedThoughABrokerHangsUp(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.alter("max.message.bytes", "4000000")
		hangUps := 2
		a.set(func(r *reply) {
			if _, ok := r.resp.(*kmsg.DescribeConfigsResponse); ok && hangUps > 0 {
				hangUps--
				r.resp = nil
			}
		})
		if err := c.Put(w.within(time.Minute), []byte("k"), make([]byte, 2<<20)); err != nil {
			t.Errorf("Put of 2 MiB, when the topic takes 4000000 bytes and a broker hung up twice = %v", err)
		}
		if hangUps > 0 {
			t.Errorf("%d connections were not dropped", hangUps)
		}
	})
}

func TestWriteOfALoweredSizeLimitEndsThoughNobodyTellsTheLimit(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		const life = 5 * time.Second
		c := w.open("c", kvstore.WithDeliveryTimeout(life))
		w.alter("max.message.bytes", "20000")
		silent := w.On(kvstoretest.Traffic{APIs: []kmsg.Key{kmsg.DescribeConfigs}}).Stall()
		defer silent.Undo()
		began := time.Now()
		wantOutcome(t, "Put", c.Put(w.within(5*time.Minute), []byte("k"), random(30000)), kvstore.ErrRefused)
		if took := time.Since(began); took > life+time.Second {
			t.Errorf("the write was refused after %v, and lives for %v", took, life)
		}
		w.put(c, "small", "1")
	})
}

// Rights that were just given do not reach all brokers at the same time. A client that took one broker's
// word for it would go by Kafka's default for delete.retention.ms, a day, and show deleted keys.
func TestOneRefusalToShowTheSettingsIsNotBelieved(t *testing.T) {
	denial := func(w *world) *kvstoretest.Effect {
		return w.On(kvstoretest.Traffic{APIs: []kmsg.Key{kmsg.DescribeConfigs}}).
			Answer(1, kvstoretest.Refusal{Err: kerr.TopicAuthorizationFailed})
	}
	for name, kept := range map[string]time.Duration{"while it opens": 10 * time.Second, "while it runs": time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, keepingTombstones(2, kept), func(t *testing.T, w *world) {
				denied := denial(w)
				if kept == time.Hour {
					denied.Undo()
				}
				c, other := w.open("c"), w.kafka("other")
				if kept == time.Hour {
					denied = denial(w)
					w.AlterTopic(map[string]string{"delete.retention.ms": "10000"})
				}
				denied.Wait(1)
				time.Sleep(2 * time.Second)
				w.produce(other, record("k", "1"))
				if err := c.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.want(c, "k", "1")
				back := w.cutOff("c")
				w.missADelete(other, 20*time.Second, func() { w.produce(other, record("x", "1")) })
				back()
				if err := c.Sync(w.within(time.Minute)); err != nil {
					t.Fatal(err)
				}
				w.WantMissing(c, "k")
			})
		})
	}
}
