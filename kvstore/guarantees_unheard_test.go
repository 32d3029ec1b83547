package kvstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// unheard are ways to keep a client from hearing any broker's answer for a while.
var unheard = map[string]func(w *world) (back func()){
	"a partition":       func(w *world) func() { return w.BlackHole("c").Undo },
	"answers that wait": func(w *world) func() { return w.On(kvstoretest.Traffic{Clients: []string{"c"}}).Stall().Undo },
	"refused connections": func(w *world) func() {
		refused := w.refuseDials("c")
		w.DropConnections("c")
		return refused.Undo
	},
	"brokers that say nothing": func(w *world) func() {
		var all []*kvstoretest.Effect
		for b := range w.Brokers() {
			all = append(all, w.Silence(b))
		}
		return func() {
			for _, e := range all {
				e.Undo()
			}
		}
	},
	"brokers that are down": func(w *world) func() {
		for b := range w.Brokers() {
			w.StopBroker(b)
		}
		return func() {
			for b := range w.Brokers() {
				w.StartBroker(b)
			}
		}
	},
}

// All brokers are wrong about the topic twice, for much less than it takes to be believed.
// In between they are right, and the client can't hear it.
func TestWhatNobodySaidIsNoEvidenceAgainstTheTopic(t *testing.T) {
	for _, lie := range []string{"another id", "unknown"} {
		for name, silence := range unheard {
			t.Run(lie+"/"+name, func(t *testing.T) {
				inWorld(t, withTopic(3), func(t *testing.T, w *world) {
					a := w.answers("c")
					c := w.open("c", a.option())
					w.put(c, "a", "1")
					wrong := func(d time.Duration) {
						a.lie(staleMetadata[lie])
						for end := time.Now().Add(d); time.Now().Before(end); {
							_ = c.Sync(w.within(time.Second))
							time.Sleep(100 * time.Millisecond)
						}
					}
					wrong(10 * time.Second)
					back := silence(w)
					a.set(nil)
					time.Sleep(17 * time.Second)
					a.lie(staleMetadata[lie])
					back()
					wrong(12 * time.Second)
					if s := c.Status(); s.State == kvstore.StateFailed {
						t.Fatalf("status after brokers were wrong for 10 s and for 12 s = %+v, want not failed", s)
					}
					a.set(nil)
					w.put(c, "a", "2")
					w.want(c, "a", "2")
				})
			})
		}
	}
}

// A client that hears again and again that its topic is gone believes it in the end, however
// rarely it asks and whatever was said before it could hear nobody.
func TestTopicIsGivenUpHoweverSeldomTheClientAsks(t *testing.T) {
	for name, tc := range map[string]struct {
		after, pause time.Duration
	}{
		"a short time":   {time.Second, 3 * time.Second},
		"no time":        {0, 5 * time.Second},
		"the usual time": {30 * time.Second, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				rarely := kvstore.WithKafkaOptions(kgo.RetryBackoffFn(func(int) time.Duration { return tc.pause }))
				c := w.open("c", kvstore.WithReadOnly(), kvstore.WithTopicGoneAfter(tc.after), rarely)
				back := w.cutOff("c")
				time.Sleep(20 * time.Second)
				w.deleteTopic()
				back()
				time.Sleep(max(tc.after, 2*tc.pause) + 2*tc.pause + 10*time.Second)
				if s := c.Status(); s.State != kvstore.StateFailed || !errors.Is(s.Err, kvstore.ErrTopicDeleted) {
					t.Errorf("status = %+v, want failed with ErrTopicDeleted", s)
				}
			})
		})
	}
}

// A client with a broker that is down hears the others, and believes them in time.
func TestBrokerThatIsDownHoldsUpNoVerdict(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option(), kvstore.WithReadOnly())
		a.lie(staleMetadata["another id"])
		w.StopBroker((w.Leader() + 1) % 3)
		began := time.Now()
		_ = c.Sync(w.within(time.Second))
		w.eventually("the verdict", func() bool { return c.Status().State == kvstore.StateFailed })
		if d := time.Since(began); d < 30*time.Second || d > 40*time.Second {
			t.Errorf("believed after %v, want little more than 30s", d)
		}
		if err := c.Status().Err; !errors.Is(err, kvstore.ErrTopicRecreated) {
			t.Errorf("the client ended with %v, want ErrTopicRecreated", err)
		}
	})
}
