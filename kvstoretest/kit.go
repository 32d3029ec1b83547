package kvstoretest

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
	"github.com/kvsim/kvsim/internal/valve"
	"github.com/kvsim/kvsim/kvstore"
)

// Kit is a running cluster with a topic for a store, the clients that were
// opened on it, and whatever is done to it. It belongs to one test and ends with
// it. All methods are safe for concurrent use; those that can fail end the test
// with Fatalf and so have to be called from the test's own goroutine.
type Kit struct {
	t       testing.TB
	cfg     config
	cluster *fakecluster.Cluster
	logs    *logBook

	mu      sync.Mutex
	clients map[string]*member
	names   []string // of the clients, in the order of their first use
	faults  []*Effect
	cut     int // how often the log lost its tail
	txns    int // how many transactions were begun
	history *history

	valve valve.Valve   // keeps the ends of operations out of the history while the log is being changed
	logOp chan struct{} // of capacity 1: one such change at a time
}

// String says what it is. It shows no password.
func (k *Kit) String() string { return "kit on the topic " + strconv.Quote(k.Topic()) }

// New starts a cluster with an empty topic, and stops it when the test ends.
//
//	kit := kvstoretest.New(t)
//	kv := kit.Client()
//
// It works in real time and inside a synctest bubble, there with simulated time: call it
// within the function given to synctest.Test. Each kit is a world of its own, so tests may
// run in parallel. It ends its own goroutines; a client that the test opened on it by
// itself and never closed fails the test.
//
// What clients and brokers log is attached to the test if it fails.
func New(t testing.TB, opts ...Option) *Kit {
	t.Helper()
	cfg := newConfig(opts)
	k := &Kit{t: t, cfg: cfg, clients: map[string]*member{}, logOp: make(chan struct{}, 1)}
	k.logs = newLogBook()
	if err := cfg.validate(); err != nil {
		k.misuse("%v", err)
		return k
	}
	var topics []fakecluster.Topic
	if !cfg.none {
		configs := fakecluster.CompactConfigs()
		maps.Copy(configs, cfg.configs)
		topics = append(topics, fakecluster.Topic{Name: cfg.topic, Configs: configs})
	}
	c, err := fakecluster.Start(fakecluster.Options{
		Brokers: cfg.brokers,
		TCP:     cfg.tcp,
		Network: simnet.Config{Seed: cfg.seed, Latency: constant(cfg.latency)},
		Topics:  topics,
		Logf:    k.logs.logf,
		Users:   maps.Clone(cfg.users()),

		Coordinator: fakecluster.Coordinator{Seed: cfg.seed, Markers: cfg.markers, Scan: cfg.scan},
	})
	if err != nil {
		k.fatal("start the cluster: %v", err)
		return k
	}
	k.cluster = c
	if own, ok := t.(insider); ok {
		own.GotCluster(c)
	}
	t.Cleanup(k.close)
	return k
}

// insider is implemented by the testing.TB of tests that need more of the brokers than what the kit
// offers. They can only be this module's own, as nobody else can name the type.
type insider interface {
	// GotCluster is called once, before New returns. The kit closes the cluster.
	GotCluster(c *fakecluster.Cluster)
}

// NewStore is [New] for a test that needs nothing but a store: it returns the
// kit's client, which is closed when the test ends.
func NewStore(t testing.TB, opts ...Option) *kvstore.Client {
	t.Helper()
	return New(t, opts...).Client()
}

// Topic returns the name of the store's topic.
func (k *Kit) Topic() string { return k.cfg.topic }

// Brokers returns the addresses of the brokers, in order of their numbers. They
// can be dialed from outside of the kit only with [WithTCP]; see
// [Kit.ClientOptions] for programs under test.
func (k *Kit) Brokers() []string { return k.cluster.Seeds() }

// close ends the kit. It runs when the test ends.
func (k *Kit) close() {
	k.t.Helper()
	k.undoAll()
	k.closeClients()
	for _, name := range k.stillOpen() {
		k.t.Errorf("kvstoretest: client %q is still open at the end of the test: Close it, so that its goroutines end", name)
	}
	if err := k.cluster.Close(); err != nil {
		k.t.Errorf("kvstoretest: close the cluster: %v", err)
	}
	if k.t.Failed() {
		k.logs.attach(k.t)
	}
}

// undoAll ends every fault, the newest one first.
func (k *Kit) undoAll() {
	k.mu.Lock()
	faults := slices.Clone(k.faults)
	k.mu.Unlock()
	for _, f := range slices.Backward(faults) {
		f.Undo()
	}
}

// context returns one that ends after the kit's timeout. It outlives the
// test's own, which ends before the functions that clean up are called.
func (k *Kit) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(k.t.Context()), k.cfg.timeout)
}

// misuse ends a test that uses the kit wrongly.
func (k *Kit) misuse(format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("kvstoretest: "+format, args...)
}

// require ends a test that uses the kit wrongly, and otherwise returns true.
func (k *Kit) require(ok bool, format string, args ...any) bool {
	k.t.Helper()
	if !ok {
		k.misuse(format, args...)
	}
	return ok
}

// fatal ends a test because something did not work that should have.
func (k *Kit) fatal(format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("kvstoretest: "+format, args...)
}

// constant is a latency of exactly d; zero is none at all.
func constant(d time.Duration) simnet.Latency { return simnet.Latency{Min: d, Mean: d, Max: d} }

// inBubble reports whether the caller runs in a synctest bubble. The first line
// of a stack trace says so, and nothing else does.
func inBubble() bool {
	buf := make([]byte, 128)
	line, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), "\n")
	return strings.Contains(line, "synctest")
}
