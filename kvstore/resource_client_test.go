package kvstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// typedStore is a store on a kit of its own.
type typedStore struct {
	*kvstore.Client
	t   *testing.T
	kit *kvstoretest.Kit
}

// inTypedStore runs fn with a new store, in virtual time.
func inTypedStore(t *testing.T, fn func(t *testing.T, s *typedStore), opts ...kvstore.ClientOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t, kvstoretest.WithProductionTimes(), kvstoretest.WithoutTopic())
		fn(t, &typedStore{kit.Open("typed", append([]kvstore.ClientOption{kvstore.WithReplicationFactor(1)}, opts...)...), t, kit})
	})
}

// log returns every record of the topic as "key=value", or "key" for a delete.
func (s *typedStore) log() []string {
	s.t.Helper()
	var out []string
	for _, r := range s.kit.Log() {
		if r.Value == nil {
			out = append(out, string(r.Key))
		} else {
			out = append(out, fmt.Sprintf("%s=%s", r.Key, r.Value))
		}
	}
	return out
}

// put writes raw bytes.
func (s *typedStore) put(key, value string) {
	s.t.Helper()
	if err := s.Put(s.t.Context(), []byte(key), []byte(value)); err != nil {
		s.t.Fatal(err)
	}
}

var (
	errOdd  = errors.New("odd numbers can't be serialized")
	errText = errors.New("not a number")
)

// evenSerde stores even numbers as so many bytes, and zero as nil.
type evenSerde struct{}

func (evenSerde) Serialize(n int) ([]byte, error) {
	switch {
	case n%2 != 0:
		return []byte("half a value"), errOdd
	case n == 0:
		return nil, nil
	}
	return bytes.Repeat([]byte("i"), n), nil
}

func (evenSerde) Deserialize(b []byte) (int, error) {
	if len(bytes.Trim(b, "i")) > 0 {
		return 99, errText
	}
	return len(b), nil
}

func TestTypedReadsAndWrites(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		ctx := t.Context()
		cities := kvstore.NewResourceClient(s.Client, kvstore.JSON[city]())
		if cities.Raw() != s.Client {
			t.Error("Raw() is not the client given")
		}
		if err := cities.Put(ctx, []byte("a"), city{Name: "Aachen"}); err != nil {
			t.Fatal(err)
		}
		rev, err := cities.PutRevision(ctx, []byte("b"), city{Name: "Bonn"})
		if err != nil || rev != 1 {
			t.Fatalf("PutRevision = %d, %v; want 1", rev, err)
		}
		if got, err := cities.Get(ctx, []byte("a")); err != nil || got.Name != "Aachen" {
			t.Errorf("Get(a) = %+v, %v; want Aachen", got, err)
		}
		e, err := cities.GetEntry(ctx, []byte("b"))
		if err != nil || string(e.Key) != "b" || e.Value.Name != "Bonn" || e.Revision != rev || !e.Time.Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("GetEntry(b) = %+v, %v; want Bonn at revision %d, now", e, err, rev)
		}
		rev, err = cities.DeleteRevision(ctx, []byte("b"))
		if err != nil || rev != 2 {
			t.Errorf("DeleteRevision(b) = %d, %v; want 2", rev, err)
		}
		if err := cities.Delete(ctx, []byte("a")); err != nil {
			t.Error(err)
		}
		for _, key := range []string{"a", "b"} {
			got, err := cities.Get(ctx, []byte(key))
			wantError(t, "Get of a deleted key", err, kvstore.ErrNotFound)
			entry, err := cities.GetEntry(ctx, []byte(key))
			wantError(t, "GetEntry of a deleted key", err, kvstore.ErrNotFound)
			if !reflect.DeepEqual(got, city{}) || !reflect.DeepEqual(entry, kvstore.TypedEntry[city]{}) {
				t.Errorf("Get, GetEntry = %+v, %+v beside their errors, want zero values", got, entry)
			}
		}
	})
}

func TestTypedRange(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		for i, key := range []string{"n/a", "n/b", "n/c", "o/a"} {
			if err := numbers.Put(t.Context(), []byte(key), 2*i); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			limit, stop int // stop: pairs after which the caller breaks
			want        []string
		}{
			{0, 9, []string{"n/a=0@0", "n/b=2@1", "n/c=4@2"}},
			{2, 9, []string{"n/a=0@0", "n/b=2@1"}},
			{0, 1, []string{"n/a=0@0"}},
		} {
			opts := kvstore.QueryOptions{Limit: c.limit}
			var pairs, entries []string
			for kv, err := range numbers.Range(t.Context(), kvstore.Prefix("n/"), opts) {
				if err != nil {
					t.Fatal(err)
				}
				pairs = append(pairs, fmt.Sprintf("%s=%d@%d", kv.Key, kv.Value, len(pairs)))
				if len(pairs) == c.stop {
					break
				}
			}
			for e, err := range numbers.RangeEntries(t.Context(), kvstore.Prefix("n/"), opts) {
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, fmt.Sprintf("%s=%d@%d", e.Key, e.Value, e.Revision))
				if len(entries) == c.stop {
					break
				}
			}
			if !slices.Equal(pairs, c.want) || !slices.Equal(entries, c.want) {
				t.Errorf("limit %d, stop after %d: Range, RangeEntries = %q, %q; want %q", c.limit, c.stop, pairs, entries, c.want)
			}
		}
	})
}

// TestFailingToDecodeNamesTheKey: the value stays as it is, and a range ends
// there instead of leaving it out.
func TestFailingToDecodeNamesTheKey(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		s.put("a", "ii")
		s.put("b", "text")
		s.put("c", "ii")
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		check := func(call string, key []byte, value int, err error) {
			t.Helper()
			wantError(t, call, err, errText, `deserialize value of "b"`)
			var decode *kvstore.DecodeError
			if !errors.As(err, &decode) || string(decode.Key) != "b" {
				t.Errorf("%s = %#v, want a DecodeError of key b", call, err)
			}
			if errors.Is(err, kvstore.ErrNotFound) {
				t.Errorf("%s = %q, which matches ErrNotFound", call, err)
			}
			if string(key) != "b" || value != 0 {
				t.Errorf("%s gave key %q and value %d beside its error, want b and 0", call, key, value)
			}
		}
		key := []byte("b")
		v, err := numbers.Get(t.Context(), key)
		key[0] = 'x' // the error has a copy
		check("Get", []byte("b"), v, err)
		e, err := numbers.GetEntry(t.Context(), []byte("b"))
		check("GetEntry", e.Key, e.Value, err)

		var got []string
		for kv, err := range numbers.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			got = append(got, string(kv.Key))
			if len(got) == 2 {
				check("Range", kv.Key, kv.Value, err)
			}
		}
		for e, err := range numbers.RangeEntries(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			got = append(got, string(e.Key))
			if len(got) == 4 {
				check("RangeEntries", e.Key, e.Value, err)
			}
		}
		if want := []string{"a", "b", "a", "b"}; !slices.Equal(got, want) {
			t.Errorf("keys yielded = %q, want %q: nothing after the first error", got, want)
		}
		if want := []string{"a=ii", "b=text", "c=ii"}; !slices.Equal(s.log(), want) {
			t.Errorf("log = %q, want %q", s.log(), want)
		}
	})
}

func TestTypedRangeStopsAtTheFirstError(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		s.put("a", "ii")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		n := 0
		for _, err := range numbers.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			n++
			wantError(t, "Range", err, context.Canceled)
		}
		for _, err := range numbers.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			n++
			wantError(t, "RangeEntries", err, context.Canceled)
		}
		if n != 2 {
			t.Errorf("two ranges yielded %d pairs, want one error each", n)
		}
	})
}

// TestEncodingNilMessageWritesNothing: the key keeps its value. Passed on as a
// nil slice, the message would have deleted it.
func TestEncodingNilMessageWritesNothing(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		texts := kvstore.NewResourceClient(s.Client, plainProto(t, newString))
		if err := texts.Put(t.Context(), []byte("a"), wrapperspb.String("x")); err != nil {
			t.Fatal(err)
		}
		before := s.log()
		err := texts.Put(t.Context(), []byte("a"), nil)
		wantRefused(t, "put", "a", err, kvstore.ErrNilMessage)
		rev, err := texts.PutRevision(t.Context(), []byte("a"), nil)
		wantRefused(t, "put", "a", err, kvstore.ErrNilMessage)
		if rev != -1 {
			t.Errorf("PutRevision(nil) = %d, want -1", rev)
		}
		err = texts.Batch().Put([]byte("b"), wrapperspb.String("y")).Put([]byte("a"), nil).Execute(t.Context())
		wantRefused(t, "execute", "a", err, kvstore.ErrNilMessage)
		if got := s.log(); !slices.Equal(got, before) {
			t.Errorf("log = %q, want %q still", got, before)
		}
		if got, err := texts.Get(t.Context(), []byte("a")); err != nil || got.GetValue() != "x" {
			t.Errorf("Get(a) = %v, %v; want x still", got, err)
		}
	})
}

// TestEmptyEncodingIsStored covers an empty message, whose encoding is empty,
// and a serde that returns nil for it.
func TestEmptyEncodingIsStored(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		texts := kvstore.NewResourceClient(s.Client, plainProto(t, newString))
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		for _, err := range []error{
			texts.Put(t.Context(), []byte("a"), newString()),
			numbers.Put(t.Context(), []byte("b"), 0),
			texts.Batch().Put([]byte("c"), newString()).Execute(t.Context()),
			numbers.Batch().Put([]byte("d"), 0).Execute(t.Context()),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got, want := s.log(), []string{"a=", "b=", "c=", "d="}; !slices.Equal(got, want) {
			t.Errorf("log = %q, want %q", got, want)
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			if got, err := texts.Get(t.Context(), []byte(key)); err != nil || !proto.Equal(got, newString()) {
				t.Errorf("Get(%s) = %v, %v; want an empty message", key, got, err)
			}
		}
	})
}

// TestTypedReadEndsWithItsContext: Get has to ask a registry that does not
// answer.
func TestTypedReadEndsWithItsContext(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		f := newFakeRegistry()
		user := compile(t, "acme.User", userSchema, nil)
		users := kvstore.NewResourceClient(s.Client, registrySerde(t, f, user, userSchema, kvstore.WithRegistryTimeout(time.Minute)))
		s.put("ann", string(foreign(9)))
		f.intercept(hang)
		reads := map[string]func(ctx context.Context) error{
			"Get":      func(ctx context.Context) error { _, err := users.Get(ctx, []byte("ann")); return err },
			"GetEntry": func(ctx context.Context) error { _, err := users.GetEntry(ctx, []byte("ann")); return err },
			"Range": func(ctx context.Context) error {
				for _, err := range users.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					return err
				}
				return nil
			},
		}
		for name, read := range reads {
			start := time.Now()
			err := read(timeoutContext(t, time.Second))
			wantError(t, name, err, context.DeadlineExceeded, `"ann"`, "schema id 9")
			wantError(t, name, err, kvstore.ErrRegistryUnavailable)
			if took := time.Since(start); took != time.Second {
				t.Errorf("%s returned after %v, want 1s", name, took)
			}
		}
		time.Sleep(time.Minute) // the request itself outlives its callers
	})
}

// TestHooksOfSerdesWithARegistry has hooks read values of a known and of an
// unknown schema, while the writes that caused them wait.
func TestHooksOfSerdesWithARegistry(t *testing.T) {
	f := newFakeRegistry()
	user := compile(t, "acme.User", userSchema, nil)
	serde := registrySerde(t, f, user, userSchema)
	var got []string
	onSet := kvstore.WrapOnSetErr(serde,
		func(key []byte, m *dynamicpb.Message) {
			got = append(got, fmt.Sprintf("%s=%v", key, m.Get(user.Descriptor().Fields().ByName("name"))))
		},
		func(key []byte, err error) {
			got = append(got, fmt.Sprintf("%s!%v", key, errors.Is(err, kvstore.ErrSchemaMismatch)))
		})
	onDelete := kvstore.WrapOnDelete[*dynamicpb.Message](func(key []byte) { got = append(got, "-"+string(key)) })
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		users := kvstore.NewResourceClient(s.Client, serde)
		if err := users.Put(t.Context(), []byte("a"), named(user, "ann")); err != nil {
			t.Fatal(err)
		}
		s.put("b", string(foreign(9)))
		if err := users.Delete(t.Context(), []byte("a")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a=ann", "b!true", "-a"}; !slices.Equal(got, want) {
			t.Errorf("callbacks = %q, want %q", got, want)
		}
	}, kvstore.WithOnSetHook(onSet), kvstore.WithOnDeleteHook(onDelete))
}

func TestNewResourceClientRefusesNil(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		for want, fn := range map[string]func(){
			"kvstore: NewResourceClient: client is nil": func() { kvstore.NewResourceClient(nil, evenSerde{}) },
			"kvstore: NewResourceClient: serde is nil":  func() { kvstore.NewResourceClient[int](s.Client, nil) },
		} {
			if got := panicOf(fn); got != want {
				t.Errorf("panic = %v, want %q", got, want)
			}
		}
	})
}

func TestResourceClientIsSafeForConcurrentUse(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				key := fmt.Appendf(nil, "k%d", i)
				if err := numbers.Put(t.Context(), key, 2*i); err != nil {
					t.Error(err)
				}
				if got, err := numbers.Get(t.Context(), key); err != nil || got != 2*i {
					t.Errorf("Get(%s) = %d, %v; want %d", key, got, err, 2*i)
				}
			})
		}
		wg.Wait()
	})
}

// wantRefused checks the error of a write whose value could not be serialized.
func wantRefused(t *testing.T, op, key string, err, cause error) {
	t.Helper()
	wantError(t, op, err, kvstore.ErrRefused, fmt.Sprintf("%s %q: refused: serialize value: ", op, key))
	wantError(t, op, err, cause)
	var write *kvstore.WriteError
	if !errors.As(err, &write) || write.Op != op || string(write.Key) != key || write.Revision != -1 {
		t.Errorf("%s = %#v, want a WriteError of %s, key %q and revision -1", op, err, op, key)
	}
	if errors.Is(err, kvstore.ErrOutcomeUnknown) || errors.Is(err, kvstore.ErrNotVisible) {
		t.Errorf("%s = %q, which leaves the outcome open", op, err)
	}
}
