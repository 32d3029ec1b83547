package kvstore_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// mapStorage is a storage that is a map, table one that is a struct with more in
// it than a pointer; both are given by value. empty has nothing in it.
type (
	mapStorage map[string][]byte
	table      struct {
		*plainStorage
		name string
		tags []string // can't be compared
	}
	wrapper struct{ kvstore.Storage }
	empty   struct{}
	pointed struct{ *memory.Storage }
	bare    struct { // the methods that the client calls are those of empty
		pointed
		empty
	}
)

func (m mapStorage) Get(_ context.Context, key []byte) ([]byte, error) {
	if v, ok := m[string(key)]; ok {
		return v, nil
	}
	return nil, kvstore.ErrNotFound
}
func (m mapStorage) Set(_ context.Context, key, v []byte) error { m[string(key)] = v; return nil }
func (m mapStorage) Delete(_ context.Context, key []byte) error { delete(m, string(key)); return nil }

func (m mapStorage) Range(context.Context, kvstore.KeyConstraint, kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(func(kvstore.KeyValue, error) bool) {}
}

func (empty) Get(context.Context, []byte) ([]byte, error) { return nil, kvstore.ErrNotFound }
func (empty) Set(context.Context, []byte, []byte) error   { return nil }
func (empty) Delete(context.Context, []byte) error        { return nil }
func (empty) Range(context.Context, kvstore.KeyConstraint, kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(func(kvstore.KeyValue, error) bool) {}
}

func TestStorageOfAnotherClientIsRefused(t *testing.T) {
	mem, plain, m := memory.New(), newPlain(), mapStorage{}
	value := struct{ plainStorage }{plainStorage{data: map[string][]byte{}}}
	for name, tc := range map[string]struct {
		first, second kvstore.Storage
		refused       bool
	}{
		"same pointer":              {mem, mem, true},
		"another one":               {memory.New(), memory.New(), false},
		"same map":                  {m, m, true},
		"equal maps":                {mapStorage{}, mapStorage{}, false},
		"equal structs":             {table{plain, "a", nil}, table{plain, "a", nil}, true},
		"two tables of one":         {wrapper{mapStorage{}}, wrapper{mapStorage{}}, false},
		"wrapped and plain":         {wrapper{mem}, mem, true},
		"plain and wrapped":         {mem, &wrapper{mem}, true},
		"two wrappers":              {&pointed{mem}, pointed{mem}, true},
		"wrapped twice":             {&wrapper{&wrapper{mem}}, mem, true},
		"embedded by value":         {&value, &value.plainStorage, true},
		"embedded nil":              {&bare{}, &bare{}, false},
		"without state":             {empty{}, empty{}, false},
		"pointers to what has none": {&empty{}, &empty{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c := w.openOn("first", tc.first)
				again := func() error {
					second, err := kvstore.NewClient(w.within(time.Minute), "other", tc.second, w.options("second")...)
					if err == nil {
						err = second.Close()
					}
					return err
				}
				switch err := again(); {
				case !tc.refused && err != nil:
					t.Errorf("NewClient = %v, want a client", err)
				case tc.refused && (!errors.Is(err, kvstore.ErrStorageInUse) || !strings.Contains(err.Error(), `"`+topic+`"`)):
					t.Errorf("NewClient = %v, want ErrStorageInUse that names the other client's topic", err)
				}
				w.put(c, "k", "1")
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				if err := again(); err != nil {
					t.Errorf("NewClient after the other client's Close = %v", err)
				}
			})
		})
	}
}

func TestStorageIsFreeAfterAnOpeningThatFailed(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		s := memory.New()
		if _, err := kvstore.NewClient(w.within(time.Minute), topic, s); err == nil {
			t.Fatal("NewClient without brokers succeeded")
		}
		if _, err := kvstore.NewClient(w.within(time.Second), topic, s, w.options("reader", kvstore.WithReadOnly())...); err == nil {
			t.Fatal("NewClient on a topic that is not there succeeded")
		}
		w.put(w.openOn("c", s), "k", "1")
	})
}

func TestStorageThatIsNilIsRefused(t *testing.T) {
	for _, s := range []kvstore.Storage{nil, (*memory.Storage)(nil), mapStorage(nil)} {
		if _, err := kvstore.NewClient(t.Context(), topic, s, kvstore.WithBrokers("localhost:1")); err == nil || !strings.Contains(err.Error(), "storage is nil") {
			t.Errorf("NewClient with %T = %v, want it to say that the storage is nil", s, err)
		}
	}
}

// counting embeds the default storage and changes some of its methods.
type counting struct {
	*memory.Storage
	sets, deletes atomic.Int64
}

func (c *counting) Set(ctx context.Context, key, value []byte) error {
	c.sets.Add(1)
	return c.Storage.Set(ctx, key, append([]byte("set:"), value...))
}

func (c *counting) Delete(ctx context.Context, key []byte) error {
	c.deletes.Add(1)
	return c.Storage.Delete(ctx, key)
}

// outer embeds counting and changes nothing; inner is embedded by an interface.
type (
	outer   struct{ *counting }
	withAny struct{ kvstore.RecordStorage }
	reading struct{ *memory.Storage }
	batched struct{ *withBatch }

	// withBatch has an ApplyBatch of its own, which batched bypasses.
	withBatch struct {
		*plainStorage
		batches atomic.Int64
	}
)

func (w withAny) Set(ctx context.Context, key, value []byte) error {
	return w.RecordStorage.Set(ctx, key, append([]byte("set:"), value...))
}

func (r reading) Get(ctx context.Context, key []byte) ([]byte, error) {
	v, err := r.Storage.Get(ctx, key)
	return append([]byte("set:"), v...), err
}

func (b *withBatch) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	b.batches.Add(1)
	for _, it := range items {
		if it.Value == nil {
			_ = b.plainStorage.Delete(ctx, it.Key)
		} else {
			_ = b.plainStorage.Set(ctx, it.Key, it.Value)
		}
	}
	return nil
}

func (b batched) Set(ctx context.Context, key, value []byte) error {
	return b.withBatch.Set(ctx, key, append([]byte("set:"), value...))
}

func TestStorageThatEmbedsAnotherIsNeverBypassed(t *testing.T) {
	for name, s := range map[string]kvstore.Storage{
		"pointer":             &counting{Storage: memory.New()},
		"embedded once more":  outer{&counting{Storage: memory.New()}},
		"and by pointer":      &outer{&counting{Storage: memory.New()}},
		"embedded interface":  withAny{memory.New()},
		"reads alone":         reading{memory.New()},
		"batches":             batched{&withBatch{plainStorage: newPlain()}},
		"the plain interface": wrapper{&counting{Storage: memory.New()}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c := w.openOn("c", s)
				w.put(c, "k", "1")
				if err := c.Batch().Put([]byte("a"), []byte("2")).Put([]byte("b"), nil).Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.want(c, "k", "set:1")
				w.want(c, "a", "set:2")
				e, err := c.GetEntry(t.Context(), []byte("k"))
				if err != nil || string(e.Value) != "set:1" || e.Revision != 0 {
					t.Errorf("GetEntry = %+v, %v; want set:1 of revision 0", e, err)
				}
				warned := slices.ContainsFunc(w.logs.all(), func(m string) bool { return strings.Contains(m, "embeds another one") })
				if _, plain := s.(wrapper); warned == plain {
					t.Errorf("a warning was logged: %t, want %t; the log: %q", warned, !plain, w.logs.all())
				}
			})
		})
	}
}

// labelled embeds the default storage and adds a method: nothing is bypassed.
// whole changes all that belongs together.
type (
	labelled struct{ *memory.Storage }
	whole    struct {
		*memory.Storage
		applied *atomic.Int64
	}
)

func (labelled) Label() string { return "label" }

func (w whole) Set(context.Context, []byte, []byte) error { return errors.New("not used") }

func (w whole) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	w.applied.Add(int64(len(records)))
	return w.Storage.ApplyRecords(ctx, records)
}

func (w whole) Reset(ctx context.Context) error { return w.Storage.Reset(ctx) }

func TestStorageThatEmbedsAnotherAndBypassesNothingIsUsedInFull(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		s := whole{memory.New(), new(atomic.Int64)}
		a, b := w.openOn("a", labelled{memory.New()}), w.openOn("b", s)
		rev := w.put(a, "k", "1")
		if err := b.WaitRevision(w.within(time.Minute), rev); err != nil {
			t.Fatal(err)
		}
		w.want(a, "k", "1")
		w.want(b, "k", "1")
		if n := s.applied.Load(); n != 1 {
			t.Errorf("ApplyRecords got %d records, want 1", n)
		}
		for _, m := range w.logs.all() {
			if strings.Contains(m, "embeds") {
				t.Errorf("logged %q", m)
			}
		}
	})
}

// shouting embeds a serde that knows contexts and changes how it reads.
type shouting struct{ kvstore.Serde[string] }

type contextSerde struct{}

func (contextSerde) Serialize(s string) ([]byte, error)   { return []byte(s), nil }
func (contextSerde) Deserialize(b []byte) (string, error) { return string(b), nil }
func (s contextSerde) DeserializeContext(_ context.Context, b []byte) (string, error) {
	return string(b) + " with context", nil
}

type shoutingToo struct{ contextSerde }

func (s shoutingToo) Deserialize(b []byte) (string, error) { return strings.ToUpper(string(b)), nil }

func TestSerdeThatEmbedsAnotherIsNeverBypassed(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "k", "v")
		for name, tc := range map[string]struct {
			serde kvstore.Serde[string]
			want  string
		}{
			"by itself":          {contextSerde{}, "v with context"},
			"changed":            {shoutingToo{}, "V"},
			"changed, pointer":   {&shoutingToo{}, "V"},
			"embedded interface": {shouting{contextSerde{}}, "v"},
			"unchanged":          {struct{ contextSerde }{}, "v with context"},
		} {
			if got, err := kvstore.NewResourceClient(c, tc.serde).Get(t.Context(), []byte("k")); err != nil || got != tc.want {
				t.Errorf("%s: Get = %q, %v; want %q", name, got, err, tc.want)
			}
		}
	})
}
