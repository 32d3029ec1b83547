package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// slow is a cluster of n brokers that has the topic and a network that takes a
// millisecond each way, so that time passes in every loop.
func slow(n int, more ...kvstoretest.Option) []kvstoretest.Option {
	return append(withTopic(n, kvstoretest.WithLatency(time.Millisecond)), more...)
}

// grace is how long after the end of its context a call may return.
const grace = 100 * time.Millisecond

var (
	errGaveUp = errors.New("the caller gave up")
	errDisk   = errors.New("disk full")
)

// promptly runs op with a context that ends after d because of errGaveUp, and
// returns op's error. It is a failure if op takes much longer than its context.
func (w *world) promptly(d time.Duration, op func(ctx context.Context) error) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), d, errGaveUp)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- op(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(d + grace):
		w.t.Fatalf("the call did not return within %v of its context's end", grace)
		return nil
	}
}

// wantOutcome checks that err is the wanted outcome and no other one.
func wantOutcome(t *testing.T, what string, err, want error) {
	t.Helper()
	for _, outcome := range []error{kvstore.ErrNotWritten, kvstore.ErrRefused, kvstore.ErrOutcomeUnknown} {
		if got := errors.Is(err, outcome); got != errors.Is(want, outcome) {
			t.Errorf("%s = %v; errors.Is(err, %q) = %v, want the outcome %q", what, err, outcome, got, want)
		}
	}
	var we *kvstore.WriteError
	if !errors.As(err, &we) || !errors.Is(we.Outcome, want) || we.Cause == nil {
		t.Errorf("%s = %#v, want a WriteError with the outcome %q and a cause", what, we, want)
	}
}

// waits are the operations that wait for Kafka.
var waits = map[string]func(ctx context.Context, c *kvstore.Client) error{
	"Put":    func(ctx context.Context, c *kvstore.Client) error { return c.Put(ctx, []byte("k"), []byte("v")) },
	"Delete": func(ctx context.Context, c *kvstore.Client) error { return c.Delete(ctx, []byte("k")) },
	"Execute": func(ctx context.Context, c *kvstore.Client) error {
		return c.Batch().Put([]byte("k"), nil).Execute(ctx)
	},
	"Sync": func(ctx context.Context, c *kvstore.Client) error { return c.Sync(ctx) },
}

// An obstacle keeps an operation from finishing.
type obstacle struct {
	options func() []kvstore.ClientOption
	storage func(t *testing.T) kvstore.Storage
	begin   func(t *testing.T, w *world) // may be nil

	// unsent says that a first write does not come to be sent.
	unsent bool
}

// network is an obstacle between the client "c" and the brokers.
func network(dir kvstoretest.Direction, begin func(l *kvstoretest.Links) *kvstoretest.Effect) obstacle {
	return obstacle{begin: func(_ *testing.T, w *world) { begin(w.On(kvstoretest.Traffic{Clients: []string{"c"}, Dir: dir})) }, unsent: true}
}

func obstacles() map[string]obstacle {
	stored := func(trouble func(*flaky)) obstacle {
		var s *flaky
		return obstacle{
			storage: func(t *testing.T) kvstore.Storage { s = newFlaky(); return s },
			begin: func(t *testing.T, w *world) {
				trouble(s)
				w.Append(kvstoretest.Set("other", "1"))
			},
		}
	}
	return map[string]obstacle{
		"broker stopped": {unsent: true, begin: func(t *testing.T, w *world) {
			w.StopBroker(0)
		}},
		"black hole to the broker": network(kvstoretest.ToBroker, (*kvstoretest.Links).BlackHole),
		"black hole to the client": network(kvstoretest.ToClient, (*kvstoretest.Links).BlackHole),
		"stalled requests":         network(kvstoretest.ToBroker, (*kvstoretest.Links).Stall),
		"stalled answers":          network(kvstoretest.ToClient, (*kvstoretest.Links).Stall),
		"lost answers": network(kvstoretest.ToClient, func(l *kvstoretest.Links) *kvstoretest.Effect {
			return l.LoseAnswers(0)
		}),
		"slow hook": {
			options: func() []kvstore.ClientOption {
				return []kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { time.Sleep(10 * time.Minute) })}
			},
			begin: func(_ *testing.T, w *world) { w.Append(kvstoretest.Set("other", "1")) },
		},
		"storage fails": stored(func(f *flaky) { f.fail(errDisk) }),
		"storage hangs": stored(func(f *flaky) { f.hang() }),
		"open transaction": {begin: func(t *testing.T, w *world) {
			w.transaction("t", record("other", "1"))
		}},
	}
}

func TestWritesAndSyncReturnSoonAfterTheirContextEnds(t *testing.T) {
	for what, o := range obstacles() {
		for op, call := range waits {
			t.Run(what+"/"+op, func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					var opts []kvstore.ClientOption
					if o.options != nil {
						opts = o.options()
					}
					var s kvstore.Storage = memory.New()
					if o.storage != nil {
						s = o.storage(t)
					}
					c := w.openOn("c", s, opts...)
					o.begin(t, w)
					err := w.promptly(time.Second, func(ctx context.Context) error { return call(ctx, c) })
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errGaveUp) {
						t.Fatalf("%s = %v, want the deadline and its cause", op, err)
					}
					want := kvstore.ErrOutcomeUnknown
					if o.unsent {
						want = kvstore.ErrNotWritten
					}
					if op != "Sync" {
						wantOutcome(t, op, err, want)
					}
				})
			})
		}
	}
}

// TestOpeningReturnsSoonAfterItsContextEnds: a slow hook or storage holds an
// opening client no longer than its context.
func TestOpeningReturnsSoonAfterItsContextEnds(t *testing.T) {
	for what, setup := range map[string]func(*flaky) kvstore.ClientOption{
		"slow hook": func(*flaky) kvstore.ClientOption {
			return kvstore.WithOnSetHook(func(_, _ []byte) { time.Sleep(10 * time.Minute) })
		},
		"storage fails": func(f *flaky) kvstore.ClientOption { f.fail(errDisk); return kvstore.WithReplicationFactor(-1) },
		"storage hangs": func(f *flaky) kvstore.ClientOption { f.hang(); return kvstore.WithReplicationFactor(-1) },
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				w.Append(kvstoretest.Set("k", "v"))
				s := newFlaky()
				option := setup(s)
				err := w.promptly(time.Second, func(ctx context.Context) error {
					_, err := kvstore.NewClient(ctx, topic, s, w.options("c", option)...)
					return err
				})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("NewClient = %v, want the deadline", err)
				}
				if what == "storage fails" && !errors.Is(err, errDisk) {
					t.Errorf("NewClient = %v, want the storage's error in it", err)
				}
				time.Sleep(10 * time.Minute) // the hook returns, and nothing is left running
			})
		})
	}
}

func TestShutdownReturnsSoonAfterItsContextEndsWhileHookIsSlow(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		entered := make(chan struct{}, 1)
		c := w.open("c", kvstore.WithOnSetHook(func(_, _ []byte) {
			entered <- struct{}{}
			time.Sleep(10 * time.Minute)
		}))
		w.Append(kvstoretest.Set("k", "v"))
		<-entered
		err := w.promptly(time.Second, func(ctx context.Context) error {
			go func() { _ = c.Put(t.Context(), []byte("a"), nil) }()
			time.Sleep(10 * time.Millisecond)
			return c.Shutdown(ctx)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want the deadline", err)
		}
	})
}

// TestReadsGoOnWhileHookIsSlow: a hook delays waiting writers, not readers.
func TestReadsGoOnWhileHookIsSlow(t *testing.T) {
	for name, s := range map[string]kvstore.Storage{"memory": memory.New(), "plain": newPlain()} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				entered := make(chan struct{}, 1)
				c := w.openOn("c", s, kvstore.WithOnSetHook(func(_, _ []byte) {
					entered <- struct{}{}
					time.Sleep(10 * time.Minute)
				}))
				w.Append(kvstoretest.Set("k", "v"))
				<-entered
				if d := took(func() { w.want(c, "k", "v") }); d != 0 {
					t.Errorf("Get took %v while a hook ran", d)
				}
				if d := took(func() { w.contents(c) }); d != 0 {
					t.Errorf("Range took %v while a hook ran", d)
				}
			})
		})
	}
}

// TestEndedContextTouchesNoOtherWrite: of a group of writes that is on its way
// in one record batch, one is given up; and of those that queue, one.
func TestEndedContextTouchesNoOtherWrite(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "warm", "up")
		w.SlowBroker(0, time.Second)
		var wg sync.WaitGroup
		results := make([]error, 40)
		put := func(ctx context.Context, n int) {
			wg.Go(func() { results[n] = c.Put(ctx, fmt.Appendf(nil, "k%02d", n), []byte("v")) })
		}
		first := 10 * time.Millisecond
		put(t.Context(), 0) // goes alone, from 0 s to 1 s
		time.Sleep(first)
		for n := 1; n < 20; n++ { // go together, from 1 s to 2 s
			ctx := t.Context()
			if n == 7 {
				ctx = w.within(1500 * time.Millisecond)
			}
			put(ctx, n)
		}
		time.Sleep(1200 * time.Millisecond)
		for n := 20; n < 40; n++ { // queue until 2 s
			ctx := t.Context()
			if n == 27 {
				ctx = w.within(200 * time.Millisecond)
			}
			put(ctx, n)
		}
		wg.Wait()
		for n, err := range results {
			switch n {
			case 7:
				wantOutcome(t, "Put that was given up on its way", err, kvstore.ErrOutcomeUnknown)
			case 27:
				wantOutcome(t, "Put that was given up in the queue", err, kvstore.ErrNotWritten)
			default:
				if err != nil {
					t.Errorf("Put %d, whose context did not end, = %v", n, err)
				}
			}
		}
		counts := w.countKeys()
		for n := range results {
			want := 1
			if n == 27 {
				want = 0
			}
			if got := counts[fmt.Sprintf("k%02d", n)]; got != want {
				t.Errorf("k%02d is in the log %d times, want %d", n, got, want)
			}
		}
		var groups [][]string
		for _, b := range w.batches()[1:] {
			var keys []string
			for _, r := range b.Records {
				keys = append(keys, string(r.Key))
			}
			groups = append(groups, keys)
		}
		if len(groups) != 3 || len(groups[0]) != 1 || len(groups[1]) != 19 || len(groups[2]) != 19 {
			t.Errorf("the writes went out as %v; the test means them to go as 1, 19 and 19", groups)
		}
	})
}

// countKeys returns how often each key stands in the log.
func (w *world) countKeys() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for _, r := range w.Log() {
		if r.Kind != kvstoretest.KindCommit && r.Kind != kvstoretest.KindAbort {
			counts[string(r.Key)]++
		}
	}
	return counts
}

// A context may end because of the error of another call, as those of errgroup do. That is not how
// this call has ended.
func TestErrorOfAnotherCallIsNotTheOneOfThisCall(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "other", "v")
		_, notFound := c.Get(t.Context(), []byte("absent"))
		w.On(kvstoretest.Traffic{Clients: []string{"c"}, Dir: kvstoretest.ToClient}).BlackHole()
		unknown := c.Put(w.within(time.Second), []byte("k"), nil)
		wantOutcome(t, "Put", unknown, kvstore.ErrOutcomeUnknown)
		own := errors.New("own")
		for name, call := range waits {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(fmt.Errorf("%w: %w: %w", own, notFound, unknown))
			err := call(ctx, c)
			wantError(t, name, err, own)
			wantError(t, name, err, context.Canceled)
			if errors.Is(err, kvstore.ErrNotFound) || errors.Is(err, kvstore.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "outcome unknown") {
				t.Errorf("%s = %v, want it to match its own outcome only, and to say the cause", name, err)
			}
			if writes[name] != nil {
				wantOutcome(t, name, err, kvstore.ErrNotWritten)
			}
		}
	})
}

// badSerde fails with the error of another store.
type badSerde struct{ err error }

func (s badSerde) Serialize(string) ([]byte, error)   { return nil, s.err }
func (s badSerde) Deserialize([]byte) (string, error) { return "", s.err }

func TestErrorOfASerdeIsNotAnOutcome(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "k", "v")
		bad := badSerde{fmt.Errorf("%w: %w", kvstore.ErrOutcomeUnknown, kvstore.ErrNotFound)}
		typed := kvstore.NewResourceClient[string](c, bad)
		wantOutcome(t, "Put", typed.Put(t.Context(), []byte("k"), "v"), kvstore.ErrRefused)
		_, err := typed.Get(t.Context(), []byte("k"))
		if _, ok := errors.AsType[*kvstore.DecodeError](err); !ok || errors.Is(err, kvstore.ErrNotFound) {
			t.Errorf("Get = %v, want a DecodeError that is not ErrNotFound", err)
		}
	})
}
