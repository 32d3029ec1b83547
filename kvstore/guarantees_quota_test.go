package kvstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// A quota: Kafka answers a fetch with no topic in it and a throttle time. It does not mean
// that another broker leads.
func TestQuotaIsNamedAndCostsNoRequests(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "a", "1")
		a.set(func(r *reply) {
			if f, ok := r.resp.(*kmsg.FetchResponse); ok {
				f.Topics, f.ThrottleMillis = nil, 200
			}
		})
		w.produce(w.kafka("other"), record("a", "2"))
		a.requests(kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch)
		time.Sleep(10 * time.Second)
		if n := a.requests(kmsg.Fetch); n < 5 || n > 50 {
			t.Errorf("%d fetches in 10 s of a throttle time of 200 ms", n)
		}
		if n := a.requests(kmsg.Metadata, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch); n > 2 {
			t.Errorf("%d other requests because of a quota", n)
		}
		s := c.Status()
		if s.State != kvstore.StateStalled || !errors.Is(s.Reading.Err, kvstore.ErrThrottled) || !strings.Contains(s.Reading.Err.Error(), "throttled by broker 0 for 200ms") || s.Reading.Count < 5 {
			t.Errorf("Status() = %+v, want the quota in Reading", s)
		}
		err := c.Sync(w.within(time.Second))
		var we *kvstore.WaitError
		if !errors.As(err, &we) || !strings.Contains(err.Error(), "throttled") || we.Count < 5 {
			t.Errorf("Sync = %v, want the quota as its cause, with how often", err)
		}
		w.want(c, "a", "1")
		a.set(nil)
		if err := c.Sync(w.within(5 * time.Second)); err != nil {
			t.Error(err)
		}
		w.want(c, "a", "2")
	})
}

// A quota of requests throttles each answer, and kgo holds the next request back for as long.
// The leader that was not even asked is not silent: nobody is asked beside it.
func TestQuotaIsNotTakenForSilence(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 3 * time.Second, 8 * time.Second} {
		t.Run(d.String(), func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				a.set(func(r *reply) {
					if throttled, ok := r.resp.(kmsg.SetThrottleResponse); ok {
						throttled.SetThrottle(int32(d.Milliseconds()))
					}
				})
				a.requests(kmsg.Fetch, kmsg.Metadata)
				time.Sleep(10 * time.Minute)
				fetches, others := a.requests(kmsg.Fetch), a.requests(kmsg.Metadata)
				if fetches < 50 {
					t.Errorf("%d fetches in ten minutes of a quota, want one each %v or so", fetches, d)
				}
				if others > 100 {
					t.Errorf("%d metadata requests beside %d fetches, because of a quota", others, fetches)
				}
				w.put(w.open("other"), "a", "2")
				w.eventually("it is read", func() bool { return w.contents(c) == "a=2 " })
			})
		})
	}
}

func TestQuotaNamesItselfInAnOpening(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "2"))
		a := w.answers("c")
		a.set(func(r *reply) {
			if f, ok := r.resp.(*kmsg.FetchResponse); ok {
				f.Topics, f.ThrottleMillis = nil, 200
			}
		})
		_, err := kvstore.NewClient(w.within(3*time.Second), topic, memory.New(), w.options("c", a.option())...)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "throttled") {
			t.Errorf("NewClient = %v, want the deadline and the quota", err)
		}
	})
}

// A broker that throttles an answer of another kind does not read from the connection
// until the time is over. Who waits behind that learns why.
func TestQuotaOfOtherRequestsIsNamedToo(t *testing.T) {
	for name, key := range map[string]kmsg.Key{"offsets": kmsg.ListOffsets, "metadata": kmsg.Metadata} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				w.put(c, "a", "1")
				a.set(func(r *reply) {
					switch resp := r.resp.(type) {
					case *kmsg.ListOffsetsResponse:
						if key == kmsg.ListOffsets {
							resp.ThrottleMillis = 60_000
						}
					case *kmsg.MetadataResponse:
						if key == kmsg.Metadata {
							resp.ThrottleMillis = 60_000
						}
					}
				})
				for range 3 { // on every connection to the broker
					_ = c.Sync(w.within(time.Second))
				}
				err := c.Sync(w.within(5 * time.Second))
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "throttled by broker") {
					t.Errorf("Sync = %v, want the quota as its cause", err)
				}
				if p := c.Status().Reading; p.Err == nil || !strings.Contains(p.Err.Error(), "throttled by broker") {
					t.Errorf("Status().Reading = %+v, want the quota", p)
				}
				a.set(nil)
				time.Sleep(time.Minute)
				if err := c.Sync(w.within(5 * time.Second)); err != nil {
					t.Errorf("Sync after the throttle time = %v", err)
				}
				w.eventually("the quota is over", func() bool { return c.Status().Reading.Count == 0 })
			})
		})
	}
}

// A client that is limited to what old brokers know, as kgo.MaxVersions does it.
func TestOldProtocolsWork(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{
		"0.11": kversion.V0_11_0(), "1.0": kversion.V1_0_0(), "2.0": kversion.V2_0_0(), "2.1": kversion.V2_1_0(),
		"2.3": kversion.V2_3_0(), "2.7": kversion.V2_7_0(), "2.8": kversion.V2_8_0(), "3.1": kversion.V3_1_0(), "4.0": kversion.V4_0_0(),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				c := w.open("c", kvstore.WithKafkaOptions(kgo.MaxVersions(v)))
				d := w.open("d", kvstore.WithKafkaOptions(kgo.MaxVersions(v)))
				w.put(c, "a", "1")
				w.transaction("t", record("b", "1"))(false)
				w.transaction("t", record("b", "2"))(true)
				for i := range 3 {
					w.MoveLeader(i)
					w.put(d, "a", "2")
					if err := c.Sync(w.within(10 * time.Second)); err != nil {
						t.Fatal(err)
					}
					if got := w.contents(c); got != "a=2 b=2 " {
						t.Errorf("contents = %q, want a=2 b=2", got)
					}
				}
				if n := c.Status().Rebuilds + d.Status().Rebuilds; n != 0 {
					t.Errorf("%d rebuilds", n)
				}
			})
		})
	}
}
