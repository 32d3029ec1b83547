package linearizability_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

var (
	errNotFound = errors.New("not found")
	errTooLarge = errors.New("too large")
)

// mapStore is a linearizable store with faults.
type mapStore struct {
	mu    sync.Mutex
	data  map[string]string
	fault func(op string) (do bool, err error)
}

func newMapStore() *mapStore {
	return &mapStore{data: map[string]string{}, fault: func(string) (bool, error) { return true, nil }}
}

func (s *mapStore) Get(_ context.Context, key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.fault("get"); err != nil {
		return nil, err
	}
	v, ok := s.data[string(key)]
	if !ok {
		return nil, errNotFound
	}
	return []byte(v), nil
}

func (s *mapStore) Put(_ context.Context, key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	do, err := s.fault("put")
	if do {
		s.data[string(key)] = string(value)
	}
	return err
}

func (s *mapStore) Delete(_ context.Context, key []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	do, err := s.fault("delete")
	if do {
		delete(s.data, string(key))
	}
	return err
}

func (s *mapStore) Sync(context.Context) error { return nil }

var wrapOptions = lin.WrapOptions{
	NotFound:   func(err error) bool { return errors.Is(err, errNotFound) },
	NotWritten: func(err error) bool { return errors.Is(err, errTooLarge) },
}

func TestWrap_records_what_errors_mean(t *testing.T) {
	store := newMapStore()
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{})
	c := r.Wrap("c1", 1, store, wrapOptions)
	for _, tt := range []struct {
		name string
		do   bool
		err  error
		call func() error
		want lin.Outcome
	}{
		{"put", true, nil, func() error { return c.Put(t.Context(), []byte("k"), []byte("v1")) }, lin.OK},
		{"put refused", false, errTooLarge, func() error { return c.Put(t.Context(), []byte("k"), []byte("v2")) }, lin.Failed},
		{"put lost", false, errors.New("connection reset"), func() error { return c.Put(t.Context(), []byte("k"), []byte("v3")) }, lin.Unknown},
		{"put done and timed out", true, context.DeadlineExceeded, func() error { return c.Put(t.Context(), []byte("k"), []byte("v4")) }, lin.Unknown},
		{"put too large but timed out", true, errors.Join(errTooLarge, context.Canceled), func() error { return c.Put(t.Context(), []byte("k"), []byte("v5")) }, lin.Unknown},
		{"get", true, nil, func() error { _, err := c.Get(t.Context(), []byte("k")); return err }, lin.OK},
		{"get failed", true, errors.New("closed"), func() error { _, err := c.Get(t.Context(), []byte("k")); return err }, lin.Failed},
		{"sync", true, nil, func() error { return c.Sync(t.Context()) }, lin.OK},
		{"delete", true, nil, func() error { return c.Delete(t.Context(), []byte("k")) }, lin.OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store.fault = func(string) (bool, error) { return tt.do, tt.err }
			if err := tt.call(); !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want the store's, %v", err, tt.err)
			}
			ops := r.History().Ops
			if got := ops[len(ops)-1].Outcome; got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
	store.fault = func(string) (bool, error) { return true, nil }
	if _, err := c.Get(t.Context(), []byte("k")); !errors.Is(err, errNotFound) {
		t.Fatal(err)
	}
	if v := lin.Check(r.History(), lin.Options{Linearizable: true}); v.Status != lin.Held {
		t.Errorf("verdict: %s", v)
	}
}

// TestWrap_records_deadlines_and_classes makes sure that a history of version 2 has them, and one of
// version 1, which can't say them, is written without.
func TestWrap_records_deadlines_and_classes(t *testing.T) {
	for version, says := range map[int]bool{1: false, 2: true} {
		synctest.Test(t, func(t *testing.T) {
			store := newMapStore()
			start := time.Now().Add(-time.Minute)
			var out bytes.Buffer
			r := lin.NewRecorder(func() time.Duration { return time.Since(start) }, lin.RecorderOptions{Header: lin.Header{Version: version}, Output: &out})
			opts := wrapOptions
			c := r.Wrap("c1", 1, store, opts)
			opts.Class = func(error) lin.ErrorClass { return lin.ErrorUnavailable }
			d := r.Wrap("c2", 1, store, opts)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			late, cancelLate := context.WithTimeout(t.Context(), -time.Hour)
			defer cancelLate()

			key := []byte("k")
			for _, err := range []error{context.DeadlineExceeded, context.Canceled, errTooLarge} {
				store.fault = func(string) (bool, error) { return false, err }
				if got := c.Delete(ctx, key); !errors.Is(got, err) {
					t.Error(got)
				}
			}
			if _, err := d.Get(late, key); err == nil {
				t.Error("the store did not fail")
			}
			store.fault = func(string) (bool, error) { return true, nil }
			if err := d.Sync(t.Context()); err != nil {
				t.Error(err)
			}
			if err := r.Err(); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
			h, err := lin.ReadHistory(&out)
			if err != nil {
				t.Fatal(err)
			}
			in := time.Minute + time.Second
			for i, want := range []lin.Operation{
				{Deadline: in, Class: lin.ErrorDeadline},
				{Deadline: in, Class: lin.ErrorCanceled},
				{Deadline: in},
				{Deadline: 1, Class: lin.ErrorUnavailable},
				{},
			} {
				if !says {
					want.Deadline, want.Class = 0, lin.ErrorNone
				}
				if got := h.Ops[i]; got.Deadline != want.Deadline || got.Class != want.Class {
					t.Errorf("version %d: %s has deadline %v and class %q, want %v and %q", version, &got, got.Deadline, got.Class, want.Deadline, want.Class)
				}
			}
		})
	}
}

func TestWrap_finds_a_store_that_loses_writes(t *testing.T) {
	store := newMapStore()
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{})
	a, b := r.Wrap("a", 1, store, wrapOptions), r.Wrap("b", 1, store, wrapOptions)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Put(t.Context(), []byte("k"), []byte("v1")))
	store.fault = func(string) (bool, error) { return false, nil }
	must(a.Put(t.Context(), []byte("k"), []byte("v2")))
	if _, err := b.Get(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	// The reads of a store may lag, so b's read alone proves nothing.
	if v := lin.Check(r.History(), lin.Options{}); v.Status != lin.Held {
		t.Errorf("lagging read: %s", v)
	}
	v := lin.Check(r.History(), lin.Options{Linearizable: true})
	if err := v.Err(); !errors.Is(err, lin.ErrViolation) || !strings.Contains(err.Error(), `get("k") = v1`) {
		t.Errorf("Err() = %v, want a violation that names the get", err)
	}
	if r := v.Result(lin.CheckAckedOnce); r.Ran || r.Reason != "the history has no log tap" {
		t.Errorf("%s, want it not judged for want of a log tap", r)
	}
}

func TestValueID_tells_values_apart(t *testing.T) {
	long := strings.Repeat("x", 100)
	ids := map[string]string{}
	for _, v := range []string{"", "a", "~empty", "~a", "=~a", "~" + long, "~" + long + "1", long, long + "1", "\xff\x00"} {
		id := lin.ValueID([]byte(v))
		if first, ok := ids[id]; ok {
			t.Errorf("%q and %q have the same id %q", first, v, id)
		}
		ids[id] = v
	}
}
