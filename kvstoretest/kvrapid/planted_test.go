package kvrapid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// fakeTB records what is reported instead of failing.
type fakeTB struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	text   strings.Builder
}

// onFake runs fn as a test of its own and returns what it reported and whether
// it failed.
func onFake(t testing.TB, fn func(t testing.TB)) (string, bool) {
	f := &fakeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(f)
	}()
	<-done
	return f.text.String(), f.failed
}

func (f *fakeTB) Helper()      {}
func (f *fakeTB) Name() string { return "TestFake" }

func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(&f.text, format+"\n", args...)
}
func (f *fakeTB) Log(args ...any)                   { f.Logf("%s", fmt.Sprint(args...)) }
func (f *fakeTB) Errorf(format string, args ...any) { f.Logf(format, args...); f.Fail() }
func (f *fakeTB) Error(args ...any)                 { f.Log(args...); f.Fail() }
func (f *fakeTB) Fatalf(format string, args ...any) { f.Errorf(format, args...); f.FailNow() }
func (f *fakeTB) Fatal(args ...any)                 { f.Error(args...); f.FailNow() }
func (f *fakeTB) FailNow()                          { f.Fail(); runtime.Goexit() }

func (f *fakeTB) Fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
}

func (f *fakeTB) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// bent is a client of which single methods are replaced.
type bent struct {
	*kvstore.Client
	put   func(ctx context.Context, key, value []byte) (int64, error)
	get   func(ctx context.Context, key []byte) (kvstore.Entry, error)
	scan  func(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error]
	sync  func(ctx context.Context) error
	wait  func(ctx context.Context, revision int64) error
	where func() int64
}

func (b *bent) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if b.put != nil {
		return b.put(ctx, key, value)
	}
	return b.Client.PutRevision(ctx, key, value)
}

func (b *bent) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if b.get != nil {
		return b.get(ctx, key)
	}
	return b.Client.GetEntry(ctx, key)
}

func (b *bent) RangeEntries(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	if b.scan != nil {
		return b.scan(ctx, c, opts)
	}
	return b.Client.RangeEntries(ctx, c, opts)
}

func (b *bent) Sync(ctx context.Context) error {
	if b.sync != nil {
		return b.sync(ctx)
	}
	return b.Client.Sync(ctx)
}

func (b *bent) WaitRevision(ctx context.Context, revision int64) error {
	if b.wait != nil {
		return b.wait(ctx, revision)
	}
	return b.Client.WaitRevision(ctx, revision)
}

func (b *bent) Position() int64 {
	if b.where != nil {
		return b.where()
	}
	return b.Client.Position()
}

// bend returns a Wrap that replaces methods.
func bend(how func(*bent)) func(*kvstore.Client) kvstoretest.Store {
	return func(c *kvstore.Client) kvstoretest.Store {
		b := &bent{Client: c}
		how(b)
		return b
	}
}

// badStorage breaks what the client gives it.
type badStorage struct {
	kvstore.RecordStorage
	bend func([]kvstore.Record) []kvstore.Record
}

func (s badStorage) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return s.RecordStorage.ApplyRecords(ctx, s.bend(records))
}

func storing(bend func([]kvstore.Record) []kvstore.Record) func(testing.TB) kvstore.Storage {
	return func(testing.TB) kvstore.Storage { return badStorage{memory.New(), bend} }
}

// planted are stores that break one rule each, and what the message says.
var planted = []struct {
	name, want string
	cfg        Config
}{
	{"a stale read", "GetEntry(", Config{Wrap: bend(func(b *bent) {
		seen := map[string]kvstore.Entry{}
		b.get = func(ctx context.Context, key []byte) (kvstore.Entry, error) {
			if e, ok := seen[string(key)]; ok {
				return e, nil
			}
			e, err := b.Client.GetEntry(ctx, key)
			if err == nil {
				seen[string(key)] = e
			}
			return e, err
		}
	})}},
	{"a range without its bound", "Range [", Config{Wrap: bend(func(b *bent) {
		b.scan = func(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
			return b.Client.RangeEntries(ctx, kvstore.KeyConstraint{Start: c.Start}, opts)
		}
	})}},
	{"a range without its limit", "Range [", Config{Wrap: bend(func(b *bent) {
		b.scan = func(ctx context.Context, c kvstore.KeyConstraint, _ kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
			return b.Client.RangeEntries(ctx, c, kvstore.QueryOptions{})
		}
	})}},
	{"a write that never happens", "is not its put(", Config{Wrap: bend(func(b *bent) {
		b.put = func(ctx context.Context, key, value []byte) (int64, error) {
			if len(key) == 0 || len(value) > 1<<20 || ctx.Err() != nil || b.Client.Status().State == kvstore.StateClosed {
				return b.Client.PutRevision(ctx, key, value)
			}
			return b.Client.Position(), nil
		}
	})}},
	{"a write that happens twice", "", Config{Wrap: bend(func(b *bent) {
		b.put = func(ctx context.Context, key, value []byte) (int64, error) {
			if _, err := b.Client.PutRevision(ctx, key, value); err != nil {
				return -1, err
			}
			return b.Client.PutRevision(ctx, key, value)
		}
	})}},
	{"a revision that is off by one", "is not its put(", Config{Wrap: bend(func(b *bent) {
		b.put = func(ctx context.Context, key, value []byte) (int64, error) {
			rev, err := b.Client.PutRevision(ctx, key, value)
			return rev + 1, err
		}
	})}},
	{"an unknown outcome reported as failed", "which was said not to be written", Config{Wrap: bend(func(b *bent) {
		b.put = func(ctx context.Context, key, value []byte) (int64, error) {
			rev, err := b.Client.PutRevision(ctx, key, value)
			if errors.Is(err, kvstore.ErrOutcomeUnknown) {
				err = &kvstore.WriteError{Op: "put", Key: key, Outcome: kvstore.ErrNotWritten, Revision: -1, Cause: context.DeadlineExceeded}
			}
			return rev, err
		}
	})}},
	{"a bare error", "want a *WriteError of exactly one outcome", Config{Wrap: bend(func(b *bent) {
		b.put = func(ctx context.Context, key, value []byte) (int64, error) {
			rev, err := b.Client.PutRevision(ctx, key, value)
			if errors.Is(err, kvstore.ErrOutcomeUnknown) {
				err = context.DeadlineExceeded
			}
			return rev, err
		}
	})}},
	{"a Sync that does not wait", "after a Sync", Config{Wrap: bend(func(b *bent) {
		b.sync = func(context.Context) error { return nil }
	})}},
	{"a WaitRevision that does not wait", "after WaitRevision(", Config{Wrap: bend(func(b *bent) {
		b.wait = func(context.Context, int64) error { return nil }
	})}},
	{"a position that goes back", "it went back", Config{Wrap: bend(func(b *bent) {
		n := int64(1 << 20)
		b.where = func() int64 { n--; return n }
	})}},
	{"a storage that keeps deleted keys", "", Config{Storage: storing(func(rs []kvstore.Record) []kvstore.Record {
		var out []kvstore.Record
		for _, r := range rs {
			if !r.Delete {
				out = append(out, r)
			}
		}
		return out
	})}},
	{"a storage that takes empty values for deletes", "", Config{Storage: storing(func(rs []kvstore.Record) []kvstore.Record {
		out := copyOf(rs)
		for i := range out {
			if len(out[i].Value) == 0 {
				out[i].Value, out[i].Delete = nil, true
			}
		}
		return out
	})}},
	{"a storage that mixes up the order of a batch", "", Config{Storage: storing(func(rs []kvstore.Record) []kvstore.Record {
		out := copyOf(rs)
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
		return out
	})}},
	{"a storage that cuts values", "", Config{Storage: storing(func(rs []kvstore.Record) []kvstore.Record {
		out := copyOf(rs)
		for i := range out {
			if len(out[i].Value) > 100 {
				out[i].Value = bytes.Clone(out[i].Value[:100])
			}
		}
		return out
	})}},
}

func copyOf(rs []kvstore.Record) []kvstore.Record { return append([]kvstore.Record(nil), rs...) }

// TestPlantedBugsAreFound holds that the machine finds each of them.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs all of rapid's checks; not with -short")
	}
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// With latency time passes, so that reducing the failure
				// ends at -rapid.shrinktime.
				p.cfg.Kit = []kvstoretest.Option{kvstoretest.WithLatency(time.Millisecond)}
				text, failed := "", false
				// Some need a fault at the right time, and a bug may show
				// first in what else it breaks.
				for range 20 {
					text, failed = onFake(t, func(t testing.TB) { Check(t, p.cfg) })
					if failed && strings.Contains(text, p.want) {
						break
					}
				}
				if !failed || !strings.Contains(text, p.want) {
					t.Errorf("failed: %v, want a message with %q:\n%s", failed, p.want, text)
				}
			})
		})
	}
}

// TestMessageShowsTheLog looks at a whole message.
func TestMessageShowsTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := planted[5].cfg
		cfg.NoFaults = true
		cfg.Kit = []kvstoretest.Option{kvstoretest.WithLatency(time.Millisecond)}
		text, _ := onFake(t, func(t testing.TB) { Check(t, cfg) })
		for _, want := range []string{": put(", "the log, up to offset ", "-rapid.seed=", `draw action: "put"`} {
			if !strings.Contains(text, want) {
				t.Errorf("message:\n%s\nwant %q in it", text, want)
			}
		}
	})
}

func TestOtherConfigurations(t *testing.T) {
	t.Parallel()
	hooks := 0
	for name, cfg := range map[string]Config{
		"one client without faults": {Clients: 1, NoFaults: true},
		"three clients on a plain storage": {Clients: 3, Storage: func(testing.TB) kvstore.Storage {
			return struct{ kvstore.Storage }{memory.New()}
		}},
		"a cluster that is no kit": {Cluster: func(t testing.TB) Cluster { return struct{ Cluster }{kvstoretest.New(t)} }},
		"hooks":                    {Options: []kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { hooks++ })}, Clients: 1},
		"latency and own keys": {
			Kit:  []kvstoretest.Option{kvstoretest.WithLatency(time.Millisecond)},
			Keys: rapid.SliceOfN(rapid.ByteRange('a', 'b'), 1, 2), Values: rapid.Just([]byte("v")),
		},
	} {
		// TestStoreKeepsItsPromisesInSimulatedTime has the faults. Here values need not be unique, by
		// which alone the model recognises a write that a fault hit.
		cfg.NoFaults = true
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { Check(t, cfg) })
		})
	}
	if hooks == 0 {
		t.Error("Options did not reach the clients")
	}
}

func TestFaultsPrint(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]Fault{
		"lag client=c1 delay=5ms":         {Kind: Lag, Client: "c1", Delay: 5e6},
		"lose-answer count=2":             {Kind: LoseAnswers, N: 2},
		"fail-produce after=true count=1": {Kind: FailAfter, N: 1},
		"restart-all":                     {Kind: Restart, Client: "c1", N: 3},
		"stall client=c2":                 {Kind: PauseFetches, Client: "c2"},
	} {
		if got := f.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestKitInAPropertyOfYourOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tb := TB(rt)
		kit := kvstoretest.New(tb)
		want := rapid.MapOfN(rapid.StringN(1, 5, -1), rapid.String(), 1, 5).Draw(rt, "contents")
		kit.Seed(want)
		kit.WantContents(kit.Client(), want)
		if tb.TempDir() == "" || tb.Skipped() || tb.Output() == nil || tb.ArtifactDir() == "" {
			rt.Error("TB does not work")
		}
		tb.Attr("key", "value")
	})
}

func TestTBRefusesWhatRapidHasNot(t *testing.T) {
	t.Parallel()
	for want, call := range map[string]func(testing.TB){
		`Setenv("A") is not available in a property`: func(t testing.TB) { t.Setenv("A", "b") },
		`Chdir("/") is not available in a property`:  func(t testing.TB) { t.Chdir("/") },
	} {
		text, failed := onFake(t, func(t testing.TB) {
			rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) { call(TB(rt)) })
		})
		if !failed || !strings.Contains(text, want) {
			t.Errorf("failed: %v, want %q:\n%s", failed, want, text)
		}
	}
}
