package fakecluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrClosed is returned after [Cluster.Close] by every method that needs a running
// cluster.
var ErrClosed = errors.New("fakecluster: cluster is closed")

// Options configures a cluster. The zero value means one broker, in memory, without
// latency and without topics.
type Options struct {
	// Brokers is the number of brokers; 0 means 1.
	Brokers int
	// TCP puts the brokers on loopback TCP instead of the in-memory network. There
	// are then no network faults and no network latency, and the cluster can't run
	// in a synctest bubble.
	TCP bool
	// Network configures the in-memory network.
	Network simnet.Config
	// Topics are created at the start.
	Topics []Topic
	// BrokerConfigs are Kafka broker configurations by name, such as
	// message.max.bytes.
	BrokerConfigs map[string]string
	// Logf, if not nil, gets the log lines of the brokers.
	Logf func(format string, args ...any)
	// Users are names and passwords of clients. If there are any, clients must
	// authenticate with SASL PLAIN, and need the rights that [Cluster.Allow]
	// gives.
	Users map[string]string
	// Horizons keeps tombstones and markers for delete.retention.ms after a pass
	// of compaction first came to them, as Kafka does from 3.1 on (KIP-534). A
	// reader that has read a record from the start of the log then has that long
	// to get to the tombstone that supersedes it. Without Horizons one pass may
	// remove both.
	Horizons bool
	// Coordinator says how slow the coordinator of transactions is.
	Coordinator Coordinator
	// Dir is the directory for the data after [Cluster.LoseTail] or
	// [Cluster.Crash]. Nothing else writes files. Empty means /dev/shm if it
	// exists, otherwise the system's directory for temporary files.
	Dir string
	// Kfake are additional options of kfake, applied last.
	Kfake []kfake.Opt
}

// Topic is a topic to create.
type Topic struct {
	Name string
	// Partitions is the number of partitions; 0 means 1.
	Partitions int32
	// Configs are topic configurations. [CompactConfigs] returns those for the
	// topic of a store.
	Configs map[string]string
}

// CompactConfigs returns the configurations of a compacted topic. retention.ms is -1,
// because kfake, unlike Kafka, applies retention to compacted topics too. The caller owns
// the map.
func CompactConfigs() map[string]string {
	return map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"}
}

// Cluster is a running cluster.
type Cluster struct {
	opts  Options
	net   *simnet.Network // nil on TCP
	ports []int
	users []string      // the names of Options.Users, in order
	done  chan struct{} // closed by Close
	// dialDirect dials outside the simulation; nil means TCP.
	dialDirect func(ctx context.Context, network, address string) (net.Conn, error)

	// Locks are taken in this order. Handlers, which run inside kfake's loop, take stateMu
	// only: the holder of mu may be waiting for that loop.
	op      opLock     // one operation that changes the log at a time
	mu      sync.Mutex // admin calls against Close; guards what follows
	kfake   *kfake.Cluster
	closed  bool
	dir     string // data directory after a lost tail
	stopped map[int32]func()

	stateMu   sync.Mutex // guards what follows and the parts
	parts     map[partition]*part
	topics    map[[16]byte]string
	rules     []*rule
	txns      coordinator
	replaying bool // a log is being appended again, see kfake_reopen.go
	acls      []kmsg.CreateACLsRequestCreation
	aliases   map[int64]int64              // from producer ids in the log to the ids that they stand for, see kfake_producers.go
	down      map[int32]bool               // brokers that are stopped or out of sync
	settings  map[string]map[string]string // configurations of topics that were asked for so far
	passwords map[string]string            // the present passwords of users
	asker     string                       // who sent the fetch that is being handled, see kfake_asker.go
}

// Start starts a cluster and creates its topics.
func Start(opts Options) (*Cluster, error) {
	if opts.TCP && opts.Network.Raw {
		return nil, errors.New("fakecluster: TCP and Network.Raw exclude each other: TCP has no simulated network")
	}
	if opts.Brokers < 0 {
		return nil, fmt.Errorf("fakecluster: %d brokers: need at least 1", opts.Brokers)
	}
	opts.Brokers = cmp.Or(opts.Brokers, 1)
	c := &Cluster{
		opts:    opts,
		done:    make(chan struct{}),
		op:      make(opLock, 1),
		stopped: make(map[int32]func()),
		parts:   make(map[partition]*part),
		topics:  make(map[[16]byte]string),
		aliases: make(map[int64]int64),
		down:    make(map[int32]bool),
	}
	c.passwords = maps.Clone(opts.Users)
	c.users = slices.Sorted(maps.Keys(opts.Users))
	c.txns = newCoordinator(opts.Coordinator)
	if !opts.TCP {
		n, err := simnet.New(opts.Network)
		if err != nil {
			return nil, fmt.Errorf("fakecluster: %w", err)
		}
		c.net, c.dialDirect = n, n.Direct
	}
	if err := c.boot(""); err != nil {
		c.closeNetwork()
		return nil, err
	}
	for _, t := range opts.Topics {
		if err := c.CreateTopic(t); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

// boot starts kfake. If dir is not empty, it starts from the state in that directory.
func (c *Cluster) boot(dir string) error {
	kopts := []kfake.Opt{
		kfake.NumBrokers(c.opts.Brokers),
		kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(c.opts.BrokerConfigs),
		kfake.BrokerConfigs(map[string]string{cleanerInterval: never}),
	}
	if c.net != nil {
		if c.ports == nil {
			for i := range c.opts.Brokers {
				c.ports = append(c.ports, 9092+i)
			}
		}
	}
	if c.ports != nil {
		kopts = append(kopts, kfake.Ports(c.ports...))
	}
	kopts = append(kopts, kfake.ListenFn(c.listen))
	kopts = append(kopts, c.authOptions()...)
	if dir != "" {
		kopts = append(kopts, kfake.DataDir(dir))
	}
	if c.opts.Logf != nil {
		kopts = append(kopts, kfake.WithLogger(logger{c.opts.Logf}))
	}
	k, err := kfake.NewCluster(append(kopts, c.opts.Kfake...)...)
	if err != nil {
		return fmt.Errorf("fakecluster: start brokers: %w", err)
	}
	c.kfake = k
	c.installHandlers(k)
	c.stateMu.Lock()
	rules := slices.Clone(c.rules)
	c.stateMu.Unlock()
	for _, r := range rules {
		if r.install != nil {
			r.install(k)
		}
	}
	if c.ports == nil {
		for _, a := range k.ListenAddrs() {
			_, port, _ := net.SplitHostPort(a)
			n, _ := strconv.Atoi(port)
			c.ports = append(c.ports, n)
		}
	}
	return nil
}

type logger struct {
	logf func(string, ...any)
}

func (l logger) Logf(level kfake.LogLevel, msg string, args ...any) {
	if level <= kfake.LogLevelInfo {
		l.logf("kfake: "+msg, args...)
	}
}

// Seeds returns the addresses of all brokers, in order of their numbers.
func (c *Cluster) Seeds() []string {
	out := make([]string, len(c.ports))
	for i, p := range c.ports {
		out[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	}
	return out
}

// Brokers returns the number of brokers. They are numbered from 0.
func (c *Cluster) Brokers() int { return c.opts.Brokers }

// Network returns the in-memory network, or nil on TCP.
func (c *Cluster) Network() *simnet.Network { return c.net }

// Dialer returns the dial function of a named client, for kgo.Dialer. On TCP
// the name is ignored.
func (c *Cluster) Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error) {
	if c.net == nil {
		var d net.Dialer
		return d.DialContext
	}
	return c.net.Dialer(client)
}

// Close stops the cluster and resets its connections. It never hangs and may be called
// again.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.done)
	c.stopTimers()
	c.kfake.Close()
	c.closeNetwork()
	if c.dir != "" {
		return os.RemoveAll(c.dir)
	}
	return nil
}

func (c *Cluster) closeNetwork() {
	if c.net != nil {
		_ = c.net.Close()
	}
}

// do calls fn with kfake, and keeps the cluster from being closed meanwhile: an admin call
// to a closed kfake would hang.
func (c *Cluster) do(fn func(*kfake.Cluster) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	return fn(c.kfake)
}

// opLock is a lock that a goroutine may hold while simulated time passes. A sync.Mutex is
// not: in a bubble, time stands still as long as a goroutine waits for one.
type opLock chan struct{}

func (l opLock) lock()   { l <- struct{}{} }
func (l opLock) unlock() { <-l }

// settle lets some simulated time pass on a network with latency, so that each step of the
// harness happens at an instant of its own, and its effects are over before the next step.
// The time is one round of the network's lanes, so that the harness stays in its own lane.
// The caller must hold no mutex.
func (c *Cluster) settle() {
	if c.net != nil && !c.opts.Network.Latency.IsZero() {
		time.Sleep(simnet.Round)
	}
}

// exclusive calls fn while kfake's loop stands still between two requests: kfake handles no
// request until fn returns, but serves admin calls. fn must not send requests. The caller
// must not hold mu.
func (c *Cluster) exclusive(fn func(*kfake.Cluster) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	return c.exclusiveLocked(fn)
}

func (c *Cluster) exclusiveLocked(fn func(*kfake.Cluster) error) error {
	// fn is run by the handler of a request that no client of a store sends.
	const key = kmsg.ListPartitionReassignments
	k := c.kfake
	var taken atomic.Bool // by the control, or by the failure to reach it
	result := make(chan error, 1)
	k.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if taken.Swap(true) {
			k.DropControl()
			return nil, nil, false
		}
		result <- fn(k)
		return req.ResponseKind(), nil, true
	})
	_, err := c.request(0, kmsg.NewPtrListPartitionReassignmentsRequest())
	if taken.Swap(true) {
		return <-result // fn may have closed kfake, so an error is expected
	}
	return err
}

// Partition returns the state of a partition.
func (c *Cluster) Partition(topic string, partition int32) (kfake.PartitionInfo, error) {
	info, err := c.info(topic, partition)
	if errors.Is(err, ErrNoPartition) {
		err = fmt.Errorf("fakecluster: %s-%d: %w", topic, partition, err)
	}
	return info, err
}

// info is [Cluster.Partition] for callers whose own error names the partition.
func (c *Cluster) info(topic string, partition int32) (info kfake.PartitionInfo, err error) {
	err = c.do(func(k *kfake.Cluster) error {
		i := k.PartitionInfo(topic, partition)
		if i == nil {
			return ErrNoPartition
		}
		info = *i
		return nil
	})
	return info, err
}

// EndOffset returns the offset that the next record of a partition gets.
func (c *Cluster) EndOffset(topic string, partition int32) (int64, error) {
	info, err := c.Partition(topic, partition)
	return info.HighWatermark, err
}
