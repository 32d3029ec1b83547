package kvstore_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

const topic = "kv"

// world is a kit with clients in simulated time. Its clients wait as long as in production.
type world struct {
	*kvstoretest.Kit
	t       *testing.T
	cluster *fakecluster.Cluster // of the kit, for what no user of it needs
	logs    *logBook
}

// insider is told which cluster a kit runs.
type insider struct {
	testing.TB
	cluster *fakecluster.Cluster
}

// GotCluster is called by the kit.
func (i *insider) GotCluster(c *fakecluster.Cluster) { i.cluster = c }

// inWorld runs fn in a bubble with a kit of its own. A goroutine or a client that is left at
// the end fails the test.
func inWorld(t *testing.T, opts []kvstoretest.Option, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in := &insider{TB: t}
		kit := kvstoretest.New(in, append([]kvstoretest.Option{
			kvstoretest.WithProductionTimes(), kvstoretest.WithTimeout(time.Minute),
		}, opts...)...)
		fn(t, &world{Kit: kit, t: t, cluster: in.cluster, logs: &logBook{}})
	})
}

// withTopic is a cluster of n brokers that has the topic.
func withTopic(n int, more ...kvstoretest.Option) []kvstoretest.Option {
	return append([]kvstoretest.Option{kvstoretest.WithBrokers(n)}, more...)
}

// noTopic is a cluster without the topic.
func noTopic(more ...kvstoretest.Option) []kvstoretest.Option {
	return append([]kvstoretest.Option{kvstoretest.WithoutTopic()}, more...)
}

// options connect a client of that name to the cluster.
func (w *world) options(name string, more ...kvstore.ClientOption) []kvstore.ClientOption {
	w.t.Helper()
	return append(append(w.ClientOptions(name), kvstore.WithLogger(slog.New(w.logs))), more...)
}

// open opens a client on memory and closes it at the end of the test.
func (w *world) open(name string, more ...kvstore.ClientOption) *kvstore.Client {
	w.t.Helper()
	return w.openOn(name, memory.New(), more...)
}

func (w *world) openOn(name string, s kvstore.Storage, more ...kvstore.ClientOption) *kvstore.Client {
	w.t.Helper()
	c := w.OpenOn(name, s, append([]kvstore.ClientOption{kvstore.WithLogger(slog.New(w.logs))}, more...)...)
	w.t.Cleanup(func() { _ = c.Close() }) // before what the test has to clean up after it
	return c
}

// opening opens a client in a goroutine. The returned function waits for it; if it can't be opened,
// that ends the test.
func (w *world) opening(name string, more ...kvstore.ClientOption) (opened func() *kvstore.Client) {
	result := make(chan *kvstore.Client, 1)
	go func() {
		defer close(result) // also when a failed opening ends this goroutine
		result <- w.open(name, more...)
	}()
	return func() *kvstore.Client {
		w.t.Helper()
		c, ok := <-result
		if !ok {
			w.t.FailNow() // open has said why
		}
		return c
	}
}

// kafka returns a plain franz-go client, closed at the end of the test.
func (w *world) kafka(name string, opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(append(w.KafkaOptions(name),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100*time.Millisecond),
	), opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

// produce writes records as another program would.
func (w *world) produce(cl *kgo.Client, records ...*kgo.Record) {
	w.t.Helper()
	if err := cl.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// loseTail loses the records of the log from an offset on.
func (w *world) loseTail(from int64) {
	w.t.Helper()
	w.LoseTail(int(w.End() - from))
}

// What is below is not for users of a kit: they can see or do it with a Kafka client of their own, or
// have no use for it.

// batches returns the raw log.
func (w *world) batches() []fakecluster.Batch {
	w.t.Helper()
	bs, err := w.cluster.ReadLog(topic, 0, 0)
	must(w.t, err)
	return bs
}

// largestBatch returns the bytes of the largest record batch in the log.
func (w *world) largestBatch() int {
	largest := 0
	for _, b := range w.batches() {
		largest = max(largest, len(b.Raw))
	}
	return largest
}

func (w *world) topicExists() bool {
	_, err := w.cluster.EndOffset(topic, 0)
	return err == nil
}

func (w *world) deleteTopic() {
	w.t.Helper()
	must(w.t, w.cluster.DeleteTopic(topic))
}

// refuseDials keeps a client from connecting until undone.
func (w *world) refuseDials(client string) fakecluster.Effect {
	return w.cluster.Network().RefuseDials(simnet.Target{Clients: []string{client}})
}

// eventually waits in simulated time until ok; a minute is forever.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within a simulated minute: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (w *world) put(c *kvstore.Client, key, value string) int64 {
	w.t.Helper()
	rev, err := c.PutRevision(w.t.Context(), []byte(key), []byte(value))
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

// want is WantValue by Get, where the kit asks for the entry.
func (w *world) want(c *kvstore.Client, key, value string) {
	w.t.Helper()
	got, err := c.Get(w.t.Context(), []byte(key))
	if err != nil || string(got) != value {
		w.t.Errorf("Get(%q) = %q, %v; want %q", key, got, err, value)
	}
}

// contents returns what a client shows by Range, as one text; the kit asks for entries.
func (w *world) contents(c *kvstore.Client) string {
	w.t.Helper()
	var out strings.Builder
	for kv, err := range c.Range(w.t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s=%s ", kv.Key, kv.Value)
	}
	return out.String()
}

// within returns a context that ends after d of simulated time.
func (w *world) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	w.t.Cleanup(cancel)
	return ctx
}

// took runs fn and returns how much simulated time it took.
func took(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

// logBook is a slog handler that keeps the messages.
type logBook struct {
	mu       sync.Mutex
	messages []string
}

func (l *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logBook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logBook) WithGroup(string) slog.Handler            { return l }

func (l *logBook) Handle(_ context.Context, r slog.Record) error {
	msg := r.Message
	r.Attrs(func(a slog.Attr) bool { msg += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, msg)
	return nil
}

func (l *logBook) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.messages...)
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

func (h *hookBook) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.events...)
}

func (h *hookBook) options() []kvstore.ClientOption {
	return []kvstore.ClientOption{
		kvstore.WithOnSetHook(func(k, v []byte) { h.add("set %s=%s", k, v) }),
		kvstore.WithOnDeleteHook(func(k []byte) { h.add("delete %s", k) }),
	}
}

func target(clients ...string) kvstoretest.Traffic { return kvstoretest.Traffic{Clients: clients} }

// plainStorage is a storage with nothing but what Storage asks for.
type plainStorage struct {
	mu   sync.RWMutex
	data map[string][]byte
}

func newPlain() *plainStorage { return &plainStorage{data: map[string][]byte{}} }

func (p *plainStorage) Get(_ context.Context, key []byte) ([]byte, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v, ok := p.data[string(key)]
	if !ok {
		return nil, kvstore.ErrNotFound
	}
	return v, nil
}

func (p *plainStorage) Set(_ context.Context, key, value []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data[string(key)] = value
	return nil
}

func (p *plainStorage) Delete(_ context.Context, key []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.data, string(key))
	return nil
}

func (p *plainStorage) Range(_ context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		p.mu.RLock()
		keys := slices.Sorted(maps.Keys(p.data))
		p.mu.RUnlock()
		n := 0
		for _, k := range keys {
			if !c.Contains([]byte(k)) {
				continue
			}
			if opts.Limit > 0 && n == opts.Limit {
				return
			}
			p.mu.RLock()
			v, ok := p.data[k]
			p.mu.RUnlock()
			if !ok {
				continue
			}
			n++
			if !yield(kvstore.KeyValue{Key: []byte(k), Value: v}, nil) {
				return
			}
		}
	}
}
