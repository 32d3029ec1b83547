package realkafka

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Environment variables; see the package documentation.
const (
	EnvBrokers = "KVSIM_KAFKA_BROKERS"
	EnvImage   = "KVSIM_KAFKA_IMAGE"
	EnvRequire = "KVSIM_REQUIRE_KAFKA"
)

// Images that are used unless an option or the environment names another.
const (
	DefaultKafkaImage    = "apache/kafka:4.4.0"
	DefaultRedpandaImage = "redpandadata/redpanda:v25.3.1"
)

// Option configures [Start] and [Launch].
type Option func(*config)

type config struct {
	image    string
	redpanda bool
	brokers  int
	own      bool
	settings map[string]string
	users    func() map[string]string // passwords by name; a function, which fmt does not look into
	external []string
	anywhere bool // the environment may name an existing cluster
}

// WithImage sets the image, with its tag: apache/kafka, apache/kafka-native, an
// image with the same entry point, or Redpanda. KVSIM_KAFKA_IMAGE is not looked
// at then.
func WithImage(image string) Option { return func(c *config) { c.image = image } }

// WithRedpanda runs [DefaultRedpandaImage] unless [WithImage] or
// KVSIM_KAFKA_IMAGE names an image.
func WithRedpanda() Option { return func(c *config) { c.redpanda = true } }

// WithBrokers sets the number of brokers, 1 unless set. Each is also a controller, so an
// odd number survives the loss of a minority. Topics have as many replicas as there are
// brokers, three at most. Redpanda runs one.
func WithBrokers(n int) Option { return func(c *config) { c.brokers = n } }

// WithBrokerConfig sets broker settings by their Kafka names, such as
// message.max.bytes. It needs containers, and Apache Kafka.
func WithBrokerConfig(settings map[string]string) Option {
	return func(c *config) { maps.Copy(c.settings, settings) }
}

// WithUsers makes clients log in, by SASL/PLAIN with one of these names and passwords, and
// gives each user only the rights of [Kafka.Allow]. It needs containers, and Apache Kafka.
func WithUsers(more map[string]string) Option {
	return func(c *config) {
		all := maps.Clone(c.users())
		maps.Copy(all, more)
		c.users = passwords(all)
	}
}

// passwords keeps passwords where nothing prints them.
func passwords(of map[string]string) func() map[string]string {
	if of == nil {
		of = map[string]string{}
	}
	return func() map[string]string { return of }
}

// Own gives the test containers that it shares with no other test, which are
// removed when it ends.
func Own() Option { return func(c *config) { c.own = true } }

// At uses an existing cluster, by the addresses of some of its brokers, instead
// of containers. KVSIM_KAFKA_BROKERS is not looked at then.
func At(brokers ...string) Option {
	return func(c *config) { c.external, c.anywhere = brokers, false }
}

// InContainers starts containers even if KVSIM_KAFKA_BROKERS names brokers.
func InContainers() Option { return func(c *config) { c.external, c.anywhere = nil, false } }

// newConfig applies options and environment. The result is complete: an image
// or external brokers, and a number of brokers.
func newConfig(opts []Option) (config, error) {
	c := config{brokers: 1, settings: map[string]string{}, users: passwords(nil), anywhere: true}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	if c.brokers < 1 || c.brokers > 9 {
		return c, fmt.Errorf("WithBrokers(%d): want 1 to 9 brokers", c.brokers)
	}
	if list := os.Getenv(EnvBrokers); list != "" && c.anywhere {
		for addr := range strings.SplitSeq(list, ",") {
			if addr = strings.TrimSpace(addr); addr != "" {
				c.external = append(c.external, addr)
			}
		}
		if len(c.external) == 0 {
			return c, fmt.Errorf("%s=%q names no broker: want host:port,host:port", EnvBrokers, list)
		}
	}
	for i, addr := range c.external {
		if strings.Contains(addr, "@") { // nothing of it is repeated, here or in the name of the cluster
			return c, fmt.Errorf("address %d of the brokers has a user or a password: write host:port", i+1)
		}
	}
	if len(c.external) > 0 {
		return c, nil
	}
	c.image = cmp.Or(c.image, os.Getenv(EnvImage))
	if c.image == "" {
		c.image = DefaultKafkaImage
		if c.redpanda {
			c.image = DefaultRedpandaImage
		}
	}
	c.redpanda = strings.Contains(c.image, "redpanda")
	if c.redpanda && (c.brokers > 1 || len(c.settings) > 0 || len(c.users()) > 0) {
		return c, fmt.Errorf("image %s: several brokers, users and broker settings are for Apache Kafka only", c.image)
	}
	return c, nil
}

// hide returns a text without the users' passwords.
func (c *config) hide(text string) string {
	for _, password := range c.users() {
		if password != "" {
			text = strings.ReplaceAll(text, password, "[hidden]")
		}
	}
	return text
}

// key distinguishes the clusters that tests share. It has passwords and is not shown.
func (c *config) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %v", c.image, c.brokers, c.external)
	for _, name := range slices.Sorted(maps.Keys(c.settings)) {
		fmt.Fprintf(&b, " %s=%s", name, c.settings[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.users())) {
		fmt.Fprintf(&b, " %s:%s", name, c.users()[name])
	}
	return b.String()
}

// replicas is the replication factor of topics.
func (c *config) replicas() int { return min(c.brokers, 3) }
