package realkafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// A condition that is not met in this time will never be.
const patience = time.Minute

// world is a topic on real brokers with clients of the store.
type world struct {
	t     *testing.T
	k     *realkafka.Cluster
	topic string
}

// keepAll lets the cleaner take nothing until Compact is called, so that a log can be
// checked for what was written. Tombstones stay for a day: with the second of
// realkafka.TopicConfigs a client that a slow broker delays rereads the log.
var keepAll = map[string]string{"min.compaction.lag.ms": "3600000", "delete.retention.ms": "86400000"}

func newWorld(t *testing.T, opts ...realkafka.Option) *world {
	t.Helper()
	k := realkafka.Start(t, opts...)
	return &world{t: t, k: k, topic: k.Topic(keepAll)}
}

func (w *world) options(more ...kvstore.ClientOption) []kvstore.ClientOption {
	return append([]kvstore.ClientOption{
		kvstore.WithBrokers(w.k.Brokers()...),
		kvstore.WithLogger(slog.New(slog.DiscardHandler)),
	}, more...)
}

// open opens a client and closes it at the end of the test.
func (w *world) open(more ...kvstore.ClientOption) *kvstore.Client {
	w.t.Helper()
	c, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(), w.options(more...)...)
	if err != nil {
		w.t.Fatalf("open a client: %v", err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// within returns a context that ends after d, or with the test.
func (w *world) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) put(c *kvstore.Client, key, value string) int64 {
	w.t.Helper()
	rev, err := c.PutRevision(w.within(patience), []byte(key), []byte(value))
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	produce(w.t, w.k, w.topic, records...)
}

// end returns the high watermark.
func (w *world) end() int64 {
	w.t.Helper()
	_, end := w.k.Offsets(w.topic)
	return end
}

// wantContents checks what a client shows, as "key=value key=value".
func (w *world) wantContents(c *kvstore.Client, want string) {
	w.t.Helper()
	if got := contents(w.t, w.within(patience), c); got != want {
		w.t.Errorf("contents = %q, want %q", got, want)
	}
}

func contents(t testing.TB, ctx context.Context, c *kvstore.Client) string {
	t.Helper()
	var out []string
	for kv, err := range c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
	}
	return strings.Join(out, " ")
}

// wantAtEnd checks that a client stands at the end of the log.
func (w *world) wantAtEnd(c *kvstore.Client) {
	w.t.Helper()
	if got, want := c.Position(), w.end(); got != want {
		w.t.Errorf("Position() = %d, want the end of the log, %d", got, want)
	}
}

// eventually waits until ok.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// transaction writes records in a transaction and leaves it open; the returned
// function ends it.
func (w *world) transaction(records ...*kgo.Record) (end func(commit bool)) {
	w.t.Helper()
	cl := plain(w.t, w.k, w.topic, kgo.TransactionalID(w.topic+"-txn"))
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	if err := cl.ProduceSync(w.within(patience), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	return func(commit bool) {
		w.t.Helper()
		if err := cl.EndTransaction(w.within(patience), kgo.TransactionEndTry(commit)); err != nil {
			w.t.Fatal(err)
		}
		// The coordinator answers before the marker is in the log.
		w.eventually("the marker", func() bool {
			log := w.k.ReadLog(w.topic)
			return len(log) == 0 || log[len(log)-1].Control
		})
	}
}

// gate lets what brokers send through to a client, or holds it back.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

func (g *gate) wait() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
}

// dialer is the kgo option that puts a client behind the gate.
func (g *gate) dialer() kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return gatedConn{conn, g}, nil
	}))
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (c gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.gate.wait()
	return n, err
}

// batchText prints a batch: each record as offset:key=value, a tombstone as
// offset:key, markers as offset:commit and offset:abort.
func batchText(b realkafka.Batch) string {
	if commit, ok := b.Marker(); ok {
		if commit {
			return fmt.Sprintf("%d:commit", b.FirstOffset)
		}
		return fmt.Sprintf("%d:abort", b.FirstOffset)
	}
	if len(b.Records) == 0 {
		return fmt.Sprintf("%d:empty", b.LastOffset)
	}
	var out []string
	for _, r := range b.Records {
		s := fmt.Sprintf("%d:%s", r.Offset, r.Key)
		if r.Value != nil {
			s += "=" + string(r.Value)
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}

// hookBook records what the hooks of a client were told.
type hookBook struct {
	mu     sync.Mutex
	events []string
}

func (h *hookBook) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, fmt.Sprintf(format, args...))
}

func (h *hookBook) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.events, ", ")
}

func (h *hookBook) options() []kvstore.ClientOption {
	return []kvstore.ClientOption{
		kvstore.WithOnSetHook(func(k, v []byte) { h.add("set %s=%s", k, v) }),
		kvstore.WithOnDeleteHook(func(k []byte) { h.add("delete %s", k) }),
	}
}
