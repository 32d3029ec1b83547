package kvstoretest

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
)

// A member is a name under which clients connect.
type member struct {
	name   string
	opened []*kvstore.Client // by the kit
	runs   int               // how many clients with the name were recorded
	live   liveClients
}

// Client returns the kit's first client, named "client". It is opened by the
// first call and closed when the test ends.
func (k *Kit) Client() *kvstore.Client {
	k.t.Helper()
	k.mu.Lock()
	var there *kvstore.Client
	if m := k.clients["client"]; m != nil && len(m.opened) > 0 {
		there = m.opened[0]
	}
	k.mu.Unlock()
	if there != nil {
		return there
	}
	return k.Open("client")
}

// Open opens a client with a storage of its own and returns it when it has read the log.
// Faults refer to clients by the name given here. The client is closed when the test ends,
// if the test has not closed it.
//
// To restart a client, close it and open the name again.
func (k *Kit) Open(name string, opts ...kvstore.ClientOption) *kvstore.Client {
	k.t.Helper()
	return k.OpenOn(name, k.cfg.storage(k.t), opts...)
}

// OpenOn is like [Kit.Open], on a storage that the test has.
func (k *Kit) OpenOn(name string, s kvstore.Storage, opts ...kvstore.ClientOption) *kvstore.Client {
	k.t.Helper()
	ctx, cancel := k.context()
	defer cancel()
	if m := k.member(name); m.live.count() > 0 {
		k.misuse("Open(%q): a client of that name is open: close it before, or choose another name", name)
		return nil
	}
	c, err := k.open(ctx, name, s, opts)
	if err != nil {
		k.fatal("open client %q: %v", name, err)
		return nil
	}
	return c
}

// TryOpen is like [Kit.Open], for a client that is expected to have trouble: it returns the
// error of kvstore.NewClient, and only ctx bounds it.
func (k *Kit) TryOpen(ctx context.Context, name string, opts ...kvstore.ClientOption) (*kvstore.Client, error) {
	k.t.Helper()
	return k.open(ctx, name, k.cfg.storage(k.t), opts)
}

func (k *Kit) open(ctx context.Context, name string, s kvstore.Storage, opts []kvstore.ClientOption) (*kvstore.Client, error) {
	k.t.Helper()
	all := slices.Concat(k.ClientOptions(name), k.cfg.client, opts)
	c, err := kvstore.NewClient(ctx, k.cfg.topic, s, all...)
	if err != nil {
		return nil, err
	}
	m := k.member(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	m.opened = append(m.opened, c)
	return c, nil
}

// ClientOptions returns the options that a program under test must give to
// kvstore.NewClient, so that its client connects to the kit under the name: brokers, dialer
// and logger. Such a client must be closed before the test ends.
//
// So that tests in real time need not wait, retries and refreshed metadata come faster than in
// production (a backoff of 1 to 20 ms instead of 50 ms to 1 s), and a client believes that
// its topic is gone, or is another one, after a second instead of 30
// (kvstore.WithTopicGoneAfter). Later options can override this, and [WithProductionTimes]
// does for all clients.
func (k *Kit) ClientOptions(name string) []kvstore.ClientOption {
	k.t.Helper()
	opts := []kvstore.ClientOption{
		kvstore.WithBrokers(k.cluster.Seeds()...),
		kvstore.WithKafkaOptions(k.kafkaOptions(name)...),
		kvstore.WithLogger(slog.New(k.logs.handler(name))),
	}
	if !k.cfg.slow {
		opts = append(opts, kvstore.WithTopicGoneAfter(time.Second))
	}
	return opts
}

// KafkaOptions returns the options with which a plain franz-go client connects to the kit
// under the name. Such a client must be closed before the test ends. Their decompressor works
// in bubbles, but heeds no kgo.MaxDecompressBatchBytes.
func (k *Kit) KafkaOptions(name string) []kgo.Opt {
	k.t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(k.cluster.Seeds()...), kgo.WithDecompressor(recordlog.Decompressor())}
	return append(opts, k.kafkaOptions(name)...)
}

// kafkaOptions are those of [Kit.KafkaOptions] that the store's clients need, too.
func (k *Kit) kafkaOptions(name string) []kgo.Opt {
	k.t.Helper()
	m := k.member(name)
	opts := []kgo.Opt{
		kgo.Dialer(k.cluster.Dialer(name)),
		kgo.ClientID(name),
		kgo.WithHooks(&m.live),
		kgo.WithLogger(k.logs.kafka(name)),
	}
	if !k.cfg.slow {
		opts = append(opts, kgo.RetryBackoffFn(quickBackoff), kgo.MetadataMinAge(10*time.Millisecond))
	}
	return opts
}

// Dialer returns the function with which the named client reaches the brokers, for a program that
// dials by itself, or puts something of its own around connections. It is among the options of
// [Kit.KafkaOptions].
func (k *Kit) Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error) {
	k.t.Helper()
	k.member(client)
	return k.cluster.Dialer(client)
}

// quickBackoff doubles from 1 ms up to 20 ms.
func quickBackoff(failures int) time.Duration {
	return min(time.Millisecond<<min(max(0, failures-1), 5), 20*time.Millisecond)
}

// member returns the member of a name, a new one if there was none.
func (k *Kit) member(name string) *member {
	k.t.Helper()
	if name == "" {
		k.misuse("a client needs a name: faults and messages refer to it")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.clients[name]
	if m == nil {
		m = &member{name: name}
		k.clients[name] = m
		k.names = append(k.names, name)
	}
	return m
}

// nameOf returns the name under which the kit opened a client. If it did not, it returns a
// name that says so.
func (k *Kit) nameOf(kv any) string {
	if named, ok := kv.(interface{ Name() string }); ok {
		return named.Name()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range k.names {
		for _, c := range k.clients[name].opened {
			if any(c) == kv {
				return name
			}
		}
	}
	return ""
}

func (k *Kit) closeClients() {
	k.mu.Lock()
	var all []*kvstore.Client
	for _, name := range k.names {
		all = append(all, k.clients[name].opened...)
	}
	k.mu.Unlock()
	for _, c := range slices.Backward(all) {
		_ = c.Close()
	}
}

// stillOpen returns the names with a client that was not closed.
func (k *Kit) stillOpen() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.names), func(name string) bool { return k.clients[name].live.count() == 0 })
}

// liveClients knows the franz-go clients of a member that are not closed.
type liveClients struct {
	mu  sync.Mutex
	all map[*kgo.Client]bool
}

var (
	_ kgo.HookNewClient    = (*liveClients)(nil)
	_ kgo.HookClientClosed = (*liveClients)(nil)
)

// OnNewClient implements kgo.HookNewClient.
func (l *liveClients) OnNewClient(c *kgo.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[*kgo.Client]bool{}
	}
	l.all[c] = true
}

// OnClientClosed implements kgo.HookClientClosed. It may be called again.
func (l *liveClients) OnClientClosed(c *kgo.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, c)
}

func (l *liveClients) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}
