package realkafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

var (
	// ErrUnavailable says that there are no brokers and none can be started here: no Docker
	// engine answers, or the image is not available.
	ErrUnavailable = errors.New("no real Kafka here")

	// ErrExternal is returned for what can't be done to a cluster that this
	// package did not start.
	ErrExternal = errors.New("the brokers are not ours to stop: it is an existing cluster (" + EnvBrokers + ")")
)

// Kafka is a running cluster. Its methods are safe for concurrent use; those
// that take a context return its error soon after it ends.
type Kafka struct {
	cfg     config
	net     *testcontainers.DockerNetwork // nil for one broker and for external ones
	nodes   []*node                       // broker i has node.id i+1; nil for external ones
	seeds   []string
	client  *kgo.Client
	admin   *kadm.Client
	version string

	closing sync.Once
	closed  error
}

// Launch starts brokers, or connects to existing ones, as the options and the
// environment say. The caller closes the result.
func Launch(ctx context.Context, opts ...Option) (*Kafka, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return launch(ctx, cfg)
}

func launch(ctx context.Context, cfg config) (*Kafka, error) {
	k := &Kafka{cfg: cfg, seeds: cfg.external}
	if len(cfg.external) == 0 {
		if err := k.startContainers(ctx); err != nil {
			return nil, errors.Join(err, k.Close())
		}
	}
	if err := k.connect(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *Kafka) startContainers(ctx context.Context) error {
	engine, err := findEngine(ctx)
	if err != nil {
		return err
	}
	if err := engine.haveImage(ctx, k.cfg.image); err != nil {
		return err
	}
	engine.removeStale(ctx)
	if k.cfg.brokers > 1 {
		if k.net, err = network.New(ctx, network.WithLabels(labels())); err != nil {
			return fmt.Errorf("make a network for the brokers: %w", err)
		}
	}
	for i := range k.cfg.brokers {
		k.nodes = append(k.nodes, &node{id: i + 1, cfg: &k.cfg, host: engine.host, net: k.net})
	}
	// Each waits for a majority of the others, so all are started together.
	var g errgroup.Group
	for _, n := range k.nodes {
		g.Go(func() error { return n.create(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, n := range k.nodes {
		k.seeds = append(k.seeds, n.addr())
	}
	return nil
}

// Bounds of connect. Containers accept connections by then, but may still be
// busy with their start.
const (
	connectTimeout  = 90 * time.Second
	existingTimeout = 20 * time.Second
)

// connect makes the clients for admin requests and waits until all brokers answer.
func (k *Kafka) connect(ctx context.Context) error {
	cl, err := kgo.NewClient(append(k.cfg.login(),
		kgo.SeedBrokers(k.seeds...),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		kgo.RetryTimeout(10*time.Second),
		kgo.DisableClientMetrics(),
	)...)
	if err != nil {
		return err
	}
	k.client, k.admin = cl, kadm.NewClient(cl)
	want := max(1, len(k.nodes))
	limit := connectTimeout
	if k.External() {
		limit = existingTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	err = poll(ctx, 100*time.Millisecond, func() error {
		md, err := k.admin.BrokerMetadata(ctx)
		if err != nil {
			return err
		}
		if len(md.Brokers) < want {
			return fmt.Errorf("%d of %d brokers are there", len(md.Brokers), want)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", strings.Join(k.seeds, ","), err)
	}
	k.version, err = k.findVersion(ctx)
	return err
}

var (
	kafkaVersion    = regexp.MustCompile(`Kafka version: (\S+)`)
	redpandaVersion = regexp.MustCompile(`Redpanda (v\d\S+)`)
)

// findVersion reads the version from the broker's own log; an external broker is asked for
// the requests that it knows, from which its release can be guessed.
func (k *Kafka) findVersion(ctx context.Context) (string, error) {
	if len(k.nodes) == 0 {
		versions, err := k.admin.ApiVersions(ctx)
		if err != nil {
			return "", fmt.Errorf("ask the brokers for their version: %w", err)
		}
		for _, v := range versions {
			if v.Err == nil {
				return "Kafka " + v.VersionGuess() + " (guessed from its requests)", nil
			}
		}
		return "", errors.New("no broker tells which requests it knows")
	}
	log, err := k.nodes[0].log(ctx)
	if err != nil {
		return "", err
	}
	if m := kafkaVersion.FindStringSubmatch(log); m != nil {
		return "Apache Kafka " + m[1], nil
	}
	if m := redpandaVersion.FindStringSubmatch(log); m != nil {
		return "Redpanda " + m[1], nil
	}
	return "unknown version of " + k.cfg.image, nil
}

// Brokers returns the addresses of all brokers, broker 1 first.
func (k *Kafka) Brokers() []string { return append([]string(nil), k.seeds...) }

// Version returns what runs, such as "Apache Kafka 4.4.0", as the broker itself
// logged it at its start.
func (k *Kafka) Version() string { return k.version }

// Redpanda reports whether the brokers are Redpanda's.
func (k *Kafka) Redpanda() bool { return k.cfg.redpanda || strings.Contains(k.version, "Redpanda") }

// External reports whether the brokers are an existing cluster, from
// KVSIM_KAFKA_BROKERS or [At].
func (k *Kafka) External() bool { return len(k.cfg.external) > 0 }

// Admin returns a client for admin requests. It is closed with k.
func (k *Kafka) Admin() *kadm.Client { return k.admin }

// String names version, place and number of the brokers.
func (k *Kafka) String() string {
	where := "image " + k.cfg.image
	if k.External() {
		where = "at " + strings.Join(k.seeds, ",")
	}
	n := "1 broker"
	if len(k.seeds) > 1 {
		n = fmt.Sprintf("%d brokers", len(k.seeds))
	}
	return fmt.Sprintf("%s (%s, %s)", k.version, where, n)
}

// Close removes the containers that Launch started. It can be called again.
func (k *Kafka) Close() error {
	k.closing.Do(func() {
		if k.client != nil {
			k.client.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var g errgroup.Group
		for _, n := range k.nodes {
			g.Go(func() error { return n.remove(ctx) })
		}
		k.closed = g.Wait()
		if k.net != nil {
			k.closed = errors.Join(k.closed, k.net.Remove(ctx))
		}
	})
	return k.closed
}

// poll calls fn until it succeeds, with pauses. When ctx ends first, the error
// is fn's last one.
func poll(ctx context.Context, pause time.Duration, fn func() error) error {
	for {
		err := fn()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, last: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// pollWhile is poll for what may fail for a while: an error that passing does not report as
// temporary is final.
func pollWhile(ctx context.Context, pause time.Duration, passing func(error) bool, fn func() error) error {
	var final error
	err := poll(ctx, pause, func() error {
		err := fn()
		if err != nil && !passing(err) {
			final = err
			return nil
		}
		return err
	})
	return cmp.Or(err, final)
}
