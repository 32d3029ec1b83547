package kvstore_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// blocking is a set hook that does not return for the key "block" until it is let through.
func blocking() (hook kvstore.ClientOption, pass func()) {
	let := make(chan struct{})
	return kvstore.WithOnSetHook(func(key, _ []byte) {
		if string(key) == "block" {
			<-let
		}
	}), func() { close(let) }
}

const busyHook = "callbacks block the reading of the log for "

// A hook does not return. Nothing newer is read, so Status, the log and the errors of all who wait
// say so, whatever else happens meanwhile.
func TestHookThatDoesNotReturnIsNamed(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		hook, pass := blocking()
		c := w.open("c", hook)
		w.put(c, "a", "1")
		w.Append(kvstoretest.Set("block", "1"), kvstoretest.Set("b", "1"), kvstoretest.Set("d", "1"))
		time.Sleep(500 * time.Millisecond)
		if p := c.Status().Reading; p != (kvstore.Problem{}) {
			t.Errorf("Status().Reading = %+v after half a second, want nothing yet", p)
		}
		for range 10 {
			w.Append(kvstoretest.Set("e", "1"))
			time.Sleep(time.Second)
		}
		want := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, kvstore.ErrCallbackBusy) || !strings.Contains(err.Error(), busyHook) || !strings.Contains(err.Error(), ": a hook, for the record at offset 1, is running") {
				t.Errorf("%s = %v, want it to name the hook", what, err)
			}
		}
		w.StopBroker(0)
		time.Sleep(20 * time.Second)
		s := c.Status()
		want("Status().Reading", s.Reading.Err)
		if since := time.Since(s.Reading.Since).Round(time.Second); since != 31*time.Second && since != 30*time.Second || s.Reading.Count != 1 {
			t.Errorf("Status().Reading = %+v, want it since the hook was called, %v ago", s.Reading, since)
		}
		if n := w.logged("reading waits for code of the program", busyHook); n < 25 || n > 31 {
			t.Errorf("it was logged %d times in 30 s, want about once a second", n)
		}
		for op, call := range waits {
			err := call(w.within(5*time.Second), c)
			if we, ok := errors.AsType[*kvstore.WaitError](err); ok && we.Cause == nil {
				t.Errorf("%s = %v, want a cause", op, err)
			}
			if errors.Is(err, kvstore.ErrNotWritten) || errors.Is(err, kvstore.ErrOutcomeUnknown) {
				continue // of the broker that is down
			}
			want(op, err)
		}
		w.StartBroker(0)
		time.Sleep(10 * time.Second)
		want("Put", c.Put(w.within(5*time.Second), []byte("q"), nil))
		want("Sync", c.Sync(w.within(5*time.Second)))
		want("WaitRevision", c.WaitRevision(w.within(5*time.Second), 3))
		pass()
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Error(err)
		}
		if s := c.Status(); s.Reading != (kvstore.Problem{}) || s.State != kvstore.StateLive {
			t.Errorf("Status() afterwards = %+v, want nothing in Reading", s)
		}
	})
}

// Hooks that are called while the log is reread, and the cause of the rereading.
func TestHookThatDoesNotReturnInARebuildIsNamed(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		let := make(chan struct{})
		c := w.open("c", kvstore.WithOnDeleteHook(func([]byte) { <-let }))
		w.put(c, "a", "1")
		w.put(c, "b", "1")
		w.loseTail(1)
		w.Append(kvstoretest.Set("d", "1"))
		time.Sleep(10 * time.Second)
		_, err := c.Get(w.within(time.Second), []byte("a"))
		s := c.Status()
		if !errors.Is(s.Err, kvstore.ErrDataLoss) || !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("Status().Err = %v, Get = %v, want the loss", s.Err, err)
		}
		for what, err := range map[string]error{"Get": err, "Status().Reading": s.Reading.Err} {
			if !errors.Is(err, kvstore.ErrCallbackBusy) || !strings.Contains(err.Error(), "a hook, for a key that vanished, is running") {
				t.Errorf("%s = %v, want the hook", what, err)
			}
		}
		close(let)
		w.eventually("the client is live", func() bool { return c.Status().State == kvstore.StateLive })
		w.eventually("nothing is in its way", func() bool { return c.Status().Reading == kvstore.Problem{} })
	})
}

// An opening waits for each callback.
func TestCallbackThatDoesNotReturnEndsAnOpeningWithItsName(t *testing.T) {
	for what, tc := range map[string]struct {
		opts func(let chan struct{}) []kvstore.ClientOption
		says string
	}{
		"hook": {func(let chan struct{}) []kvstore.ClientOption {
			return []kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { <-let })}
		}, "a hook, for the record at offset 0, is running"},
		"handler": {func(let chan struct{}) []kvstore.ClientOption {
			return []kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { panic("no") }), kvstore.WithHookErrorHandler(func(error) { <-let })}
		}, "the handler of hook errors, for the record at offset 0, is running"},
		"progress": {func(let chan struct{}) []kvstore.ClientOption {
			return []kvstore.ClientOption{kvstore.WithProgress(func(kvstore.Progress) { <-let })}
		}, "the progress callback is running"},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				w.Append(kvstoretest.Set("a", "1"))
				let := make(chan struct{})
				defer func() {
					close(let)
					synctest.Wait() // the client is closed then
				}()
				_, err := kvstore.NewClient(w.within(30*time.Second), topic, memory.New(), w.options("c", tc.opts(let)...)...)
				we, ok := errors.AsType[*kvstore.WaitError](err)
				if !ok || !errors.Is(we.Cause, kvstore.ErrCallbackBusy) || !strings.Contains(err.Error(), tc.says) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("NewClient = %v, want a WaitError that says %q", err, tc.says)
				}
			})
		})
	}
}

// End and Lag are those of what was read last, also while it is being stored and hooks are told.
func TestLagIsTrueWhileHooksAndStorageAreSlow(t *testing.T) {
	for what, slow := range map[string]bool{"a hook": false, "the storage": true} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				s := sluggish{newPlain(), make(chan struct{})}
				hook, pass := blocking()
				if slow {
					pass()
					pass = func() { close(s.pass) }
				} else {
					close(s.pass)
				}
				c := w.openOn("c", s, hook)
				w.Append(kvstoretest.Set("block", "1"), kvstoretest.Set("a", "1"), kvstoretest.Set("b", "1"))
				time.Sleep(10 * time.Second)
				if s := c.Status(); s.End != 3 || s.Lag != s.End-s.Position {
					t.Errorf("Status() = %+v, want the end at 3 and the lag up to there", s)
				}
				pass()
				w.CaughtUp(c)
				if s := c.Status(); s.End != 3 || s.Position != 3 || s.Lag != 0 {
					t.Errorf("Status() = %+v afterwards", s)
				}
			})
		})
	}
}

// runtime.Goexit can't be recovered from. The error says who called it.
func TestGoexitIsChargedToWhoCalledIt(t *testing.T) {
	exit := func() { runtime.Goexit() }
	for what, tc := range map[string]struct {
		opts []kvstore.ClientOption
		says string
	}{
		"hook": {[]kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { exit() })}, "a hook called runtime.Goexit"},
		"handler": {
			[]kvstore.ClientOption{kvstore.WithOnSetHook(func(_, _ []byte) { panic("no") }), kvstore.WithHookErrorHandler(func(error) { exit() })},
			"the handler of hook errors called runtime.Goexit",
		},
		"progress": {[]kvstore.ClientOption{kvstore.WithProgress(func(kvstore.Progress) { exit() })}, "the progress callback called runtime.Goexit"},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				w.Append(kvstoretest.Set("a", "1"))
				_, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", tc.opts...)...)
				if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), ": "+tc.says) {
					t.Errorf("NewClient = %v, want %q", err, tc.says)
				}
			})
		})
	}
	t.Run("storage", func(t *testing.T) {
		inWorld(t, withTopic(1), func(t *testing.T, w *world) {
			w.Append(kvstoretest.Set("a", "1"))
			_, err := kvstore.NewClient(w.within(time.Minute), topic, leaving{newPlain()}, w.options("c")...)
			if err == nil || !strings.Contains(err.Error(), ": the storage called runtime.Goexit") {
				t.Errorf("NewClient = %v, want the storage", err)
			}
		})
	})
}

// leaving is a storage that ends the goroutine which stores something.
type leaving struct{ kvstore.Storage }

func (leaving) Set(context.Context, []byte, []byte) error { runtime.Goexit(); return nil }
