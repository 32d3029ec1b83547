package kvstoretest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// Option configures a [Kit].
type Option func(*config)

type config struct {
	brokers int
	topic   string
	configs map[string]string
	none    bool                     // without a topic
	slow    bool                     // with the times of production
	users   func() map[string]string // passwords by name; a function, which fmt does not look into
	markers time.Duration            // of transactions
	scan    time.Duration
	tcp     bool
	latency time.Duration
	seed    uint64
	timeout time.Duration
	client  []kvstore.ClientOption
	storage func(testing.TB) kvstore.Storage
	nilOpt  int // counted from 1, which option is nil; 0 for none
}

func newConfig(opts []Option) config {
	cfg := config{
		brokers: 1,
		topic:   "kv",
		configs: map[string]string{},
		seed:    1,
		timeout: 30 * time.Second,
		storage: func(testing.TB) kvstore.Storage { return memory.New() },
		users:   func() map[string]string { return nil },
	}
	for i, opt := range opts {
		if opt == nil {
			cfg.nilOpt = i + 1
			continue
		}
		opt(&cfg)
	}
	return cfg
}

// topicName is what Kafka allows.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// validate names the option and the value that make no sense.
func (c *config) validate() error {
	if err := checkTopicConfigs(c.configs); err != nil {
		return fmt.Errorf("WithTopicConfig: %w", err)
	}
	switch {
	case c.nilOpt > 0:
		return fmt.Errorf("option %d is nil: leave it out", c.nilOpt)
	case c.brokers < 1:
		return fmt.Errorf("WithBrokers(%d): a cluster needs at least 1 broker", c.brokers)
	case !topicName.MatchString(c.topic):
		return fmt.Errorf("WithTopic(%q): a topic has a name of 1 to 249 letters, digits, dots, underscores and hyphens", c.topic)
	case c.latency < 0:
		return fmt.Errorf("WithLatency(%v): latency can't be negative", c.latency)
	case c.timeout <= 0:
		return fmt.Errorf("WithTimeout(%v): the timeout has to be more than zero", c.timeout)
	case c.markers < 0 || c.scan < 0:
		return fmt.Errorf("WithTransactionDelays(%v, %v): a delay can't be negative", c.markers, c.scan)
	case c.storage == nil:
		return errors.New("WithStorage(nil): there is no function to make storages with")
	case c.tcp && c.latency > 0:
		return errors.New("WithLatency needs the in-memory network: leave WithTCP out")
	case c.tcp && inBubble():
		return errors.New("WithTCP can't be used in a synctest bubble, where real connections hang: leave WithTCP out")
	}
	return nil
}

// checkTopicConfigs refuses what no broker takes: the fake ones store any text.
func checkTopicConfigs(configs map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		value := configs[name]
		whole := slices.ContainsFunc([]string{".bytes", ".ms", ".messages", ".replicas"}, func(s string) bool { return strings.HasSuffix(name, s) })
		if _, err := strconv.ParseInt(value, 10, 64); whole && err != nil {
			return fmt.Errorf("%s=%q: it has to be a whole number", name, value)
		}
	}
	return nil
}

// WithBrokers sets the number of brokers, from 1 on. They are numbered from 0;
// broker 0 leads the topic. Default: 1.
func WithBrokers(n int) Option { return func(c *config) { c.brokers = n } }

// WithTopic sets the name of the store's topic. Default: "kv".
func WithTopic(name string) Option { return func(c *config) { c.topic = name } }

// WithTopicConfig sets topic configuration by Kafka's names and values, such as
// max.message.bytes or delete.retention.ms. cleanup.policy is compact and
// retention.ms is -1 unless set here.
func WithTopicConfig(configs map[string]string) Option {
	configs = maps.Clone(configs)
	return func(c *config) { maps.Copy(c.configs, configs) }
}

// WithoutTopic starts the cluster without the topic, for a program that creates it itself, as
// kvstore.NewClient does. [WithTopicConfig] has no effect then.
func WithoutTopic() Option { return func(c *config) { c.none = true } }

// WithTCP puts the brokers on loopback TCP, for clients outside of the process.
// The faults of the network are then not available, stopping a broker is not,
// and neither is a synctest bubble; using them fails the test.
func WithTCP() Option { return func(c *config) { c.tcp = true } }

// WithLatency makes every message between a client and a broker take d one way,
// dials too. Default: none, and nothing is delayed.
func WithLatency(d time.Duration) Option { return func(c *config) { c.latency = d } }

// WithSeed sets the seed of what is random in the network: where delays have a
// nanosecond part. Default: 1.
func WithSeed(seed uint64) Option { return func(c *config) { c.seed = seed } }

// WithTimeout bounds everything that the kit waits for: opening a client, a fault to take
// effect, a client to catch up. The test fails when it is over. It is simulated time in a
// synctest bubble. Default: 30 s.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithProductionTimes leaves clients the times of production: how long they wait before they try
// again, how old metadata may become, and how long a topic has to be gone to be believed so. It is
// for synctest bubbles, where waiting takes no time. By default they are shorter; see
// [Kit.ClientOptions].
func WithProductionTimes() Option { return func(c *config) { c.slow = true } }

// WithClientOptions adds options to every client that the kit opens, behind
// the kit's own and before those of [Kit.Open].
func WithClientOptions(opts ...kvstore.ClientOption) Option {
	return func(c *config) { c.client = append(c.client, opts...) }
}

// WithStorage makes the storages of the clients that the kit opens; it has to
// return a new one each time. Default: memory.New.
func WithStorage(fn func(testing.TB) kvstore.Storage) Option {
	return func(c *config) { c.storage = fn }
}
