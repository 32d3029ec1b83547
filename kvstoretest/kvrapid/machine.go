package kvrapid

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A machine is one run: the cluster, its clients and the model.
//
// It does one operation at a time, so after each of them the log shows exactly what the
// operation wrote. Clients read the log at their own pace meanwhile: what they show has to
// be the model's state at a position that they had during the read.
type machine struct {
	cfg     Config
	tb      testing.TB
	cluster Cluster
	kit     *kvstoretest.Kit // nil if the cluster is not a kit
	clients []*client
	model   model
	bubble  bool // time is simulated

	faults  []*kvstoretest.Effect // the active ones
	blocked bool                  // one of them blocks operations
	acked   []int64               // revisions of acknowledged writes that are not lost
	grown   int                   // how many partitions the topic got since it was made
	doubt   bool                  // a write's outcome was unknown: its client may still be at it
}

// client is one of the machine's clients.
type client struct {
	name  string
	store kvstoretest.Store
	floor int64 // the highest position that was seen
}

func newMachine(t *rapid.T, cfg Config) *machine {
	m := &machine{cfg: cfg, tb: TB(t), bubble: inBubble()}
	m.cluster = cfg.Cluster(m.tb)
	m.kit, _ = m.cluster.(*kvstoretest.Kit)
	m.learn(t)
	for i := range cfg.Clients {
		c := &client{name: fmt.Sprintf("c%d", i+1)}
		m.clients = append(m.clients, c)
		m.open(t, c)
	}
	t.Cleanup(func() {
		m.heal()
		for _, c := range m.clients {
			if c.store != nil {
				_ = c.store.Close()
			}
		}
	})
	return m
}

// open opens a client, which must then show the log as it was before.
func (m *machine) open(t *rapid.T, c *client) {
	t.Helper()
	from := m.model.reach()
	ctx, cancel := m.patiently()
	defer cancel()
	opts := append(m.cluster.ClientOptions(c.name), m.cfg.Options...)
	if m.grown > 0 { // else the client refuses the topic
		opts = append(opts, kvstore.WithTopicValidation(kvstore.TopicValidationSkip))
	}
	kv, err := kvstore.NewClient(ctx, m.cluster.Topic(), m.cfg.Storage(m.tb), opts...)
	if err != nil {
		t.Fatalf("%s: NewClient = %v\n%s", c.name, err, m.model.tail())
	}
	c.store = m.cfg.Wrap(kv)
	c.floor = 0
	m.learn(t)
	if got := m.position(t, c); got < from {
		t.Fatalf("%s: opened at position %d, want %d at least, where the log ended when opening began\n%s", c.name, got, from, m.model.tail())
	}
}

// position reads a client's position, which must never go back, nor be beyond what there is
// to read.
func (m *machine) position(t *rapid.T, c *client) int64 {
	t.Helper()
	p := c.store.Position()
	if p < c.floor {
		t.Fatalf("%s: Position = %d after it had been %d: it went back\n%s", c.name, p, c.floor, m.model.tail())
	}
	c.floor = p
	return p
}

// learn brings the model up to the log, in which only pending writes may be new.
func (m *machine) learn(t *rapid.T) {
	t.Helper()
	m.expect(t, nil)
}

// fresh returns the records that are new in the log.
func (m *machine) fresh(t *rapid.T) []kvstoretest.LogRecord {
	t.Helper()
	records, err := m.model.learn(m.cluster.Log())
	if err != nil {
		t.Fatalf("%v\n%s", err, m.model.tail())
	}
	return records
}

// expect brings the model up to the log, in which pending writes and the given ones may be
// new. It returns those given ones that are not in the log.
func (m *machine) expect(t *rapid.T, may []Change) (left []Change) {
	t.Helper()
	left, err := m.model.claim(m.fresh(t), may)
	if err != nil {
		t.Fatalf("%v\n%s", err, m.model.tail())
	}
	return left
}

// patiently returns the context of an operation that nothing blocks.
func (m *machine) patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), m.cfg.Patience)
}

// context returns the context of an operation.
func (m *machine) context() (context.Context, context.CancelFunc) {
	if m.blocked {
		return context.WithTimeout(context.Background(), m.cfg.Impatience)
	}
	return m.patiently()
}

// excused reports whether an operation that waits may fail now.
func (m *machine) excused(err error) bool {
	return m.blocked && err != nil
}

func (m *machine) heal() {
	for _, f := range m.faults {
		f.Undo()
	}
	m.faults, m.blocked = nil, false
}

// calm ends all faults and waits until every client shows the log as it is.
func (m *machine) calm(t *rapid.T) {
	t.Helper()
	m.heal()
	for _, c := range m.clients {
		ctx, cancel := m.patiently()
		if m.kit != nil {
			m.kit.CaughtUp(c.store)
		} else if err := c.store.Sync(ctx); err != nil {
			t.Fatalf("%s: Sync = %v\n%s", c.name, err, m.model.tail())
		}
		cancel()
	}
	m.learn(t)
}

// finish checks that all clients end with the same state, that of the log.
func (m *machine) finish(t *rapid.T) {
	t.Helper()
	m.calm(t)
	for _, c := range m.clients {
		m.scan(t, c, RangeQuery{})
		m.step(t, func() error { return m.sync(t, c) })
		m.scan(t, c, RangeQuery{})
		m.live(t, c)
	}
}

// live waits until a client's status is good: it may be about to retry what failed a moment
// ago.
func (m *machine) live(t *rapid.T, c *client) {
	t.Helper()
	ctx, cancel := m.patiently()
	defer cancel()
	for {
		s := c.store.Status()
		if s.State == kvstore.StateLive && s.Err == nil {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: Status = %v (%v) after all faults, want live", c.name, s.State, s.Err)
		}
	}
}

// step runs one check that is part of another.
func (m *machine) step(t *rapid.T, fn func() error) {
	t.Helper()
	if err := fn(); err != nil {
		t.Fatalf("%v\n%s", err, m.model.tail())
	}
}

// pick draws a client.
func (m *machine) pick(t *rapid.T) *client {
	return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")]
}
