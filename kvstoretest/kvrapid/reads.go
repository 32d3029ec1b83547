package kvrapid

import (
	"context"
	"errors"
	"fmt"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// read does a read and checks that it shows the model's state at a position that the client
// had meanwhile. want returns the expected result for a state.
func (m *machine) read(t *rapid.T, c *client, call string, do func(ctx context.Context) (kvstoretest.Entries, error), want func(kvstoretest.Entries) kvstoretest.Entries) {
	t.Helper()
	ctx, cancel := m.patiently() // a read waits for nothing
	defer cancel()
	from := m.position(t, c)
	got, err := do(ctx)
	if err != nil {
		t.Fatalf("%s: %s = %v\n%s", c.name, call, err, m.model.tail())
	}
	m.learn(t)
	to := m.position(t, c)
	if to > m.model.end {
		t.Fatalf("%s: Position = %d, beyond the end of the log at %d", c.name, to, m.model.end)
	}
	var wanted []kvstoretest.Entries
	for p := from; p <= to; p++ {
		state := want(m.model.at(p))
		if same(got, state) {
			return
		}
		wanted = append(wanted, state)
	}
	// The storage may be a moment ahead of the position, which then follows even if reading
	// more is blocked.
	for p := to + 1; p <= m.model.reach(); p++ {
		if same(got, want(m.model.at(p))) && c.store.WaitRevision(ctx, p-1) == nil && m.position(t, c) >= p {
			return
		}
	}
	t.Fatalf("%s: %s = %v, want %v, the state at position %d\n%s", c.name, call, got, wanted[0], from, m.model.tail())
}

func (m *machine) get(t *rapid.T) {
	c := m.pick(t)
	m.getKey(t, c, drawBytes(t, m.cfg.Keys, "key"))
}

func (m *machine) getKey(t *rapid.T, c *client, key []byte) {
	t.Helper()
	m.read(t, c, fmt.Sprintf("GetEntry(%q)", key), func(ctx context.Context) (kvstoretest.Entries, error) {
		e, err := c.store.GetEntry(ctx, key)
		if errors.Is(err, kvstore.ErrNotFound) {
			return nil, nil
		}
		return kvstoretest.Entries{e}, err
	}, func(state kvstoretest.Entries) kvstoretest.Entries { return find(state, key) })
}

func (m *machine) scanSome(t *rapid.T) {
	c := m.pick(t)
	m.scan(t, c, Ranges(m.cfg.Keys).Draw(t, "range"))
}

func (m *machine) scan(t *rapid.T, c *client, q RangeQuery) {
	t.Helper()
	m.read(t, c, "Range "+q.String(), func(ctx context.Context) (kvstoretest.Entries, error) {
		var out kvstoretest.Entries
		for e, err := range c.store.RangeEntries(ctx, q.Constraint, kvstore.QueryOptions{Limit: q.Limit}) {
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	}, func(state kvstoretest.Entries) kvstoretest.Entries { return query(state, q) })
}

// lateRead reads with a context that has ended.
func (m *machine) lateRead(t *rapid.T) {
	c := m.pick(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	key := drawBytes(t, m.cfg.Keys, "key")
	if _, err := c.store.GetEntry(ctx, key); !errors.Is(err, context.Canceled) {
		t.Fatalf("%s: GetEntry(%q) with a context that has ended = %v, want context.Canceled", c.name, key, err)
	}
	var last error
	for _, err := range c.store.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Fatalf("%s: Range with a context that has ended yields %v last, want context.Canceled", c.name, last)
	}
}

// barrier does a Sync and then a read.
func (m *machine) barrier(t *rapid.T) {
	c := m.pick(t)
	key := drawBytes(t, m.cfg.Keys, "key")
	m.step(t, func() error { return m.sync(t, c) })
	m.getKey(t, c, key)
}

// sync checks that everything that was in the log is visible after a Sync.
func (m *machine) sync(t *rapid.T, c *client) error {
	t.Helper()
	m.learn(t)
	end := m.model.end
	ctx, cancel := m.context()
	defer cancel()
	err := c.store.Sync(ctx)
	switch {
	case m.excused(err):
		return nil
	case err != nil:
		return fmt.Errorf("%s: Sync = %w", c.name, err)
	}
	m.learn(t)
	if p := m.position(t, c); p < end {
		return fmt.Errorf("%s: at position %d after a Sync, want %d at least, where the log ended", c.name, p, end)
	}
	return nil
}

// handOver makes a client wait for a revision that another one got.
func (m *machine) handOver(t *rapid.T) {
	if len(m.acked) == 0 {
		t.Skip("nothing was acknowledged")
	}
	c := m.pick(t)
	revision := rapid.SampledFrom(m.acked).Draw(t, "revision")
	ctx, cancel := m.context()
	defer cancel()
	err := c.store.WaitRevision(ctx, revision)
	switch {
	case m.excused(err):
		return
	case err != nil:
		t.Fatalf("%s: WaitRevision(%d) = %v\n%s", c.name, revision, err, m.model.tail())
	}
	if p := m.position(t, c); p <= revision {
		t.Fatalf("%s: at position %d after WaitRevision(%d)\n%s", c.name, p, revision, m.model.tail())
	}
	if r, ok := m.model.record(revision); ok {
		m.getKey(t, c, r.Key)
	}
}
