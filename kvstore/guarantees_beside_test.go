package kvstore_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

var errConnRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// Some brokers refuse connections, and others say nothing: however long that lasts, and
// whatever clients are asked meanwhile, the questions to the silent ones do not pile up.
func TestBrokersThatAreAwayPileUpNothing(t *testing.T) {
	for what, take := range muteness {
		for others, most := range map[string]int{"the leader is silent": 400, "the leader is well": 120} {
			t.Run(what+"/"+others, func(t *testing.T) {
				inWorld(t, withTopic(3), func(t *testing.T, w *world) {
					t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // until nobody dials any more
					m := &mutes{dial: w.Dialer("c"), take: take, open: map[net.Conn]string{}}
					var refuses atomic.Pointer[string]
					c := w.open("c", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
						if r := refuses.Load(); r != nil && *r == addr {
							return nil, errConnRefused
						}
						return m.Dial(ctx, network, addr)
					})))
					w.put(c, "a", "1")
					seeds, lead := w.Brokers(), w.Leader()
					away := slices.Clone(seeds)
					if others == "the leader is well" {
						away = slices.Delete(away, lead, lead+1)
					}
					refuses.Store(&seeds[(lead+1)%3])
					m.silence(away...)
					peak := 0
					for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						_ = c.Sync(ctx)
						_ = c.Put(ctx, []byte("k"), nil)
						cancel()
						peak = max(peak, runtime.NumGoroutine())
					}
					if peak > most {
						t.Errorf("%d goroutines within an hour, want at most %d", peak, most)
					}
				})
			})
		}
	}
}

// One seed takes seconds to be connected to, another one refuses immediately, and its error
// ends each try before that: the connection is nevertheless set up.
func TestSlowSeedBesideOneThatRefusesIsEnough(t *testing.T) {
	for _, takes := range []time.Duration{2 * time.Second, 6 * time.Second} {
		for range 6 { // franz-go begins with any seed
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				t.Cleanup(func() { time.Sleep(time.Minute) })
				slow, dial := w.Brokers()[0], w.Dialer("c")
				dialer := kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr != slow {
						return nil, errConnRefused
					}
					select {
					case <-time.After(takes):
						return dial(ctx, network, addr)
					case <-ctx.Done():
						return nil, context.Cause(ctx)
					}
				})
				opts := w.options("c", kvstore.WithBrokers(slow, "refuses-1:9", "refuses-2:9"), kvstore.WithKafkaOptions(dialer), kvstore.WithReadOnly())
				c, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), opts...)
				if err != nil {
					t.Fatalf("NewClient at a seed that takes %v = %v", takes, err)
				}
				_ = c.Close()
			})
		}
	}
}
