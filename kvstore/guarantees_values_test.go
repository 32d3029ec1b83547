package kvstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// storageKinds are the three kinds of storage: those that keep revisions, those
// that take batches, and those that can nothing else.
var storageKinds = map[string]func() kvstore.Storage{
	"memory": func() kvstore.Storage { return memory.New() },
	"batch":  func() kvstore.Storage { return batching{newPlain()} },
	"plain":  func() kvstore.Storage { return newPlain() },
}

// batching is a plain storage that takes batches too.
type batching struct{ *plainStorage }

func (b batching) ApplyBatch(_ context.Context, items []kvstore.KeyValue) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		if it.Value == nil {
			delete(b.data, string(it.Key))
		} else {
			b.data[string(it.Key)] = it.Value
		}
	}
	return nil
}

var _ kvstore.BatchStorage = batching{}

func (w *world) wantAbsent(c *kvstore.Client, key string) {
	w.t.Helper()
	if got, err := c.Get(w.t.Context(), []byte(key)); !errors.Is(err, kvstore.ErrNotFound) || got != nil {
		w.t.Errorf("Get(%q) = %q, %v; want ErrNotFound", key, got, err)
	}
}

func TestNilOrEmptyKeyIsInvalidAndNothingIsWritten(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		for what, key := range map[string][]byte{"nil": nil, "empty": {}} {
			for op, err := range map[string]error{
				"Put":                      c.Put(t.Context(), key, []byte("v")),
				"Delete":                   c.Delete(t.Context(), key),
				"Execute of a put":         c.Batch().Put([]byte("good"), nil).Put(key, nil).Execute(t.Context()),
				"Execute of a delete":      c.Batch().Delete(key).Put([]byte("good"), nil).Execute(t.Context()),
				"Execute after a good one": c.Batch().Put([]byte("good"), nil).Delete(key).Execute(t.Context()),
			} {
				wantOutcome(t, op, err, kvstore.ErrRefused)
				if !errors.Is(err, kvstore.ErrInvalidKey) {
					t.Errorf("%s with a %s key = %v, want ErrInvalidKey", op, what, err)
				}
			}
			if _, err := c.Get(t.Context(), key); !errors.Is(err, kvstore.ErrInvalidKey) {
				t.Errorf("Get with a %s key = %v, want ErrInvalidKey", what, err)
			}
		}
		if end := w.End(); end != 0 {
			t.Errorf("the log ends at %d, want nothing in it", end)
		}
	})
}

func TestForeignRecordWithoutKeyIsSkippedCountedAndLogged(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				keyless := func() {
					w.Append(
						kvstoretest.Record{Key: []byte("a"), Value: []byte("1")},
						kvstoretest.Record{Value: []byte("no key")},
						kvstoretest.Record{Key: []byte{}, Value: []byte("empty key")},
						kvstoretest.Record{},
						kvstoretest.Record{Key: []byte("b"), Value: []byte("2")})
				}
				keyless() // before the client opens
				var hooks hookBook
				c := w.openOn("c", storage(), hooks.options()...)
				keyless() // while it runs
				if err := c.Sync(w.within(time.Minute)); err != nil {
					t.Fatal(err)
				}
				if got, want := w.contents(c), "a=1 b=2 "; got != want {
					t.Errorf("contents = %q, want %q", got, want)
				}
				if got := c.Status().SkippedRecords; got != 6 {
					t.Errorf("SkippedRecords = %d, want 6", got)
				}
				if got, want := strings.Join(hooks.all(), ","), "set a=1,set b=2,set a=1,set b=2"; got != want {
					t.Errorf("hooks were told %q, want %q", got, want)
				}
				said := 0
				for _, m := range w.logs.all() {
					if strings.Contains(m, "without a key") {
						said++
					}
				}
				if said == 0 {
					t.Errorf("no word about the skipped records in the log: %q", w.logs.all())
				}
				w.put(c, "a", "3") // nobody is wedged
				w.want(c, "a", "3")
				if got := c.Position(); got != 11 {
					t.Errorf("Position() = %d, want 11", got)
				}
			})
		})
	}
}

// TestKeylessRecordAtTheEndWedgesNobody: the last record of the log is one that
// the client has nothing to do with.
func TestKeylessRecordAtTheEndWedgesNobody(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		keyless := func() {
			w.Append(kvstoretest.Record{Value: []byte("no key")})
		}
		keyless()
		c := w.open("c")
		keyless()
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Error(err)
		}
		if err := c.WaitRevision(w.within(time.Minute), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestNilValueIsStoredAsEmptyAndOnlyDeleteDeletes(t *testing.T) {
	for name, storage := range storageKinds {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				var hooks hookBook
				c := w.openOn("c", storage(), hooks.options()...)
				for key, put := range map[string]func(key []byte) error{
					"put nil":     func(k []byte) error { return c.Put(t.Context(), k, nil) },
					"put empty":   func(k []byte) error { return c.Put(t.Context(), k, []byte{}) },
					"batch nil":   func(k []byte) error { return c.Batch().Put(k, nil).Put([]byte("x"), nil).Execute(t.Context()) },
					"batch empty": func(k []byte) error { return c.Batch().Put(k, []byte{}).Put([]byte("x"), nil).Execute(t.Context()) },
				} {
					w.wantAbsent(c, key)
					w.put(c, key, "something")
					if err := put([]byte(key)); err != nil {
						t.Fatal(err)
					}
					got, err := c.Get(t.Context(), []byte(key))
					if err != nil || got == nil || len(got) != 0 {
						t.Errorf("Get(%q) = %#v, %v; want an empty value that is not nil", key, got, err)
					}
					seen := false
					for kv, err := range c.Range(t.Context(), kvstore.Prefix(key), kvstore.QueryOptions{}) {
						if seen = true; err != nil || kv.Value == nil || len(kv.Value) != 0 {
							t.Errorf("Range(%q) = %#v, %v; want an empty value that is not nil", key, kv.Value, err)
						}
					}
					if !seen {
						t.Errorf("Range(%q) shows nothing", key)
					}
				}
				for _, r := range w.Log() {
					if r.Value == nil {
						t.Errorf("the log has a tombstone for %q; nothing was deleted", r.Key)
					}
				}
				for _, e := range hooks.all() {
					if strings.HasPrefix(e, "delete") {
						t.Errorf("a delete hook was told %q; nothing was deleted", e)
					}
				}
				if err := c.Delete(t.Context(), []byte("put nil")); err != nil {
					t.Fatal(err)
				}
				w.wantAbsent(c, "put nil")
				w.want(c, "put empty", "")
				log := w.Log()
				if r := log[len(log)-1]; r.Kind != kvstoretest.KindTombstone || r.Value != nil {
					t.Errorf("Delete wrote the value %q, want a tombstone", r.Value)
				}
				// Another client sees the same.
				if a, b := w.contents(c), w.contents(w.open("other")); a != b {
					t.Errorf("this client shows %q, another one %q", a, b)
				}
			})
		})
	}
}
