package kvstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// flaky is a plain storage that fails, or hangs, when it is told to.
type flaky struct {
	*plainStorage

	mu    sync.Mutex
	err   error
	hangs bool
	after int // changes that still work before err
	calls int
}

func newFlaky() *flaky { return &flaky{plainStorage: newPlain()} }

func (f *flaky) fail(err error) { f.failAfter(0, err) }

// failAfter makes n more changes work and those behind fail.
func (f *flaky) failAfter(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after, f.err = n, err
}

func (f *flaky) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = true
}

func (f *flaky) changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// trouble is what happens before a change.
func (f *flaky) trouble(ctx context.Context) error {
	f.mu.Lock()
	f.calls++
	err, hangs := f.err, f.hangs
	if err != nil && f.after > 0 {
		f.after--
		err = nil
	}
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *flaky) Set(ctx context.Context, key, value []byte) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	return f.plainStorage.Set(ctx, key, value)
}

func (f *flaky) Delete(ctx context.Context, key []byte) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	return f.plainStorage.Delete(ctx, key)
}

var _ kvstore.Storage = (*flaky)(nil)

// yielding makes the changes of a plain or batch storage take time, so that
// readers get their turn in the middle of them. The storage in memory has no
// middle: it is returned as it is.
func yielding(s kvstore.Storage) kvstore.Storage {
	switch s := s.(type) {
	case *plainStorage:
		return yieldingPlain{s}
	case batching:
		return yieldingBatch{s}
	default:
		return s
	}
}

type yieldingPlain struct{ *plainStorage }

func (y yieldingPlain) Set(ctx context.Context, key, value []byte) error {
	time.Sleep(50 * time.Microsecond)
	return y.plainStorage.Set(ctx, key, value)
}

type yieldingBatch struct{ batching }

func (y yieldingBatch) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	for _, it := range items {
		time.Sleep(50 * time.Microsecond)
		if err := y.batching.ApplyBatch(ctx, []kvstore.KeyValue{it}); err != nil {
			return err
		}
	}
	return nil
}

// TestStorageErrorsAreRetriedWithBackoff: the storage fails for ten seconds. It
// is called some ten to thirty times, then all goes on, and no hook is called
// twice.
func TestStorageErrorsAreRetriedWithBackoff(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		s := newFlaky()
		var hooks hookBook
		c := w.openOn("c", s, hooks.options()...)
		before := s.changes()
		s.fail(errDisk)
		result := make(chan error)
		go func() { result <- c.Put(w.within(time.Minute), []byte("a"), []byte("1")) }()
		time.Sleep(10 * time.Second)
		if n := s.changes() - before; n < 8 || n > 30 {
			t.Errorf("the storage was called %d times in 10 s", n)
		}
		if st := c.Status(); st.State != kvstore.StateStalled || !errors.Is(st.Err, errDisk) {
			t.Errorf("Status = %v, %v; want stalled by the storage's error", st.State, st.Err)
		}
		said := 0
		for _, m := range w.logs.all() {
			if strings.Contains(m, errDisk.Error()) {
				said++
			}
		}
		if said < 2 || said > 12 {
			t.Errorf("the error was logged %d times in 10 s, want about one a second", said)
		}
		s.fail(nil)
		if err := <-result; err != nil {
			t.Errorf("Put after the storage had recovered = %v", err)
		}
		w.eventually("live", func() bool { st := c.Status(); return st.State == kvstore.StateLive && st.Err == nil })
		w.want(c, "a", "1")
		if got := hooks.all(); len(got) != 1 {
			t.Errorf("hooks were told %q, want one event", got)
		}
	})
}

// TestWaitersSeeTheStoragesErrorWhenTheirContextEnds, every kind of waiter.
func TestWaitersSeeTheStoragesErrorWhenTheirContextEnds(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		s.fail(errDisk)
		w.Append(kvstoretest.Set("other", "1"))
		calls := maps.Clone(waits)
		calls["WaitRevision"] = func(ctx context.Context, c *kvstore.Client) error { return c.WaitRevision(ctx, 0) }
		for op, call := range calls {
			err := w.promptly(time.Second, func(ctx context.Context) error { return call(ctx, c) })
			var we *kvstore.WaitError
			if !errors.Is(err, errDisk) || !errors.Is(err, kvstore.ErrStorage) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &we) {
				t.Errorf("%s = %v, want a WaitError with the storage's error and the deadline", op, err)
			}
		}
	})
}

// TestBatchIsNeverHalfVisibleWhenTheStorageFailsInIt: a plain storage takes the
// first change of a batch and fails at the second. Reads wait, bounded by their
// contexts, until the batch is whole.
func TestBatchIsNeverHalfVisibleWhenTheStorageFailsInIt(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		s := newFlaky()
		c := w.openOn("c", s)
		if err := c.Batch().Put([]byte("a"), []byte("1")).Put([]byte("z"), []byte("1")).Execute(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.failAfter(1, errDisk)
		result := make(chan error)
		go func() {
			result <- c.Batch().Put([]byte("a"), []byte("2")).Put([]byte("z"), []byte("2")).Execute(w.within(time.Minute))
		}()
		time.Sleep(100 * time.Millisecond)
		for range 20 {
			var a, z []byte
			err := w.promptly(200*time.Millisecond, func(ctx context.Context) (err error) {
				if a, err = c.Get(ctx, []byte("a")); err != nil {
					return err
				}
				z, err = c.Get(ctx, []byte("z"))
				return err
			})
			if err == nil && !bytes.Equal(a, z) {
				t.Fatalf("reads show a=%s z=%s, half of a batch", a, z)
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Get = %v, want it to wait", err)
			}
		}
		s.fail(nil)
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if got, want := w.contents(c), "a=2 z=2 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		// Close frees whoever reads.
		s.failAfter(1, errDisk)
		go func() { result <- c.Batch().Put([]byte("a"), nil).Put([]byte("z"), nil).Execute(t.Context()) }()
		time.Sleep(time.Second)
		reads := make(chan error)
		go func() { _, err := c.Get(context.Background(), []byte("z")); reads <- err }()
		time.Sleep(time.Second)
		if d := took(func() { _ = c.Close() }); d > grace {
			t.Errorf("Close took %v", d)
		}
		select {
		case err := <-reads:
			if err != nil && !errors.Is(err, kvstore.ErrClientClosed) {
				t.Errorf("Get while the client closed = %v", err)
			}
		case <-time.After(grace):
			t.Error("Get did not return when the client was closed")
		}
		if err := <-result; !errors.Is(err, kvstore.ErrClientClosed) {
			t.Errorf("Execute while the client closed = %v", err)
		}
	})
}

// TestCloseReturnsPromptlyWhileTheStorageFails, or hangs until its context
// ends; the writes under way say that the client was closed and that they are in
// the log.
func TestCloseReturnsPromptlyWhileTheStorageFails(t *testing.T) {
	for what, trouble := range map[string]func(*flaky){
		"fails": func(f *flaky) { f.fail(errDisk) },
		"hangs": func(f *flaky) { f.hang() },
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				s := newFlaky()
				c := w.openOn("c", s)
				trouble(s)
				result := make(chan error, 1)
				go func() { result <- c.Put(t.Context(), []byte("a"), nil) }()
				time.Sleep(30 * time.Second)
				if d := took(func() { _ = c.Close() }); d > grace {
					t.Errorf("Close took %v", d)
				}
				err := <-result
				wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
				if !errors.Is(err, kvstore.ErrClientClosed) || !errors.Is(err, kvstore.ErrNotVisible) {
					t.Errorf("Put = %v, want ErrClientClosed and ErrNotVisible", err)
				}
			})
		})
	}
}

// TestStorageThatIsNotEmptyEndsEqualToTheLog: it holds keys that the log never
// had, that the log deleted, and other values; and revisions, from a life on
// another log.
func TestStorageThatIsNotEmptyEndsEqualToTheLog(t *testing.T) {
	for name, storage := range storageKinds {
		for what, log := range map[string][]string{"log with data": {"same=1", "other=new", "deleted=1", "deleted"}, "empty log": nil} {
			t.Run(name+"/"+what, func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					s := storage()
					for _, key := range []string{"same", "other", "deleted", "never in the log", "\x00", "\xff\xff"} {
						if err := s.Set(t.Context(), []byte(key), []byte("1")); err != nil {
							t.Fatal(err)
						}
					}
					if rs, ok := s.(kvstore.RecordStorage); ok {
						err := rs.ApplyRecords(t.Context(), []kvstore.Record{{Key: []byte("later"), Value: []byte("1"), Revision: 1000}})
						if err != nil {
							t.Fatal(err)
						}
					}
					want := ""
					for _, entry := range log {
						key, value, ok := strings.Cut(entry, "=")
						r := kvstoretest.Record{Key: []byte(key)}
						if ok {
							r.Value = []byte(value)
						}
						w.Append(r)
						want = "other=new same=1 "
					}
					c := w.openOn("c", s)
					if got := w.contents(c); got != want {
						t.Errorf("contents = %q, want %q", got, want)
					}
					var in strings.Builder
					for kv, err := range s.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						if err != nil {
							t.Fatal(err)
						}
						fmt.Fprintf(&in, "%s=%s ", kv.Key, kv.Value)
					}
					if in.String() != want {
						t.Errorf("the storage itself holds %q, want %q", in.String(), want)
					}
				})
			})
		}
	}
}

// TestDeletingOneKeyDeletesThatKeyOnly: for keys that are prefixes of each
// other, that differ in 0x00 and 0xff bytes, and for any others.
func TestDeletingOneKeyDeletesThatKeyOnly(t *testing.T) {
	part := rapid.SampledFrom([]string{"\x00", "\xff", "a", "/", ":", "\x00\x00", "\xff\xff", "\xf0\x9f\x92\xa9", "key"})
	tricky := rapid.Map(rapid.SliceOfN(part, 1, 4), func(parts []string) string { return strings.Join(parts, "") })
	keys := rapid.SliceOfNDistinct(rapid.OneOf(tricky, rapid.StringN(1, 10, -1)), 2, 12, rapid.ID[string])
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				c := w.openOn("c", storage())
				rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
					keys := keys.Draw(rt, "keys")
					gone := rapid.IntRange(0, len(keys)-1).Draw(rt, "deleted")
					clean := c.Batch()
					for kv, err := range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						if err != nil {
							rt.Fatal(err)
						}
						clean.Delete(kv.Key)
					}
					if err := clean.Execute(t.Context()); err != nil {
						rt.Fatal(err)
					}
					fill := c.Batch()
					for _, key := range keys {
						fill.Put([]byte(key), []byte("of "+key))
					}
					if err := fill.Execute(t.Context()); err != nil {
						rt.Fatal(err)
					}
					if err := c.Delete(t.Context(), []byte(keys[gone])); err != nil {
						rt.Fatal(err)
					}
					left := map[string]string{}
					for kv, err := range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
						if err != nil {
							rt.Fatal(err)
						}
						left[string(kv.Key)] = string(kv.Value)
					}
					if len(left) != len(keys)-1 {
						rt.Fatalf("after Delete(%q) of %q there is %q", keys[gone], keys, left)
					}
					for i, key := range keys {
						v, err := c.Get(t.Context(), []byte(key))
						switch {
						case i == gone && !errors.Is(err, kvstore.ErrNotFound):
							rt.Fatalf("Get(%q), which was deleted, = %q, %v", key, v, err)
						case i != gone && (err != nil || string(v) != "of "+key || left[key] != "of "+key):
							rt.Fatalf("Get(%q) after Delete(%q) = %q, %v; Range has %q", key, keys[gone], v, err, left[key])
						}
					}
				})
			})
		})
	}
}
