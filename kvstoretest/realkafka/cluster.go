package realkafka

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// opTimeout bounds each operation that a test asks the brokers to do.
const opTimeout = 3 * time.Minute

// Cluster is a cluster that a test uses. If something can't be done, the test fails with
// the reason.
type Cluster struct {
	t testing.TB
	k *Kafka
}

// Start gives a test real brokers. If there are none, it skips the test and says why, or
// fails it if KVSIM_REQUIRE_KAFKA=1 is set. The cluster is shared with other tests of the
// binary that ask for the same options, unless [Own] is among these or TestMain does not
// call [Run].
//
// Tests that stop brokers must not run in parallel with others on the same
// cluster: give them Own.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	cfg, err := newConfig(opts)
	if err != nil {
		t.Fatalf("realkafka: %v", err)
	}
	if len(cfg.external) > 0 && (len(cfg.settings) > 0 || len(cfg.users()) > 0 || cfg.brokers > 1 || cfg.own) {
		miss(t, "the test needs brokers of its own, and %s names existing ones", EnvBrokers)
	}
	k, err := acquire(t, cfg)
	switch {
	case errors.Is(err, ErrUnavailable):
		miss(t, "%v", err)
	case err != nil:
		t.Fatalf("realkafka: %v", err)
	}
	return &Cluster{t: t, k: k}
}

// miss skips a test that can't be run here, or fails it where it must run.
func miss(t testing.TB, format string, args ...any) {
	t.Helper()
	if v := os.Getenv(EnvRequire); v != "" && v != "0" && v != "false" {
		t.Fatalf("realkafka: "+format+" ("+EnvRequire+" is set)", args...)
	}
	t.Skipf("realkafka: "+format, args...)
}

// Kafka returns the cluster itself, with methods that return errors. The test must not
// close it.
func (c *Cluster) Kafka() *Kafka { return c.k }

// Brokers returns the addresses of all brokers, broker 1 first.
func (c *Cluster) Brokers() []string { return c.k.Brokers() }

// Version returns what runs, such as "Apache Kafka 4.4.0".
func (c *Cluster) Version() string { return c.k.Version() }

// Admin returns a client for admin requests. It is closed with the cluster.
func (c *Cluster) Admin() *kadm.Client { return c.k.Admin() }

// do calls fn with the time that a call may take, and ends the test if it returns an error.
func (c *Cluster) do(fn func(ctx context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), opTimeout)
	defer cancel()
	err := fn(ctx)
	if errors.Is(err, ErrExternal) {
		miss(c.t, "%v", err)
	}
	if err != nil {
		c.t.Fatalf("realkafka: %v", err)
	}
}

// Name returns a topic name that no other test uses. The topic does not exist yet; if it
// does when the test ends, it is deleted.
func (c *Cluster) Name() string {
	name := "kvsim-" + strings.ToLower(strings.Map(nameRune, c.t.Name())) + "-" + strings.ToLower(unique())
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		// It may be deleted already, and the cluster may be broken by a failure.
		_, _ = c.k.admin.DeleteTopic(ctx, name)
	})
	return name
}

// nameRune maps what a topic name can't have to '-'.
func nameRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
		return r
	}
	return '-'
}

// Topic creates a topic of one partition and returns its name. Its settings are
// [TopicConfigs], overridden by those given. It is deleted when the test ends.
func (c *Cluster) Topic(settings map[string]string) string {
	c.t.Helper()
	name := c.Name()
	c.CreateTopic(name, settings)
	return name
}

// StopBroker shuts a broker down. It is started again when the test ends, if
// not before.
func (c *Cluster) StopBroker(broker int) {
	c.t.Helper()
	c.restoreAtEnd(broker)
	c.do(func(ctx context.Context) error { return c.k.StopBroker(ctx, broker) })
}

// KillBroker ends a broker as a crash does. It is started again when the test
// ends, if not before.
func (c *Cluster) KillBroker(broker int) {
	c.t.Helper()
	c.restoreAtEnd(broker)
	c.do(func(ctx context.Context) error { return c.k.KillBroker(ctx, broker) })
}

// restoreAtEnd arranges that the broker is started when the test ends.
func (c *Cluster) restoreAtEnd(broker int) {
	if c.k.External() {
		return
	}
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
		defer cancel()
		if err := c.k.StartBroker(ctx, broker); err != nil {
			c.t.Errorf("realkafka: %v", err)
		}
	})
}

// StartBroker starts a stopped broker with its data and on its port, and
// returns when it answers.
func (c *Cluster) StartBroker(broker int) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.StartBroker(ctx, broker) })
}

// Leader returns the broker that leads a topic's partition 0, and its epoch.
func (c *Cluster) Leader(topic string) (broker int, epoch int32) {
	c.t.Helper()
	c.do(func(ctx context.Context) (err error) {
		broker, epoch, err = c.k.Leader(ctx, topic)
		return err
	})
	return broker, epoch
}

// MoveLeader makes a broker the leader of a topic's partition 0.
func (c *Cluster) MoveLeader(topic string, to int) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.MoveLeader(ctx, topic, to) })
}

// LoseTail makes a topic lose what write appends; see [Kafka.LoseTail].
func (c *Cluster) LoseTail(topic string, write func()) {
	c.t.Helper()
	for broker := range len(c.k.nodes) {
		c.restoreAtEnd(broker + 1)
	}
	c.do(func(ctx context.Context) error {
		return c.k.LoseTail(ctx, topic, func() error { write(); return nil })
	})
}

// Compact makes the broker compact a topic and returns when that is done.
func (c *Cluster) Compact(topic string) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.Compact(ctx, topic) })
}

// AlterTopic changes settings of a topic. Brokers learn of the change a little later.
func (c *Cluster) AlterTopic(topic string, settings map[string]string) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.AlterTopic(ctx, topic, settings) })
}

// DeleteTopic deletes a topic and returns when the brokers no longer know it.
func (c *Cluster) DeleteTopic(topic string) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.DeleteTopic(ctx, topic) })
}

// CreateTopic creates a topic, as [Cluster.Topic] does, under a name that
// [Cluster.Name] gave.
func (c *Cluster) CreateTopic(name string, settings map[string]string) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.CreateTopic(ctx, name, settings) })
}

// DeleteRecords deletes the records below an offset; -1 means all.
func (c *Cluster) DeleteRecords(topic string, before int64) {
	c.t.Helper()
	c.do(func(ctx context.Context) error {
		_, err := c.k.DeleteRecords(ctx, topic, before)
		return err
	})
}

// ReadLog returns every record batch of a topic's partition 0.
func (c *Cluster) ReadLog(topic string) (batches []Batch) {
	c.t.Helper()
	c.do(func(ctx context.Context) (err error) {
		batches, err = c.k.ReadLog(ctx, topic)
		return err
	})
	return batches
}

// Offsets returns the log start offset and the high watermark of a topic's
// partition 0.
func (c *Cluster) Offsets(topic string) (start, end int64) {
	c.t.Helper()
	c.do(func(ctx context.Context) (err error) {
		start, end, err = c.k.Offsets(ctx, topic)
		return err
	})
	return start, end
}
