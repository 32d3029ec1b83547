package kvrapid

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// write does one write and checks its outcome against the log.
func (m *machine) write(t *rapid.T, c *client, call string, changes []Change, do func(ctx context.Context) (int64, error)) {
	t.Helper()
	m.learn(t)
	ctx, cancel := m.context()
	defer cancel()
	revision, err := do(ctx)
	if err == nil {
		m.acknowledged(t, c, call, changes, revision)
		return
	}
	outcome := m.outcome(t, c, call, err)
	if !m.excused(err) {
		t.Fatalf("%s: %s = %v, and nothing stood in its way\n%s", c.name, call, err, m.model.tail())
	}
	if errors.Is(outcome, kvstore.ErrOutcomeUnknown) {
		m.uncertain(t, changes)
	} else {
		m.learn(t) // in which it must not be
	}
}

// acknowledged checks that a write is in the log at its revision, and visible.
func (m *machine) acknowledged(t *rapid.T, c *client, call string, changes []Change, revision int64) {
	t.Helper()
	fresh := m.fresh(t)
	if len(changes) == 0 {
		if revision != -1 {
			t.Fatalf("%s: %s = revision %d, want -1: it wrote nothing", c.name, call, revision)
		}
	}
	first := revision - int64(len(changes)) + 1
	var others []kvstoretest.LogRecord
	for _, r := range fresh {
		if len(changes) == 0 || r.Offset < first || r.Offset > revision {
			others = append(others, r)
		}
	}
	for i, ch := range changes {
		r, ok := m.model.record(first + int64(i))
		if !ok || !says(r, ch) || r.Txn != kvstoretest.TxnNone || !isFresh(fresh, r.Offset) {
			there := "nothing new"
			if ok {
				there = r.String()
			}
			t.Fatalf("%s: %s = revision %d, but offset %d is not its %v: it has %s\n%s", c.name, call, revision, first+int64(i), ch, there, m.model.tail())
		}
	}
	if _, err := m.model.claim(others, nil); err != nil {
		t.Fatalf("%s: %s = revision %d: %v\n%s", c.name, call, revision, err, m.model.tail())
	}
	if p := m.position(t, c); p <= revision {
		t.Fatalf("%s: %s = revision %d, but the client is at position %d: the write is not visible\n%s", c.name, call, revision, p, m.model.tail())
	}
	if len(changes) > 0 {
		m.acked = append(m.acked, revision)
	}
}

func isFresh(fresh []kvstoretest.LogRecord, off int64) bool {
	return slices.ContainsFunc(fresh, func(r kvstoretest.LogRecord) bool { return r.Offset == off })
}

// uncertain notes a write that is in the log as a whole, or may still get there.
func (m *machine) uncertain(t *rapid.T, changes []Change) {
	t.Helper()
	left := m.expect(t, changes)
	if len(left) != 0 && len(left) != len(changes) {
		t.Fatalf("of a batch of %d changes only a part is in the log: %v are not\n%s", len(changes), left, m.model.tail())
	}
	m.model.pending = append(m.model.pending, left...)
	m.doubt = true
}

// outcome returns the one outcome of a failed write.
func (m *machine) outcome(t *rapid.T, c *client, call string, err error) error {
	t.Helper()
	var found []error
	for _, o := range []error{kvstore.ErrNotWritten, kvstore.ErrRefused, kvstore.ErrOutcomeUnknown} {
		if errors.Is(err, o) {
			found = append(found, o)
		}
	}
	var we *kvstore.WriteError
	if len(found) != 1 || !errors.As(err, &we) {
		t.Fatalf("%s: %s = %v (%T), want a *WriteError of exactly one outcome; it has %v", c.name, call, err, err, found)
	}
	return found[0]
}

// refused does a write that has to be refused with the error want.
func (m *machine) refused(t *rapid.T, c *client, call string, want error, do func(ctx context.Context) error) {
	t.Helper()
	m.learn(t)
	ctx, cancel := m.patiently()
	defer cancel()
	err := do(ctx)
	if !errors.Is(err, want) || !errors.Is(err, kvstore.ErrRefused) {
		t.Fatalf("%s: %s = %v, want ErrRefused with %v", c.name, call, err, want)
	}
	m.learn(t) // in which it must not be
}

func (m *machine) put(t *rapid.T) {
	c := m.pick(t)
	ch := Change{Key: drawBytes(t, m.cfg.Keys, "key"), Value: drawBytes(t, m.cfg.Values, "value")}
	m.write(t, c, ch.String(), []Change{ch}, func(ctx context.Context) (int64, error) {
		return c.store.PutRevision(ctx, ch.Key, ch.Value)
	})
}

func (m *machine) delete(t *rapid.T) {
	c := m.pick(t)
	ch := Change{Key: drawBytes(t, m.cfg.Keys, "key"), Delete: true}
	m.write(t, c, ch.String(), []Change{ch}, func(ctx context.Context) (int64, error) {
		return c.store.DeleteRevision(ctx, ch.Key)
	})
}

func (m *machine) batch(t *rapid.T) {
	c := m.pick(t)
	changes := Batches(m.cfg.Keys, m.cfg.Values).Draw(t, "batch")
	b := c.store.Batch()
	for _, ch := range changes {
		if ch.Delete {
			b.Delete(ch.Key)
		} else {
			b.Put(ch.Key, ch.Value)
		}
	}
	m.write(t, c, fmt.Sprintf("execute %v", changes), changes, b.ExecuteRevision)
	m.refused(t, c, "second execute", kvstore.ErrBatchExecuted, b.Execute)
}

// badWrite does a write that can't be accepted.
func (m *machine) badWrite(t *rapid.T) {
	c := m.pick(t)
	if m.blocked {
		t.Skip("a size may have to be asked for")
	}
	value := drawBytes(t, m.cfg.Values, "value")
	switch kind := rapid.SampledFrom([]string{"no key", "no key to delete", "no key in a batch", "too large"}).Draw(t, "mistake"); kind {
	case "no key":
		m.refused(t, c, "put without a key", kvstore.ErrInvalidKey, func(ctx context.Context) error {
			_, err := c.store.PutRevision(ctx, nil, value)
			return err
		})
	case "no key to delete":
		m.refused(t, c, "delete without a key", kvstore.ErrInvalidKey, func(ctx context.Context) error {
			_, err := c.store.DeleteRevision(ctx, []byte{})
			return err
		})
	case "no key in a batch":
		b := c.store.Batch().Put([]byte("k"), value).Delete(nil)
		m.refused(t, c, "batch with an empty key", kvstore.ErrInvalidKey, b.Execute)
	case "too large":
		large := make([]byte, 2<<20)
		m.refused(t, c, "put of 2 MiB", kvstore.ErrValueTooLarge, func(ctx context.Context) error {
			_, err := c.store.PutRevision(ctx, []byte("k"), large)
			return err
		})
	}
}

// lateWrite does a write whose context has ended.
func (m *machine) lateWrite(t *rapid.T) {
	c := m.pick(t)
	ch := Change{Key: drawBytes(t, m.cfg.Keys, "key"), Value: drawBytes(t, m.cfg.Values, "value")}
	m.learn(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	revision, err := c.store.PutRevision(ctx, ch.Key, ch.Value)
	call := ch.String() + " with a context that has ended"
	switch {
	case err == nil:
		m.acknowledged(t, c, call, []Change{ch}, revision)
	case !errors.Is(err, context.Canceled):
		t.Fatalf("%s: %s = %v, want context.Canceled", c.name, call, err)
	case errors.Is(m.outcome(t, c, call, err), kvstore.ErrOutcomeUnknown):
		m.uncertain(t, []Change{ch})
	default:
		m.learn(t)
	}
}
