package kvstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// The bubble also shows that a refused opening leaves no goroutine behind.
func TestNilArgumentsOfAnOpeningAreExplained(t *testing.T) {
	var none context.Context
	for name, tc := range map[string]struct {
		ctx     context.Context
		storage kvstore.Storage
		opt     kvstore.ClientOption
		says    string
	}{
		"context":           {none, memory.New(), kvstore.WithReadOnly(), "context is nil"},
		"storage":           {context.Background(), nil, kvstore.WithReadOnly(), "storage is nil"},
		"typed nil storage": {context.Background(), (*memory.Storage)(nil), kvstore.WithReadOnly(), "storage is nil"},
		"option":            {context.Background(), memory.New(), nil, "option 5 is nil"},
		"kafka option":      {context.Background(), memory.New(), kvstore.WithKafkaOptions(kgo.ClientID("c"), nil), "WithKafkaOptions: option 2 is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c, err := kvstore.NewClient(tc.ctx, topic, tc.storage, w.options("c", tc.opt)...)
				if err == nil {
					_ = c.Close()
				}
				wantError(t, "NewClient", err, nil, tc.says)
				if w.topicExists() {
					t.Error("the topic was created")
				}
			})
		})
	}
}

// Each call that takes a context refuses none, before it does anything.
func TestCallWithoutAContextIsRefusedAndDoesNothing(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		var none context.Context
		c := w.open("c")
		typed := kvstore.NewResourceClient(c, kvstore.JSON[string]())
		w.put(c, "k", `"v"`)
		k, b := []byte("k"), c.Batch().Delete([]byte("k"))
		writes := map[string]func() error{
			"Put":          func() error { return c.Put(none, k, nil) },
			"Delete":       func() error { return c.Delete(none, k) },
			"Execute":      func() error { return b.Execute(none) },
			"typed Put":    func() error { return typed.Put(none, k, "w") },
			"typed Delete": func() error { return typed.Delete(none, k) },
		}
		for name, call := range writes {
			err := call()
			wantError(t, name, err, kvstore.ErrRefused, "context is nil")
		}
		for name, call := range map[string]func() error{
			"Get":                  func() error { _, err := c.Get(none, k); return err },
			"GetEntry":             func() error { _, err := c.GetEntry(none, k); return err },
			"Range":                func() error { return firstError(c.Range(none, kvstore.KeyConstraint{}, kvstore.QueryOptions{})) },
			"RangeEntries":         func() error { return firstError(c.RangeEntries(none, kvstore.KeyConstraint{}, kvstore.QueryOptions{})) },
			"Sync":                 func() error { return c.Sync(none) },
			"WaitRevision":         func() error { return c.WaitRevision(none, 0) },
			"WaitRevision to come": func() error { return c.WaitRevision(none, 100) },
			"WaitRevision of a -1": func() error { return c.WaitRevision(none, -1) },
			"Shutdown":             func() error { return c.Shutdown(none) },
			"typed Get":            func() error { _, err := typed.Get(none, k); return err },
			"typed Range":          func() error { return firstError(typed.Range(none, kvstore.KeyConstraint{}, kvstore.QueryOptions{})) },
			"typed RangeAllEntries": func() error {
				return firstError(typed.RangeAllEntries(none, kvstore.KeyConstraint{}, kvstore.QueryOptions{}))
			},
		} {
			wantError(t, name, call(), nil, "context is nil")
		}
		if end := w.End(); end != 1 {
			t.Errorf("the log ends at %d, want 1", end)
		}
		w.want(c, "k", `"v"`)
		if err := b.Execute(t.Context()); err != nil {
			t.Errorf("Execute after one without a context = %v", err)
		}
		if _, err := c.Get(t.Context(), k); !errors.Is(err, kvstore.ErrNotFound) {
			t.Errorf("Get = %v, want ErrNotFound", err)
		}
	})
}

// firstError returns the first error that a range yields.
func firstError[T any](seq func(func(T, error) bool)) (first error) {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}
