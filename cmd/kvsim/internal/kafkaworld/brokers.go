package kafkaworld

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

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
	"github.com/kvsim/kvsim/sim"
)

// Options says which brokers worlds run on.
type Options struct {
	// Addrs are addresses of an existing cluster. Empty starts containers.
	Addrs []string
	// Brokers is the number of containers; 0 means 1.
	Brokers int
}

// Brokers are running real brokers. Close removes the containers that Start started.
type Brokers struct {
	k     *realkafka.Kafka
	ids   []int32  // node ids, ascending
	addrs []string // as the brokers advertise them, in the same order
}

// Start starts brokers in containers, or connects to existing ones. The caller
// closes the result.
func Start(ctx context.Context, opts Options) (*Brokers, error) {
	where := []realkafka.Option{realkafka.At(opts.Addrs...)}
	if len(opts.Addrs) == 0 {
		where = []realkafka.Option{realkafka.InContainers(), realkafka.WithBrokers(max(1, opts.Brokers))}
		// The reaper of testcontainers is an image of its own, which can't be
		// pulled everywhere. It is not needed: Close removes the containers, and
		// the next start removes those of processes that were killed.
		if _, set := os.LookupEnv(reaperOff); !set {
			if err := os.Setenv(reaperOff, "true"); err != nil {
				return nil, err
			}
		}
	}
	k, err := realkafka.Launch(ctx, where...)
	if err != nil {
		return nil, err
	}
	b := &Brokers{k: k}
	if err := b.learn(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return b, nil
}

const reaperOff = "TESTCONTAINERS_RYUK_DISABLED"

// learn asks the cluster for its brokers.
func (b *Brokers) learn(ctx context.Context) error {
	md, err := b.k.Admin().BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("ask for the brokers: %w", err)
	}
	slices.SortFunc(md.Brokers, func(x, y kadm.BrokerDetail) int { return cmp.Compare(x.NodeID, y.NodeID) })
	for _, d := range md.Brokers {
		b.ids = append(b.ids, d.NodeID)
		b.addrs = append(b.addrs, net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port))))
	}
	return nil
}

// String returns the version, the place and the number of the brokers.
func (b *Brokers) String() string { return b.k.String() }

// Abilities returns what can be done to the brokers.
func (b *Brokers) Abilities() sim.Abilities {
	a := sim.Abilities{
		Brokers: len(b.ids), Restart: !b.k.External(),
		// Real brokers need seconds for what takes no time in simulated worlds.
		SlowDown: true,
		Without: map[string]string{
			"fail-produce": "a real broker can't be made to answer writes with an error; lose-answer and restart come near",
			"slow-broker":  "a real broker can't be told to wait; latency and stall come near",
			"lose-tail":    "it needs an unclean election of records that only the harness wrote",
			"keyless":      "Kafka refuses a record without a key on a compacted topic",
		},
	}
	maps.Copy(a.Without, withoutHardships)
	if b.k.External() {
		for _, kind := range []string{"restart", "restart-all", "rolling-restart"} {
			a.Without[kind] = "the brokers of an existing cluster are not ours to stop"
		}
	}
	return a
}

// Close removes the containers that Start started.
func (b *Brokers) Close() error { return b.k.Close() }

// index returns the number of a node in package sim.
func (b *Brokers) index(id int32) (int32, error) {
	i := slices.Index(b.ids, id)
	if i < 0 {
		return 0, fmt.Errorf("broker %d is new: the cluster had %v", id, b.ids)
	}
	return int32(i), nil
}
