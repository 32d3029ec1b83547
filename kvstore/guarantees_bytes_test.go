package kvstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// spoil overwrites what a caller gave or got.
func spoil(slices ...[]byte) {
	for _, s := range slices {
		for i := range s[:cap(s)] {
			s[:cap(s)][i] = 'X'
		}
	}
}

// TestBytesGivenAreCopiedWhenTheCallReturns: the caller reuses its buffers while the broker
// has not seen the write yet.
func TestBytesGivenAreCopiedWhenTheCallReturns(t *testing.T) {
	for op, write := range map[string]func(ctx context.Context, c *kvstore.Client) error{
		"Put": func(ctx context.Context, c *kvstore.Client) error {
			key, value := []byte("key"), []byte("value")
			defer spoil(key, value)
			return c.Put(ctx, key, value)
		},
		"Delete": func(ctx context.Context, c *kvstore.Client) error {
			key := []byte("key")
			defer spoil(key)
			return c.Delete(ctx, key)
		},
		"Execute": func(ctx context.Context, c *kvstore.Client) error {
			key, value, gone := []byte("key"), []byte("value"), []byte("gone")
			b := c.Batch().Put(key, value).Delete(gone)
			spoil(key, value, gone)
			return b.Execute(ctx)
		},
	} {
		t.Run(op, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				lost := w.LoseRequests(0, "c")
				err := write(w.within(time.Second), c)
				var we *kvstore.WriteError
				if !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.As(err, &we) {
					t.Fatalf("%s = %v, want it unknown", op, err)
				}
				spoil(we.Key) // the key in the error is the caller's as well
				lost.Undo()
				w.put(c, "last", "1")
				want := map[string]string{
					"Put":     `"key"="value" "last"="1" `,
					"Delete":  `"key"="" "last"="1" `,
					"Execute": `"key"="value" "gone"="" "last"="1" `,
				}[op]
				var got strings.Builder
				for _, r := range w.Log() {
					fmt.Fprintf(&got, "%q=%q ", r.Key, r.Value)
				}
				if got.String() != want {
					t.Errorf("the log has %s, want %s", got.String(), want)
				}
			})
		})
	}
}

// TestBytesGivenAfterSuccessAreTheCallersAgain: in the storage too.
func TestBytesGivenAfterSuccessAreTheCallersAgain(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.openOn("c", storage())
				key, value := []byte("a"), []byte("1")
				if err := c.Put(t.Context(), key, value); err != nil {
					t.Fatal(err)
				}
				spoil(key, value)
				key, value = []byte("b"), []byte("2")
				if err := c.Batch().Put(key, value).Put([]byte("c"), nil).Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				spoil(key, value)
				key = []byte("a")
				if _, err := c.Get(t.Context(), key); err != nil {
					t.Fatal(err)
				}
				spoil(key)
				if got, want := w.contents(c), "a=1 b=2 c= "; got != want {
					t.Errorf("contents = %q, want %q", got, want)
				}
			})
		})
	}
}

// TestRangeBoundsAreCopiedWhenTheCallReturns: the sequence is iterated later,
// and twice.
func TestRangeBoundsAreCopiedWhenTheCallReturns(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for _, key := range []string{"a", "b", "c", "d"} {
			w.put(c, key, "1")
		}
		start, end := []byte("b"), []byte("d")
		pairs := c.Range(t.Context(), kvstore.KeyConstraint{Start: start, End: end}, kvstore.QueryOptions{})
		entries := c.RangeEntries(t.Context(), kvstore.KeyConstraint{Start: start, End: end}, kvstore.QueryOptions{})
		typed := kvstore.NewResourceClient(c, kvstore.JSON[int]())
		numbers := typed.Range(t.Context(), kvstore.KeyConstraint{Start: start, End: end}, kvstore.QueryOptions{})
		typedEntries := typed.RangeEntries(t.Context(), kvstore.KeyConstraint{Start: start, End: end}, kvstore.QueryOptions{})
		spoil(start, end)
		for range 2 {
			var got strings.Builder
			for kv, err := range pairs {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(string(kv.Key))
			}
			for e, err := range entries {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(string(e.Key))
			}
			for kv, err := range numbers {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(string(kv.Key))
			}
			for e, err := range typedEntries {
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(string(e.Key))
			}
			if got.String() != "bcbcbcbc" {
				t.Errorf("four ranges from b to d show %q, want b c each", got.String())
			}
		}
	})
}

// TestBytesHandedOutMayBeChanged: whatever the caller does with them, the
// storage stays as it is; also an append into spare capacity.
func TestBytesHandedOutMayBeChanged(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var hooks hookBook
				spoiler := kvstore.WithOnSetHook(func(k, v []byte) { spoil(k, v) })
				goner := kvstore.WithOnDeleteHook(func(k []byte) { spoil(k) })
				opts := append([]kvstore.ClientOption{spoiler, goner}, hooks.options()...)
				c := w.openOn("c", storage(), opts...)
				w.put(c, "a", "1")
				w.put(c, "b", "2")
				if err := c.Batch().Put([]byte("c"), []byte("3")).Put([]byte("d"), []byte("4")).Delete([]byte("b")).Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				check := func(what string) {
					t.Helper()
					if got, want := w.contents(c), "a=1 c=3 d=4 "; got != want {
						t.Errorf("after %s: contents = %q, want %q", what, got, want)
					}
				}
				check("hooks")
				v, err := c.Get(t.Context(), []byte("a"))
				if err != nil {
					t.Fatal(err)
				}
				spoil(v)
				check("Get")
				e, err := c.GetEntry(t.Context(), []byte("c"))
				if err != nil {
					t.Fatal(err)
				}
				spoil(e.Key, e.Value)
				check("GetEntry")
				for kv, err := range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					if err != nil {
						t.Fatal(err)
					}
					spoil(kv.Key, kv.Value)
				}
				check("Range")
				for e, err := range c.RangeEntries(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					if err != nil {
						t.Fatal(err)
					}
					spoil(e.Key, e.Value)
				}
				check("RangeEntries")
				// Later hooks got slices of their own.
				want := []string{"set a=1", "set b=2", "set c=3", "set d=4", "delete b"}
				if got := hooks.all(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the second hook was told %q, want %q", got, want)
				}
				if got := w.contents(w.open("other")); got != "a=1 c=3 d=4 " {
					t.Errorf("another client shows %q", got)
				}
			})
		})
	}
}

// TestBytesHandedOutMayBeKept: later writes do not change them.
func TestBytesHandedOutMayBeKept(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var hooked [][]byte
				c := w.openOn("c", storage(), kvstore.WithOnSetHook(func(_, v []byte) { hooked = append(hooked, v) }))
				var kept [][]byte
				for i := range 20 {
					w.put(c, "k", fmt.Sprintf("%03d", i))
					v, err := c.Get(t.Context(), []byte("k"))
					if err != nil {
						t.Fatal(err)
					}
					kept = append(kept, v)
				}
				for i := range kept {
					want := fmt.Appendf(nil, "%03d", i)
					if !bytes.Equal(kept[i], want) || !bytes.Equal(hooked[i], want) {
						t.Errorf("the value kept from Get is %q, that from the hook %q; want %q", kept[i], hooked[i], want)
					}
				}
			})
		})
	}
}
