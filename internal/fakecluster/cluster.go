package fakecluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrClosed is returned by every method that needs a running cluster after
// [Cluster.Close].
var ErrClosed = errors.New("fakecluster: cluster is closed")

// Options configure a cluster. The zero value is one broker in memory without
// latency and without topics.
type Options struct {
	// Brokers is the number of brokers; 0 means 1.
	Brokers int
	// TCP puts the brokers on loopback TCP instead of the in-memory network.
	// Network faults and network latency are then not available, nor is a
	// synctest bubble.
	TCP bool
	// Network configures the in-memory network.
	Network simnet.Config
	// Topics are created at the start.
	Topics []Topic
	// BrokerConfigs are Kafka broker configurations by name, such as
	// message.max.bytes.
	BrokerConfigs map[string]string
	// Logf, when set, gets the log lines of the brokers.
	Logf func(format string, args ...any)
	// Kfake are further options of kfake, applied last.
	Kfake []kfake.Opt
}

// Topic is a topic to create.
type Topic struct {
	Name string
	// Partitions is the number of partitions; 0 means 1.
	Partitions int32
	// Configs are topic configurations. [CompactConfigs] are those of a
	// store's topic.
	Configs map[string]string
}

// CompactConfigs returns the configurations of a compacted topic: retention.ms
// is -1 because kfake, other than Kafka, applies retention to compacted topics
// too. The caller owns the map.
func CompactConfigs() map[string]string {
	return map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"}
}

// Cluster is a running cluster.
type Cluster struct {
	opts  Options
	net   *simnet.Network // nil on TCP
	ports []int

	mu      sync.Mutex // guards what follows, and admin calls against Close
	kfake   *kfake.Cluster
	closed  bool
	stopped map[int32]func()
	topics  map[string]*topicState
	done    chan struct{}
}

// Start starts a cluster and creates its topics.
func Start(opts Options) (*Cluster, error) {
	if opts.Brokers < 0 {
		return nil, fmt.Errorf("fakecluster: %d brokers: need at least 1", opts.Brokers)
	}
	if opts.Brokers == 0 {
		opts.Brokers = 1
	}
	c := &Cluster{
		opts:    opts,
		stopped: make(map[int32]func()),
		topics:  make(map[string]*topicState),
		done:    make(chan struct{}),
	}
	if !opts.TCP {
		n, err := simnet.New(opts.Network)
		if err != nil {
			return nil, fmt.Errorf("fakecluster: %w", err)
		}
		c.net = n
	}
	if err := c.boot(""); err != nil {
		c.closeNetwork()
		return nil, err
	}
	for _, t := range opts.Topics {
		if err := c.CreateTopic(t); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// never is a broker's housekeeping interval that no simulation reaches:
// compaction, retention and offset expiry happen when the caller says so.
var never = strconv.FormatInt((200 * 365 * 24 * time.Hour).Milliseconds(), 10)

// boot starts kfake, from the state in dir if that is not empty.
func (c *Cluster) boot(dir string) error {
	kopts := []kfake.Opt{
		kfake.NumBrokers(c.opts.Brokers),
		kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": never}),
		kfake.BrokerConfigs(c.opts.BrokerConfigs),
	}
	if c.net != nil {
		if c.ports == nil {
			for i := range c.opts.Brokers {
				c.ports = append(c.ports, 9092+i)
			}
		}
		kopts = append(kopts, kfake.ListenFn(c.net.Listen))
	}
	if c.ports != nil {
		kopts = append(kopts, kfake.Ports(c.ports...))
	}
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

// Close stops the cluster and resets its connections. It never hangs and can
// be called again.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.done)
	c.kfake.Close()
	c.closeNetwork()
	return nil
}

func (c *Cluster) closeNetwork() {
	if c.net != nil {
		c.net.Close()
	}
}

// do runs fn with kfake while the cluster cannot be closed: an admin call to
// a closed kfake hangs for ever.
func (c *Cluster) do(fn func(*kfake.Cluster) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	return fn(c.kfake)
}

// topicState is what the cluster knows about a topic beyond kfake.
type topicState struct {
	spec Topic
}

// CreateTopic creates a topic. The leader of partition p is broker p modulo
// the number of brokers, other than in kfake, which draws it.
func (c *Cluster) CreateTopic(t Topic) error {
	if t.Partitions == 0 {
		t.Partitions = 1
	}
	err := c.do(func(k *kfake.Cluster) error {
		if err := k.CreateTopic(t.Name, t.Partitions, t.Configs); err != nil {
			return err
		}
		c.topics[t.Name] = &topicState{spec: t}
		for p := range t.Partitions {
			want := p % int32(c.opts.Brokers)
			if k.LeaderFor(t.Name, p) == want {
				continue
			}
			if err := k.MoveTopicPartition(t.Name, p, want); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fakecluster: create topic %q: %w", t.Name, err)
	}
	return nil
}

// Partition returns the state of a partition.
func (c *Cluster) Partition(topic string, partition int32) (kfake.PartitionInfo, error) {
	var info kfake.PartitionInfo
	err := c.do(func(k *kfake.Cluster) error {
		i := k.PartitionInfo(topic, partition)
		if i == nil {
			return fmt.Errorf("fakecluster: %s-%d: %w", topic, partition, ErrNoPartition)
		}
		info = *i
		return nil
	})
	return info, err
}

// ErrNoPartition is returned for a topic or partition that does not exist.
var ErrNoPartition = errors.New("no such topic or partition")

// EndOffset returns the offset that the next record of a partition gets.
func (c *Cluster) EndOffset(topic string, partition int32) (int64, error) {
	info, err := c.Partition(topic, partition)
	return info.HighWatermark, err
}
