package kvstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// muteness is how machines that are gone, or hang, take connections.
var muteness = map[string]func(context.Context) (net.Conn, error){
	"a broker that says nothing": func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		return near, nil
	},
	"a machine that is gone": func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	},
	"a dialer that heeds no context": func(context.Context) (net.Conn, error) {
		time.Sleep(10 * time.Second)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	},
}

// mutes makes some addresses mute, for whoever dials with it.
type mutes struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	take func(context.Context) (net.Conn, error)

	mu    sync.Mutex
	addrs []string
	open  map[net.Conn]string
}

func (m *mutes) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	m.mu.Lock()
	mute := slices.Contains(m.addrs, addr)
	m.mu.Unlock()
	if mute || strings.HasPrefix(addr, "mute") {
		return m.take(ctx)
	}
	conn, err := m.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[conn] = addr
	return conn, nil
}

// silence makes addresses mute; connections to them are gone.
func (m *mutes) silence(addrs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addrs = addrs
	for conn, addr := range m.open {
		if slices.Contains(addrs, addr) {
			_ = conn.Close()
		}
	}
}

// eachMuteness runs fn with the options of a client that dials with mutes.
func eachMuteness(t *testing.T, brokers int, fn func(t *testing.T, w *world, m *mutes, opt kvstore.ClientOption)) {
	t.Helper()
	for what, take := range muteness {
		t.Run(what, func(t *testing.T) {
			for range 6 { // franz-go begins with any seed
				inWorld(t, withTopic(brokers), func(t *testing.T, w *world) {
					m := &mutes{dial: w.Dialer("c"), take: take, open: map[net.Conn]string{}}
					t.Cleanup(func() { time.Sleep(time.Minute) }) // until nobody dials any more
					fn(t, w, m, kvstore.WithKafkaOptions(kgo.Dialer(m.Dial)))
				})
			}
		})
	}
}

// Of three seeds two are mute. Each holds a call up for about a second.
func TestOneSeedThatAnswersIsEnough(t *testing.T) {
	for _, topicExists := range []string{topic, "created"} {
		eachMuteness(t, 1, func(t *testing.T, w *world, _ *mutes, opt kvstore.ClientOption) {
			seed := w.Brokers()[0]
			for _, seeds := range [][]string{{seed, "mute-1:9", "mute-2:9"}, {"mute-1:9", seed, "mute-2:9"}, {"mute-1:9", "mute-2:9", seed}} {
				ctx := w.within(6 * time.Second)
				c, err := kvstore.NewClient(ctx, topicExists, memory.New(), w.options("c", opt, kvstore.WithBrokers(seeds...))...)
				if err != nil {
					t.Errorf("NewClient at %v = %v", seeds, err)
					continue
				}
				if err := c.Put(w.within(3500*time.Millisecond), []byte("k"), []byte("v")); err != nil {
					t.Errorf("Put at %v = %v", seeds, err)
				}
				if err := c.Sync(w.within(3500 * time.Millisecond)); err != nil {
					t.Errorf("Sync at %v = %v", seeds, err)
				}
				_ = c.Close()
			}
		})
	}
}

// Of three brokers two go mute while a client runs: those that do not lead delay nothing
// for longer than a second each, whatever the client asks.
func TestMuteBrokersThatDoNotLeadHoldNobodyUp(t *testing.T) {
	eachMuteness(t, 3, func(t *testing.T, w *world, m *mutes, opt kvstore.ClientOption) {
		c := w.open("c", opt)
		w.put(c, "a", "1")
		lead := w.Leader()
		m.silence(slices.DeleteFunc(w.Brokers(), func(s string) bool { return s == w.Brokers()[lead] })...)
		for _, age := range []time.Duration{0, 2 * time.Second, 20 * time.Second, time.Minute} {
			time.Sleep(age)
			if err := c.Put(w.within(3500*time.Millisecond), []byte("k"), []byte("v")); err != nil {
				t.Errorf("Put = %v", err)
			}
			if err := c.Sync(w.within(3500 * time.Millisecond)); err != nil {
				t.Errorf("Sync = %v", err)
			}
		}
	})
}

// The leader's machine goes, and another broker is elected: reads and writes follow as
// soon as the others name it, though the old one never says that it is not the leader.
func TestClientLeavesAMuteLeaderWhenOthersNameAnother(t *testing.T) {
	eachMuteness(t, 3, func(t *testing.T, w *world, m *mutes, opt kvstore.ClientOption) {
		c := w.open("c", opt)
		w.put(c, "a", "1")
		lead := w.Leader()
		m.silence(w.Brokers()[lead])
		time.Sleep(time.Second)
		w.MoveLeader((lead + 1) % 3)
		if err := c.Put(w.within(6*time.Second), []byte("k"), []byte("v")); err != nil {
			t.Errorf("Put = %v", err)
		}
		if err := c.Sync(w.within(3500 * time.Millisecond)); err != nil {
			t.Errorf("Sync = %v", err)
		}
	})
}

// A topic is refused when all who can be asked say that it does not fit, not because the
// opening's time is over before they were.
func TestTopicIsNotRefusedBeforeOthersWereAsked(t *testing.T) {
	opts := withTopic(3, kvstoretest.WithTopicConfig(map[string]string{"cleanup.policy": "delete"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		seeds := w.Brokers()
		m := &mutes{dial: w.Dialer("c"), take: muteness["a broker that says nothing"], addrs: seeds[1:], open: map[net.Conn]string{}}
		option := w.options("c", kvstore.WithBrokers(seeds[0]), kvstore.WithKafkaOptions(kgo.Dialer(m.Dial)))
		_, err := kvstore.NewClient(w.within(1500*time.Millisecond), topic, memory.New(), option...)
		var we *kvstore.WaitError
		if errors.Is(err, kvstore.ErrTopicConfig) || !errors.As(err, &we) || !strings.Contains(err.Error(), "cleanup.policy") {
			t.Errorf("NewClient whose context ends before others were asked = %v, want a WaitError that says what was heard", err)
		}
		_, err = kvstore.NewClient(w.within(time.Minute), topic, memory.New(), option...)
		if !errors.Is(err, kvstore.ErrTopicConfig) {
			t.Errorf("NewClient with more time = %v, want ErrTopicConfig", err)
		}
	})
}
