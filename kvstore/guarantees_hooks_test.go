package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// logEvents is what hooks have to be told: one event for each record, in the
// order of the log.
func (w *world) logEvents() []string {
	w.t.Helper()
	var events []string
	for _, r := range w.Log() {
		if r.Value == nil {
			events = append(events, fmt.Sprintf("delete %s", r.Key))
		} else {
			events = append(events, fmt.Sprintf("set %s=%s", r.Key, r.Value))
		}
	}
	return events
}

// TestHooksFireOnceForEachRecordInLogOrder: at bootstrap and live, with fetches
// of one record batch, of many, and of many records in one; whatever the
// storage does with batches.
func TestHooksFireOnceForEachRecordInLogOrder(t *testing.T) {
	for name, storage := range storageKinds {
		for _, fetch := range []int32{100, 8 << 20} {
			t.Run(fmt.Sprintf("%s/fetches of %d bytes", name, fetch), func(t *testing.T) {
				inWorld(t, slow(3), func(t *testing.T, w *world) {
					some := func(round string) {
						for i := range 30 {
							var records []kvstoretest.Record
							for j := range i%5 + 1 {
								r := kvstoretest.Record{Key: fmt.Append(nil, "k", j%2), Value: fmt.Append(nil, round, i)}
								if (i+j)%4 == 0 {
									r.Value = nil
								}
								records = append(records, r)
							}
							w.Append(records...)
						}
					}
					some("boot")
					var hooks hookBook
					opts := append(hooks.options(), kvstore.WithKafkaOptions(kgo.FetchMaxPartitionBytes(fetch)))
					c := w.openOn("c", storage(), opts...)
					if got, want := hooks.all(), w.logEvents(); !slices.Equal(got, want) {
						t.Fatalf("at bootstrap the hooks were told %q, the log has %q", got, want)
					}
					some("live")
					w.put(c, "mine", "1")
					w.put(c, "mine", "1") // the same again is another record
					if err := c.Delete(t.Context(), []byte("not there")); err != nil {
						t.Fatal(err)
					}
					w.DropConnections("c")
					w.MoveLeader(1)
					some("moved")
					if err := c.Batch().Put([]byte("a"), nil).Delete([]byte("a")).Put([]byte("a"), nil).Execute(t.Context()); err != nil {
						t.Fatal(err)
					}
					if got, want := hooks.all(), w.logEvents(); !slices.Equal(got, want) {
						t.Errorf("the hooks were told %q, the log has %q", got, want)
					}
				})
			})
		}
	}
}

// TestAllHooksAreCalledInTheOrderGiven, for each record.
func TestAllHooksAreCalledInTheOrderGiven(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		var told []string
		hook := func(n int) kvstore.ClientOption {
			return kvstore.WithOnSetHook(func(k, _ []byte) { told = append(told, fmt.Sprintf("%s%d", k, n)) })
		}
		c := w.open("c", hook(1), hook(2), hook(3))
		if err := c.Batch().Put([]byte("a"), nil).Put([]byte("b"), nil).Execute(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(told, " "), "a1 a2 a3 b1 b2 b3"; got != want {
			t.Errorf("hooks were called as %q, want %q", got, want)
		}
	})
}

// TestHooksHaveReturnedWhenTheWriteReturns: also that of the last record of a
// batch, and of the record that Sync and WaitRevision wait for.
func TestHooksHaveReturnedWhenTheWriteReturns(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var mu sync.Mutex
				var returned []string
				hook := func(k []byte) {
					time.Sleep(50 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					returned = append(returned, string(k))
				}
				opts := []kvstore.ClientOption{kvstore.WithOnSetHook(func(k, _ []byte) { hook(k) }), kvstore.WithOnDeleteHook(hook)}
				c := w.openOn("c", storage(), opts...)
				check := func(op string, err error, want string) {
					t.Helper()
					if err != nil {
						t.Errorf("%s = %v", op, err)
					}
					mu.Lock()
					defer mu.Unlock()
					if got := strings.Join(returned, " "); got != want {
						t.Errorf("when %s returned, the hooks for %q had; want %q", op, got, want)
					}
					returned = nil
				}
				check("Put", c.Put(t.Context(), []byte("a"), nil), "a")
				check("Delete", c.Delete(t.Context(), []byte("a")), "a")
				check("Execute", c.Batch().Put([]byte("b"), nil).Delete([]byte("c")).Put([]byte("d"), nil).Execute(t.Context()), "b c d")
				w.Append(kvstoretest.Set("e", "1"))
				check("Sync", c.Sync(t.Context()), "e")
				w.Append(kvstoretest.Set("f", "1"))
				check("WaitRevision", c.WaitRevision(t.Context(), 6), "f")
				w.openOn("late", storage(), opts...)
				check("NewClient", nil, "a a b c d e f")
			})
		})
	}
}

// TestWriteFromAHookFailsAtOnce: at bootstrap the client is not there yet, so
// only live.
func TestWriteFromAHookFailsAtOnce(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		var c *kvstore.Client
		called := 0
		hook := func() {
			called++
			start := time.Now()
			for op, write := range writes {
				err := write(context.Background(), c)
				wantOutcome(t, op, err, kvstore.ErrNotWritten)
				if !errors.Is(err, kvstore.ErrHookReentry) {
					t.Errorf("%s in a hook = %v, want ErrHookReentry", op, err)
				}
			}
			for op, err := range map[string]error{
				"Sync":         c.Sync(context.Background()),
				"WaitRevision": c.WaitRevision(context.Background(), 100),
				"Shutdown":     c.Shutdown(context.Background()),
			} {
				if !errors.Is(err, kvstore.ErrHookReentry) {
					t.Errorf("%s in a hook = %v, want ErrHookReentry", op, err)
				}
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("the errors took %v", d)
			}
		}
		c = w.open("c", kvstore.WithOnSetHook(func(_, _ []byte) { hook() }), kvstore.WithOnDeleteHook(func([]byte) { hook() }))
		err := w.promptly(time.Second, func(ctx context.Context) error { return c.Put(ctx, []byte("k"), nil) })
		if err == nil {
			err = w.promptly(time.Second, func(ctx context.Context) error { return c.Delete(ctx, []byte("k")) })
		}
		if err != nil {
			t.Errorf("the write that caused the hook = %v", err)
		}
		if end := w.End(); called != 2 || end != 2 {
			t.Errorf("%d hooks were called, the log ends at %d; want 2 and 2", called, end)
		}
		w.put(c, "k", "v") // the client goes on
	})
}

// TestReadsFromAHookSeeItsRecord: reads are the one thing that a hook may do
// with its client, and they show the record that it was called for.
func TestReadsFromAHookSeeItsRecord(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var c *kvstore.Client
				called := 0
				onSet := func(k, v []byte) {
					called++
					w.want(c, string(k), string(v))
					if got, want := w.contents(c), fmt.Sprintf("%s=%s ", k, v); got != want {
						t.Errorf("Range in the hook shows %q, want %q", got, want)
					}
					e, err := c.GetEntry(t.Context(), k)
					if err == nil {
						err = c.WaitRevision(t.Context(), e.Revision)
					}
					if err != nil {
						t.Errorf("WaitRevision(%d) in the hook for it = %v, want nil: reads show it", e.Revision, err)
					}
					if err := c.WaitRevision(t.Context(), e.Revision+1); !errors.Is(err, kvstore.ErrHookReentry) {
						t.Errorf("WaitRevision in a hook for what is to come = %v, want ErrHookReentry", err)
					}
				}
				onDelete := func(k []byte) {
					called++
					w.wantAbsent(c, string(k))
				}
				c = w.openOn("c", storage(), kvstore.WithOnSetHook(onSet), kvstore.WithOnDeleteHook(onDelete))
				w.put(c, "a", "1")
				w.put(c, "a", "2")
				if err := c.Delete(t.Context(), []byte("a")); err != nil {
					t.Fatal(err)
				}
				if called != 3 {
					t.Errorf("%d hooks were called, want 3", called)
				}
			})
		})
	}
}

// TestHookMayWriteThroughAnotherClient, and a goroutine that it starts through
// its own: neither waits for the hook.
func TestHookMayWriteThroughAnotherClient(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		other := w.open("other")
		var own *kvstore.Client
		var started sync.WaitGroup
		own = w.open("c", kvstore.WithOnSetHook(func(k, _ []byte) {
			if string(k) != "cause" {
				return
			}
			started.Go(func() {
				if err := own.Put(w.within(time.Minute), []byte("by a goroutine"), []byte("1")); err != nil {
					t.Errorf("Put by a goroutine that the hook started = %v", err)
				}
			})
			w.put(other, "through another", "1") // meanwhile the goroutine writes
		}))
		w.put(own, "cause", "1")
		started.Wait()
		if err := own.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got, want := w.contents(own), "by a goroutine=1 cause=1 through another=1 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
	})
}

func TestHookThatPanicsIsReportedAndItsRecordIsVisible(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var reported []*kvstore.HookError
				var after hookBook
				opts := append([]kvstore.ClientOption{
					kvstore.WithOnSetHook(func(k, v []byte) {
						if string(v) == "bad" {
							panic(fmt.Sprintf("no such colour: %s", k))
						}
					}),
					kvstore.WithOnDeleteHook(func([]byte) { panic("never delete") }),
					kvstore.WithHookErrorHandler(func(err error) {
						var he *kvstore.HookError
						if !errors.As(err, &he) {
							t.Errorf("the handler got %v, want a HookError", err)
						}
						reported = append(reported, he)
					}),
				}, after.options()...)
				w.Append(kvstoretest.Set("boot", "bad"))
				c := w.openOn("c", storage(), opts...)
				w.want(c, "boot", "bad")
				time.Sleep(2 * time.Second) // or the log would only count it
				err := c.Batch().Put([]byte("a"), []byte("bad")).Put([]byte("b"), []byte("good")).Execute(t.Context())
				if err != nil {
					t.Errorf("Execute whose hook panicked = %v", err)
				}
				w.want(c, "a", "bad")
				w.want(c, "b", "good")
				time.Sleep(2 * time.Second)
				if err := c.Delete(t.Context(), []byte("a")); err != nil {
					t.Errorf("Delete whose hook panicked = %v", err)
				}
				w.wantAbsent(c, "a")
				w.put(c, "later", "good")
				if got, want := after.all(), w.logEvents(); !slices.Equal(got, want) {
					t.Errorf("the hooks behind were told %q, want %q", got, want)
				}
				want := []string{
					`hook panicked on key "boot" at revision 0: no such colour: boot`,
					`hook panicked on key "a" at revision 1: no such colour: a`,
					`hook panicked on key "a" at revision 3: never delete`,
				}
				if got := c.Status().HookPanics; got != int64(len(want)) || len(reported) != len(want) {
					t.Fatalf("HookPanics = %d, and the handler was called %d times; want %d", got, len(reported), len(want))
				}
				var inLog []string
				for _, m := range w.logs.all() {
					if strings.Contains(m, "a hook panicked") {
						inLog = append(inLog, m)
					}
				}
				if len(inLog) != len(want) {
					t.Fatalf("the log has %q, want %d panics", inLog, len(want))
				}
				for i, he := range reported {
					if he.Error() != want[i] || !strings.Contains(inLog[i], want[i]) {
						t.Errorf("report %d = %q, log = %q; want %q", i, he, inLog[i], want[i])
					}
					if !strings.Contains(string(he.Stack), "guarantees_hooks_test.go") {
						t.Errorf("the stack does not show the hook:\n%s", he.Stack)
					}
				}
			})
		})
	}
}

// TestHookErrorHandlerThatPanicsTakesNothingDown: it is user code like a hook.
func TestHookErrorHandlerThatPanicsTakesNothingDown(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c",
			kvstore.WithOnSetHook(func(_, _ []byte) { panic("hook") }),
			kvstore.WithHookErrorHandler(func(error) { panic("handler") }))
		w.put(c, "a", "1")
		w.put(c, "b", "1")
		w.want(c, "b", "1")
		if got := c.Status().HookPanics; got != 2 {
			t.Errorf("HookPanics = %d, want 2", got)
		}
	})
}

// TestHookThatEndsItsGoroutineEndsTheClientWithAnError: runtime.Goexit, as
// t.FailNow calls it, can't be recovered from; silence would be the worst.
func TestHookThatEndsItsGoroutineEndsTheClientWithAnError(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		exit := kvstore.WithOnSetHook(func(_, _ []byte) { runtime.Goexit() })
		c := w.open("c", exit)
		err := w.promptly(time.Minute, func(ctx context.Context) error { return c.Put(ctx, []byte("k"), nil) })
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("Put = %v, want it to say at once what the hook did", err)
		}
		if s := c.Status(); s.State != kvstore.StateFailed || s.Err == nil {
			t.Errorf("Status = %v, %v; want failed", s.State, s.Err)
		}
		if _, err := c.Get(t.Context(), []byte("k")); err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("Get = %v, want it to fail", err)
		}
		err = w.promptly(time.Minute, func(ctx context.Context) error {
			_, err := kvstore.NewClient(ctx, topic, memory.New(), w.options("d", exit)...)
			return err
		})
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("NewClient = %v, want it to say at once what the hook did", err)
		}
	})
}
