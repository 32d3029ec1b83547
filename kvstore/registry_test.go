package kvstore_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kvsim/kvsim/kvstore"
)

const userSchema = `syntax = "proto3"; package acme; message User { string name = 1; }`

// foreign returns a value of schema id, for the first message of its file.
func foreign(id byte, message ...byte) []byte {
	return append([]byte{0, 0, 0, 0, id, 0}, message...)
}

func TestRegistryIsAskedOnceByConcurrentCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRegistry()
		user := compile(t, "acme.User", userSchema, nil)
		serde := registrySerde(t, f, user, userSchema)
		f.seed(9, userSchema+"\n// older")

		release := make(chan struct{})
		f.intercept(func(*http.Request) (*http.Response, error) { <-release; return nil, nil })
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { wantMessage(t, serde, foreign(9), newOf(user)()) })
		}
		synctest.Wait() // all of them wait for the registry
		close(release)
		wg.Wait()
		wantMessage(t, serde, foreign(9), newOf(user)())
		if n := f.lookups(9); n != 1 {
			t.Errorf("the registry was asked %d times for id 9, want 1", n)
		}
	})
}

func TestSerializeAsksTheRegistryNothing(t *testing.T) {
	f := newFakeRegistry()
	user := compile(t, "acme.User", userSchema, nil)
	serde := registrySerde(t, f, user, userSchema)
	before := f.total()
	f.intercept(answer(http.StatusInternalServerError, ""))
	b := mustSerialize(t, serde, named(user, "ann"))
	wantMessage(t, serde, b, named(user, "ann"))
	if n := f.total() - before; n != 0 {
		t.Errorf("writing and reading the own schema took %d requests, want 0", n)
	}
}

func TestBadIDIsRememberedForAWhile(t *testing.T) {
	for _, c := range []struct {
		name  string
		opts  []kvstore.SchemaRegistryOption
		calls []int // so far, after 3 tries in a row, just before the TTL, at the TTL
		ttl   time.Duration
	}{
		{"default", nil, []int{1, 1, 1, 1, 2}, kvstore.DefaultNegativeCacheTTL},
		{"an hour", []kvstore.SchemaRegistryOption{kvstore.WithNegativeCacheTTL(time.Hour)}, []int{1, 1, 1, 1, 2}, time.Hour},
		{"never", []kvstore.SchemaRegistryOption{kvstore.WithNegativeCacheTTL(0)}, []int{1, 2, 3, 4, 5}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRegistry()
				user := compile(t, "acme.User", userSchema, nil)
				serde := registrySerde(t, f, user, userSchema, c.opts...)
				try := func(want int) {
					t.Helper()
					_, err := serde.Deserialize(foreign(9))
					wantError(t, "Deserialize", err, kvstore.ErrSchemaMismatch, "schema id 9", "404", "not found")
					if n := f.lookups(9); n != want {
						t.Errorf("the registry was asked %d times, want %d", n, want)
					}
				}
				try(c.calls[0])
				try(c.calls[1])
				try(c.calls[2])
				time.Sleep(c.ttl - time.Nanosecond)
				try(c.calls[3])
				time.Sleep(time.Nanosecond)
				try(c.calls[4])

				f.seed(9, userSchema) // it was on its way after all
				time.Sleep(c.ttl)
				wantMessage(t, serde, foreign(9), newOf(user)())
			})
		})
	}
}

// A registry that failed is left alone for a while, and then asked again.
func TestUnavailableRegistryIsAskedAgainAfterAPause(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*http.Request) (*http.Response, error)
		says   string
	}{
		{"internal error", answer(500, `{"error_code":50001,"message":"backend store down"}`), "backend store down"},
		{"overloaded", answer(429, ""), "429"},
		{"not authorised", answer(401, `{"error_code":40101,"message":"who are you"}`), "who are you"},
		{"not a registry", answer(404, "<h1>not here</h1>"), "not here"},
		{"not JSON", answer(200, "<h1>welcome</h1>"), "unable to decode"},
		{"no network", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRegistry()
				user := compile(t, "acme.User", userSchema, nil)
				serde := registrySerde(t, f, user, userSchema)
				f.seed(9, userSchema+"\n")
				f.intercept(c.before)
				asked := 0
				for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second} {
					asked++
					for range 3 { // the first asks, the others hear its cause
						_, err := serde.Deserialize(foreign(9))
						wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, "schema id 9", c.says)
						if errors.Is(err, kvstore.ErrSchemaMismatch) {
							t.Errorf("Deserialize = %q, which also matches ErrSchemaMismatch", err)
						}
					}
					time.Sleep(pause - time.Nanosecond)
					_, err := serde.Deserialize(foreign(8))
					wantError(t, "Deserialize of another id", err, kvstore.ErrRegistryUnavailable, "schema id 8", c.says, "asked again in")
					if n := f.lookups(9); n != asked || f.lookups(8) != 0 {
						t.Errorf("the registry was asked %d times, want %d", n, asked)
					}
					time.Sleep(time.Nanosecond)
				}
				f.intercept(nil)
				wantMessage(t, serde, foreign(9), newOf(user)())
				f.intercept(c.before) // and the pause is short again
				for range 2 {
					_, err := serde.Deserialize(foreign(8))
					wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, c.says)
					time.Sleep(time.Second)
				}
				if n := f.lookups(8); n != 2 {
					t.Errorf("the registry was asked %d times, want 2", n)
				}
			})
		})
	}
}

// TestLookupEnds covers a registry that never answers: what ends the wait, and
// after how long.
func TestLookupEnds(t *testing.T) {
	deaf := make(chan struct{})
	for _, transport := range []struct {
		name   string
		before func(*http.Request) (*http.Response, error)
	}{
		{"hanging registry", hang},
		{"transport that ignores its context", func(*http.Request) (*http.Response, error) { <-deaf; return nil, errors.New("late") }},
	} {
		for _, c := range []struct {
			name    string
			timeout time.Duration
			base    time.Duration // when the registry context ends, 0 = never
			caller  time.Duration // when the caller's context ends, 0 = never
			want    time.Duration
		}{
			{"with the default timeout", 0, 0, 0, kvstore.DefaultRegistryTimeout},
			{"with the timeout", 3 * time.Second, 0, 0, 3 * time.Second},
			{"with the registry context", time.Minute, 2 * time.Second, 0, 2 * time.Second},
			{"with the caller's context", time.Minute, 0, time.Second, time.Second},
		} {
			t.Run(transport.name+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFakeRegistry()
					user := compile(t, "acme.User", userSchema, nil)
					var opts []kvstore.SchemaRegistryOption
					if c.timeout > 0 {
						opts = append(opts, kvstore.WithRegistryTimeout(c.timeout))
					}
					if c.base > 0 {
						opts = append(opts, kvstore.WithRegistryContext(timeoutContext(t, c.base)))
					}
					serde := registrySerde(t, f, user, userSchema, opts...)
					own := mustSerialize(t, serde, named(user, "ann"))
					deaf = make(chan struct{})
					defer close(deaf)
					f.intercept(transport.before)

					ctx := t.Context()
					if c.caller > 0 {
						ctx = timeoutContext(t, c.caller)
					}
					start := time.Now()
					_, err := serde.(kvstore.ContextDeserializer[*dynamicpb.Message]).DeserializeContext(ctx, foreign(9))
					wantError(t, "DeserializeContext", err, kvstore.ErrRegistryUnavailable, "schema id 9")
					wantError(t, "DeserializeContext", err, context.DeadlineExceeded)
					if took := time.Since(start); took != c.want {
						t.Errorf("DeserializeContext returned after %v, want %v", took, c.want)
					}
					wantMessage(t, serde, own, named(user, "ann")) // known ids need no registry
					time.Sleep(c.timeout)                          // the request itself outlives its caller
				})
			})
		}
	}
}

func TestOneCallersContextDoesNotEndAnothersLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRegistry()
		user := compile(t, "acme.User", userSchema, nil)
		serde := registrySerde(t, f, user, userSchema)
		f.seed(9, userSchema+"\n")
		release := make(chan struct{})
		f.intercept(func(req *http.Request) (*http.Response, error) {
			select {
			case <-release:
				return nil, nil
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		})

		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { // its call starts the request
			_, err := serde.(kvstore.ContextDeserializer[*dynamicpb.Message]).DeserializeContext(ctx, foreign(9))
			gone <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() { wantMessage(t, serde, foreign(9), newOf(user)()) })
		synctest.Wait()
		cancel()
		wantError(t, "DeserializeContext", <-gone, context.Canceled)
		close(release)
		wg.Wait()
		if n := f.lookups(9); n != 1 {
			t.Errorf("the registry was asked %d times, want 1", n)
		}
	})
}

func TestRegistrationEnds(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	deaf := make(chan struct{})
	for _, c := range []struct {
		name   string
		before func(*http.Request) (*http.Response, error)
		opt    kvstore.SchemaRegistryOption
		want   time.Duration
		cause  error
	}{
		{"with the timeout", hang, kvstore.WithRegistryTimeout(time.Second), time.Second, context.DeadlineExceeded},
		{"with the context", hang, kvstore.WithRegistryContext(canceled), 0, context.Canceled},
		{
			"though the transport ignores its context",
			func(*http.Request) (*http.Response, error) { <-deaf; return nil, errors.New("late") },
			kvstore.WithRegistryTimeout(time.Second), time.Second, context.DeadlineExceeded,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRegistry()
				deaf = make(chan struct{})
				defer close(deaf)
				f.intercept(c.before)
				start := time.Now()
				_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema, c.opt))
				wantError(t, "Proto", err, kvstore.ErrRegistryUnavailable, "acme.User", `subject "s"`)
				wantError(t, "Proto", err, c.cause)
				if took := time.Since(start); took != c.want {
					t.Errorf("Proto returned after %v, want %v", took, c.want)
				}
			})
		})
	}
}

func TestBadIDsUseBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRegistry()
		user := compile(t, "acme.User", userSchema, nil)
		serde := registrySerde(t, f, user, userSchema)
		const first, last = 1000, 1000 + 1024 // one more than is remembered
		bad := func(id int) []byte { return []byte{0, 0, 0, byte(id >> 8), byte(id), 0} }
		for id := first; id <= last; id++ {
			if _, err := serde.Deserialize(bad(id)); err == nil {
				t.Fatalf("Deserialize with id %d = nil, want an error", id)
			}
			time.Sleep(time.Microsecond)
		}
		for id, want := range map[int]int{first: 2, last: 1} { // the oldest was dropped
			_, err := serde.Deserialize(bad(id))
			wantError(t, "Deserialize", err, kvstore.ErrSchemaMismatch)
			if n := f.lookups(id); n != want {
				t.Errorf("the registry was asked %d times for id %d, want %d", n, id, want)
			}
		}
	})
}

// timeoutContext returns a context that ends after d.
func timeoutContext(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
