package kvstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// silent brokers take connections and do not answer: what sets up a connection waits then,
// longer than anyone who waits for the connection.
type silent struct {
	w    *world
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	on   atomic.Bool
}

func (s *silent) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if !s.on.Load() {
		return s.dial(ctx, network, addr)
	}
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	return near, nil
}

// begin makes the brokers silent for the client "c". What it sends on connections of before
// is lost, or what they answer.
func (s *silent) begin(lost kvstoretest.Direction) {
	s.on.Store(true)
	s.w.On(kvstoretest.Traffic{Clients: []string{"c"}, Dir: lost}).BlackHole()
}

// silenceAges are for how long brokers have been silent: connections of before are still in
// use, have just been given up, or are being set up again.
var silenceAges = []time.Duration{time.Millisecond, time.Second, 15 * time.Second, 25 * time.Second, 61 * time.Second}

// eachSilence runs fn with the options of a client, and with what makes brokers silent for it.
func eachSilence(t *testing.T, fn func(t *testing.T, w *world, opts []kvstore.ClientOption, silence func())) {
	t.Helper()
	for what, lost := range map[string]kvstoretest.Direction{"requests": kvstoretest.ToBroker, "answers": kvstoretest.ToClient} {
		for _, age := range silenceAges {
			t.Run(what+"/"+age.String(), func(t *testing.T) {
				inWorld(t, slow(2), func(t *testing.T, w *world) {
					s := &silent{w: w, dial: w.Dialer("c")}
					fn(t, w, []kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.Dialer(s.Dial))}, func() {
						s.begin(lost)
						time.Sleep(age)
					})
				})
			})
		}
	}
}

func TestOpeningAtSilentBrokersReturnsSoonAfterItsContextEnds(t *testing.T) {
	eachSilence(t, func(t *testing.T, w *world, opts []kvstore.ClientOption, silence func()) {
		silence()
		for _, option := range []kvstore.ClientOption{kvstore.WithFailFast(true), kvstore.WithReadOnly(), kvstore.WithFailFast(false)} {
			err := w.promptly(500*time.Millisecond, func(ctx context.Context) error {
				_, err := kvstore.NewClient(ctx, topic, memory.New(), w.options("c", append(opts, option)...)...)
				return err
			})
			var we *kvstore.WaitError
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &we) {
				t.Errorf("NewClient = %v, want a WaitError with the deadline", err)
			}
		}
	})
}

func TestCallsAtSilentBrokersReturnSoonAfterTheirContextEnds(t *testing.T) {
	for op, call := range waits {
		t.Run(op, func(t *testing.T) {
			eachSilence(t, func(t *testing.T, w *world, opts []kvstore.ClientOption, silence func()) {
				c := w.open("c", opts...)
				silence()
				err := w.promptly(500*time.Millisecond, func(ctx context.Context) error { return call(ctx, c) })
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s = %v, want the deadline", op, err)
				}
			})
		})
	}
}

// A closing waits for nobody, and leaves nothing running.
func TestCloseAtSilentBrokersReturnsAtOnce(t *testing.T) {
	eachSilence(t, func(t *testing.T, w *world, opts []kvstore.ClientOption, silence func()) {
		c := w.open("c", opts...)
		reader := w.open("reader", append(opts, kvstore.WithReadOnly())...)
		silence()
		go func() { _ = c.Put(t.Context(), []byte("k"), nil) }()
		go func() { _ = reader.Sync(t.Context()) }()
		synctest.Wait()
		for what, c := range map[string]*kvstore.Client{"a client": c, "a reader": reader} {
			if d := took(func() { _ = c.Close() }); d > grace {
				t.Errorf("closing %s took %v", what, d)
			}
		}
	})
}

func TestShutdownAtSilentBrokersBlamesNoHook(t *testing.T) {
	eachSilence(t, func(t *testing.T, w *world, opts []kvstore.ClientOption, silence func()) {
		c := w.open("c", opts...)
		silence()
		if err := w.promptly(500*time.Millisecond, c.Shutdown); err != nil {
			t.Errorf("Shutdown of a client that does nothing = %v", err)
		}
	})
}

// Whoever waits for a hook is told so, and whoever waits for the storage that.
func TestShutdownNamesWhatHasNotReturned(t *testing.T) {
	for what, want := range map[string]string{"hook": "a hook, for the record at offset 0, has not returned", "storage": "the storage has not returned"} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				s := &stuck{Storage: newPlain()}
				c := w.openOn("c", s, kvstore.WithOnSetHook(func(_, _ []byte) {
					if what == "hook" {
						time.Sleep(time.Minute)
					}
				}))
				if what == "storage" {
					s.on.Store(true)
				}
				w.Append(kvstoretest.Set("k", "v"))
				time.Sleep(time.Second)
				err := w.promptly(time.Second, c.Shutdown)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want) {
					t.Errorf("Shutdown = %v, want the deadline and %q", err, want)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// stuck is a storage that takes a minute for a change, whatever its context says.
type stuck struct {
	kvstore.Storage

	on atomic.Bool
}

func (s *stuck) Set(ctx context.Context, key, value []byte) error {
	if s.on.Load() {
		time.Sleep(time.Minute)
	}
	return s.Storage.Set(ctx, key, value)
}
