package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

var errStorageBug = errors.New("a bug in the storage")

// bomb panics in the method that it is armed for, after it did half of its work.
type bomb struct {
	mu     sync.Mutex
	method string
	wait   chan struct{} // not nil: wait for it before the panic
}

func (b *bomb) arm(method string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.method = method
}

func (b *bomb) in(method string) {
	b.mu.Lock()
	armed, wait := b.method == method, b.wait
	b.mu.Unlock()
	if armed {
		if wait != nil {
			<-wait
		}
		panic(fmt.Errorf("%s: %w", method, errStorageBug))
	}
}

// plainBomb is a storage with nothing but the plain methods, recordBomb one with
// all of them.
type (
	plainBomb struct {
		*plainStorage
		*bomb
	}
	recordBomb struct {
		*memory.Storage
		*bomb
	}
	snapshotBomb struct {
		kvstore.Snapshot
		*bomb
	}
)

func (p plainBomb) Get(ctx context.Context, key []byte) ([]byte, error) {
	p.in("Get")
	return p.plainStorage.Get(ctx, key)
}

func (p plainBomb) Set(ctx context.Context, key, value []byte) error {
	defer p.in("Set")
	return p.plainStorage.Set(ctx, key, value)
}

func (p plainBomb) Delete(ctx context.Context, key []byte) error {
	defer p.in("Delete")
	return p.plainStorage.Delete(ctx, key)
}

func (p plainBomb) Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return explodeAtEnd(p.bomb, p.plainStorage.Range(ctx, c, opts))
}

func (r recordBomb) Get(ctx context.Context, key []byte) ([]byte, error) {
	r.in("Get")
	return r.Storage.Get(ctx, key)
}

func (r recordBomb) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	r.in("GetEntry")
	return r.Storage.GetEntry(ctx, key)
}

func (r recordBomb) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	defer r.in("ApplyRecords")
	return r.Storage.ApplyRecords(ctx, records)
}

func (r recordBomb) Reset(ctx context.Context) error {
	r.in("Reset")
	return r.Storage.Reset(ctx)
}

func (r recordBomb) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	r.in("Snapshot")
	s, err := r.Storage.Snapshot(ctx)
	return snapshotBomb{s, r.bomb}, err
}

func (s snapshotBomb) Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return explodeAtEnd(s.bomb, s.Snapshot.Range(ctx, c, opts))
}

func explodeAtEnd[T any](b *bomb, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer b.in("Range")
		seq(yield)
	}
}

func (w *world) wantPanic(what string, err error) {
	w.t.Helper()
	var p *kvstore.PanicError
	if !errors.As(err, &p) || p.In != "storage" || len(p.Stack) == 0 || !errors.Is(err, errStorageBug) {
		w.t.Errorf("%s = %v, want the PanicError of the storage", what, err)
	}
}

// all of a client's operations, by name.
func (w *world) operations(c *kvstore.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Put":    func(ctx context.Context) error { return c.Put(ctx, []byte("k"), []byte("2")) },
		"Delete": func(ctx context.Context) error { return c.Delete(ctx, []byte("k")) },
		"Get":    func(ctx context.Context) error { _, err := c.Get(ctx, []byte("k")); return err },
		"GetEntry": func(ctx context.Context) error {
			_, err := c.GetEntry(ctx, []byte("k"))
			return err
		},
		"Range": func(ctx context.Context) error {
			var last error
			for _, last = range c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			}
			return last
		},
		"Sync":         c.Sync,
		"WaitRevision": func(ctx context.Context) error { return c.WaitRevision(ctx, 1000) },
	}
}

func TestStorageThatPanicsEndsTheClientWithATypedError(t *testing.T) {
	for _, tc := range []struct{ storage, method, op string }{
		{"plain", "Set", "Put"},
		{"plain", "Delete", "Delete"},
		{"plain", "Get", "Get"},
		{"plain", "Get", "GetEntry"},
		{"plain", "Range", "Range"},
		{"record", "ApplyRecords", "Put"},
		{"record", "ApplyRecords", "Delete"},
		{"record", "Get", "Get"},
		{"record", "GetEntry", "GetEntry"},
		{"record", "Snapshot", "Range"},
		{"record", "Range", "Range"},
	} {
		t.Run(tc.storage+" "+tc.method+" in "+tc.op, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				b := &bomb{}
				c := w.openOn("c", bombStorage(tc.storage, b))
				w.put(c, "k", "1")
				b.arm(tc.method)
				w.wantPanic(tc.op, w.promptly(time.Minute, w.operations(c)[tc.op]))
				b.arm("")
				for name, op := range w.operations(c) {
					var err error
					if d := took(func() { err = w.promptly(time.Minute, op) }); d > grace {
						t.Errorf("%s took %v", name, d)
					}
					w.wantPanic(name+" afterwards", err)
				}
				if s := c.Status(); s.State != kvstore.StateFailed || !errors.Is(s.Err, errStorageBug) {
					t.Errorf("Status = %v, %v; want failed with the panic", s.State, s.Err)
				}
				if d := took(func() { _ = c.Close() }); d > grace {
					t.Errorf("Close took %v", d)
				}
				w.put(w.open("other"), "k", "3") // the process lives
			})
		})
	}
}

func bombStorage(kind string, b *bomb) kvstore.Storage {
	if kind == "plain" {
		return plainBomb{newPlain(), b}
	}
	return recordBomb{memory.New(), b}
}

func TestStorageThatPanicsWhileOpeningEndsTheOpening(t *testing.T) {
	for _, tc := range []struct{ storage, method string }{
		{"plain", "Set"}, {"plain", "Range"}, {"record", "ApplyRecords"}, {"record", "Reset"},
	} {
		t.Run(tc.storage+" "+tc.method, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				w.put(w.open("writer"), "k", "1")
				b := &bomb{}
				s := bombStorage(tc.storage, b)
				b.arm(tc.method)
				w.wantPanic("NewClient", w.promptly(time.Minute, func(ctx context.Context) error {
					_, err := kvstore.NewClient(ctx, topic, s, w.options("c")...)
					return err
				}))
				b.arm("")
				w.want(w.openOn("again", s), "k", "1")
			})
		})
	}
}

// A plain storage is read under a lock that keeps half a batch from being seen.
func TestReadersThatWaitWhileTheStoragePanicsGetTheError(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		b := &bomb{wait: make(chan struct{})}
		c := w.openOn("c", plainBomb{newPlain(), b})
		w.put(c, "k", "1")
		b.arm("Set")
		errs := make(chan error, 4)
		begin := func(name string) { go func() { errs <- w.operations(c)[name](w.within(time.Minute)) }() }
		begin("Put")
		time.Sleep(time.Second) // it is in Set now, and the readers wait behind it
		begin("Get")
		begin("GetEntry")
		begin("Range")
		time.Sleep(time.Second)
		select {
		case err := <-errs:
			t.Fatalf("an operation returned %v before the storage did", err)
		default:
		}
		close(b.wait)
		d := took(func() {
			for range cap(errs) {
				w.wantPanic("an operation that waited", <-errs)
			}
		})
		if d > grace {
			t.Errorf("they took %v", d)
		}
	})
}

func TestLoopThatPanicsIsNotTheStoragesFault(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "k", "1")
		func() {
			defer func() {
				if p := recover(); p != "the loop's own" {
					t.Errorf("the loop's panic arrived as %v", p)
				}
			}()
			for range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
				panic("the loop's own")
			}
		}()
		w.put(c, "k", "2")
		w.want(c, "k", "2")
	})
}

func TestStorageThatPanicsBehindALoopThatLeftEndsTheClient(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		b := &bomb{}
		c := w.openOn("c", recordBomb{memory.New(), b})
		w.put(c, "k", "1")
		b.arm("Range")
		for kv, err := range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if err != nil || string(kv.Key) != "k" {
				t.Errorf("Range yields %q, %v; want k", kv.Key, err)
			}
			break
		}
		w.wantPanic("Status.Err", c.Status().Err)
	})
}

func TestProgressCallbackThatPanicsEndsTheOpening(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		err := w.promptly(time.Minute, func(ctx context.Context) error {
			_, err := kvstore.NewClient(ctx, topic, memory.New(), w.options("c",
				kvstore.WithProgress(func(kvstore.Progress) { panic("progress") }))...)
			return err
		})
		var p *kvstore.PanicError
		if !errors.As(err, &p) || p.In != "progress callback" || p.Panic != "progress" {
			t.Errorf("NewClient = %v, want the PanicError of the progress callback", err)
		}
	})
}

// badLogger is a slog handler that panics.
type badLogger struct{ slog.Handler }

func (badLogger) Handle(context.Context, slog.Record) error { panic("logger") }

func TestLoggerThatPanicsTakesNothingDown(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s,
			kvstore.WithLogger(slog.New(badLogger{slog.DiscardHandler})),
			kvstore.WithOnSetHook(func(_, _ []byte) { panic("so that something is logged") }))
		s.failAfter(0, errors.New("disk full"))
		time.AfterFunc(10*time.Second, func() { s.fail(nil) })
		w.put(c, "k", "1")
		w.want(c, "k", "1")
		if s := c.Status(); s.State != kvstore.StateLive || s.HookPanics != 1 {
			t.Errorf("Status = %v with %d hook panics, want live with 1", s.State, s.HookPanics)
		}
	})
}
