package kafkaworld

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simcluster"
	"github.com/kvsim/kvsim/internal/simnet"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// Bounds for requests of a world to its brokers. A broker that restarts meanwhile needs up to
// ten seconds on a busy machine.
const (
	askTimeout   = 2 * time.Minute
	closeTimeout = 3 * time.Minute
	// moveTimeout bounds the moves of leaders before a broker is stopped. The stop
	// works without them too.
	moveTimeout = 20 * time.Second
	// cleanPatience is how long a compaction waits for the cleaner.
	cleanPatience = 15 * time.Second
	// quietTimeout bounds the wait for answers to writes. A running broker answers
	// in milliseconds, and a stopped one never does.
	quietTimeout = time.Second
)

// A cluster is one world's cluster.
type cluster struct {
	*bridge
	unable
	b     *Brokers
	topic string
	// settings are the settings of the topic.
	settings map[string]string
	ctx      context.Context //nolint:containedctx // ends with the run

	mu      sync.Mutex
	stopped map[int32]bool
	absent  map[int32]bool // stopped, or started and not yet in service
	txns    map[*txn]bool
}

var _ simcluster.Cluster = (*cluster)(nil)

// Cluster makes the topic and the network of a world. It is a simcluster.StartFunc.
func (b *Brokers) Cluster(ctx context.Context, s simcluster.Spec) (simcluster.Cluster, error) {
	if s.Brokers > len(b.ids) {
		return nil, fmt.Errorf("the plan is for %d brokers, the cluster has %d", s.Brokers, len(b.ids))
	}
	bridge, err := newBridge(s.Network, b.addrs)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		bridge: bridge, b: b, ctx: ctx, topic: topicName(s.Seed),
		settings: map[string]string{
			"min.cleanable.dirty.ratio": "1", // compact only when a fault asks for it
			"min.compaction.lag.ms":     "1000",
			"delete.retention.ms":       "86400000",
		},
		stopped: map[int32]bool{}, absent: map[int32]bool{}, txns: map[*txn]bool{},
	}
	maps.Copy(c.settings, s.Configs)
	ctx, cancel := c.bounded()
	defer cancel()
	err = b.heal(ctx)
	if err == nil {
		err = b.k.CreateTopic(ctx, c.topic, c.settings)
	}
	if err != nil {
		return nil, errors.Join(err, bridge.Close())
	}
	return c, nil
}

// heal starts all brokers, because a world that broke may have left some stopped.
func (b *Brokers) heal(ctx context.Context) error {
	if b.k.External() {
		return nil
	}
	for _, id := range b.ids {
		if err := b.k.BootBroker(ctx, int(id)); err != nil {
			return err
		}
	}
	for _, id := range b.ids {
		if err := b.k.AwaitBroker(ctx, int(id)); err != nil {
			return err
		}
	}
	return nil
}

func topicName(seed uint64) string {
	return fmt.Sprintf("kvsim-%d-%x", seed, time.Now().UnixNano())
}

// bounded returns a context for one request to brokers.
func (c *cluster) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(c.ctx, askTimeout, fmt.Errorf("the brokers did not do it within %v", askTimeout))
}

// Close undoes what was done to the brokers and deletes the topic.
func (c *cluster) Close() error {
	c.ctx = context.WithoutCancel(c.ctx)
	ctx, cancel := context.WithTimeout(c.ctx, closeTimeout)
	defer cancel()
	c.mu.Lock()
	stopped, absent := slices.Collect(maps.Keys(c.stopped)), slices.Collect(maps.Keys(c.absent))
	txns := slices.Collect(maps.Keys(c.txns))
	c.mu.Unlock()
	for _, t := range txns {
		t.forget()
	}
	return errors.Join(c.bridge.Close(), c.StartBrokers(stopped), c.AwaitBrokers(absent), c.b.k.DeleteTopic(ctx, c.topic))
}

// Network implements simcluster.Cluster.
func (c *cluster) Network() *simnet.Network { return c.net }

// Seeds implements simcluster.Cluster.
func (c *cluster) Seeds() []string { return slices.Clone(c.b.addrs) }

// Topic implements simcluster.Cluster.
func (c *cluster) Topic() string { return c.topic }

// Direct implements simcluster.Cluster.
func (c *cluster) Direct(ctx context.Context, broker int32) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", c.b.addrs[broker])
}

// Partition implements simcluster.Cluster. It waits for a leader.
func (c *cluster) Partition() (info kfake.PartitionInfo, err error) {
	ctx, cancel := c.bounded()
	defer cancel()
	id, epoch, err := c.b.k.Leader(ctx, c.topic)
	if err != nil {
		return info, err
	}
	if info.Leader, err = c.b.index(int32(id)); err != nil {
		return info, err
	}
	info.Epoch = epoch
	return info, again(ctx, func() (err error) {
		info.LogStartOffset, info.HighWatermark, err = c.b.k.Offsets(ctx, c.topic)
		return err
	})
}

// EndOffset implements simcluster.Cluster.
func (c *cluster) EndOffset() (end int64, err error) {
	ctx, cancel := c.bounded()
	defer cancel()
	return end, again(ctx, func() (err error) {
		_, end, err = c.b.k.Offsets(ctx, c.topic)
		return err
	})
}

// EndOffsetOf implements simcluster.Cluster.
func (c *cluster) EndOffsetOf(partition int32) (end int64, err error) {
	ctx, cancel := c.bounded()
	defer cancel()
	return end, again(ctx, func() (err error) {
		end, err = c.b.k.EndOffset(ctx, c.topic, partition)
		return err
	})
}

// again calls fn until it succeeds, or fails with an error that will not go away. Meanwhile
// brokers may restart and leaders may move.
func again(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		var refused *kerr.Error
		if err == nil || errors.As(err, &refused) && !refused.Retriable {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, last: %w", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ReadLog implements simcluster.Cluster.
func (c *cluster) ReadLog(from int64) ([]fakecluster.Batch, error) {
	ctx, cancel := c.bounded()
	defer cancel()
	batches, err := c.b.k.ReadLogFrom(ctx, c.topic, from)
	if err != nil {
		return nil, err
	}
	out := make([]fakecluster.Batch, len(batches))
	for i := range batches {
		out[i] = batchOf(&batches[i])
	}
	return out, nil
}

func batchOf(b *realkafka.Batch) fakecluster.Batch {
	out := fakecluster.Batch{
		FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, LeaderEpoch: b.LeaderEpoch,
		ProducerID: b.ProducerID, ProducerEpoch: b.ProducerEpoch, FirstSequence: b.FirstSequence,
		Transactional: b.Transactional, Control: b.Control,
	}
	for _, r := range b.Records {
		out.MaxTimestamp = r.Timestamp
		out.Records = append(out.Records, fakecluster.Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value})
	}
	return out
}

// Quiet implements simcluster.Cluster.
func (c *cluster) Quiet() func() {
	stall := c.net.Stall(simnet.Target{Dir: simnet.ToBroker})
	writes := simnet.Target{Keys: []int16{produceKey}}
	for until := time.Now().Add(quietTimeout); c.net.Conns(writes) > 0 && time.Now().Before(until); {
		select {
		case <-c.ctx.Done():
			return stall.Undo
		case <-time.After(5 * time.Millisecond):
		}
	}
	return stall.Undo
}

const produceKey = 0

// StopBroker implements simcluster.Cluster. The broker shuts down cleanly if the others
// can go on without it. It is killed if it would wait for them.
func (c *cluster) StopBroker(broker int32) error {
	ctx, cancel := c.bounded()
	defer cancel()
	c.mu.Lock()
	alone := len(c.absent) == 0
	c.stopped[broker], c.absent[broker] = true, true
	c.mu.Unlock()
	if alone {
		return c.b.k.StopBroker(ctx, int(c.b.ids[broker]))
	}
	return c.b.k.KillBroker(ctx, int(c.b.ids[broker]))
}

// StartBrokers implements simcluster.Cluster.
func (c *cluster) StartBrokers(brokers []int32) error {
	ctx, cancel := c.bounded()
	defer cancel()
	var g errgroup.Group
	for _, b := range brokers {
		g.Go(func() error { return c.b.k.BootBroker(ctx, int(c.b.ids[b])) })
	}
	err := g.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range brokers {
		delete(c.stopped, b)
	}
	return err
}

// AwaitBrokers implements simcluster.Cluster.
func (c *cluster) AwaitBrokers(brokers []int32) error {
	ctx, cancel := c.bounded()
	defer cancel()
	for _, b := range brokers {
		err := again(ctx, func() error {
			c.mu.Lock()
			stopped := c.stopped[b]
			c.mu.Unlock()
			if stopped {
				return nil
			}
			err := c.b.k.Serves(ctx, int(c.b.ids[b]))
			c.mu.Lock()
			defer c.mu.Unlock()
			if err == nil && !c.stopped[b] {
				delete(c.absent, b)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("wait for broker %d: %w", b, err)
		}
	}
	return nil
}

// MoveLeader implements simcluster.Cluster.
func (c *cluster) MoveLeader(to int32) error {
	ctx, cancel := c.bounded()
	defer cancel()
	return c.b.k.MoveLeader(ctx, c.topic, int(c.b.ids[to]))
}

// MoveLeadersFrom implements simcluster.Cluster.
func (c *cluster) MoveLeadersFrom(broker int32) error {
	for i := range c.b.ids {
		to := (broker + 1 + int32(i)) % int32(len(c.b.ids))
		c.mu.Lock()
		absent := c.absent[to]
		c.mu.Unlock()
		if to == broker || absent {
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, moveTimeout)
		err := c.b.k.MoveLeader(ctx, c.topic, int(c.b.ids[to]))
		cancel()
		return err
	}
	return errors.New("no other broker runs")
}
