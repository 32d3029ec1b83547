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

// Bounds of what a world asks of its brokers. A broker that restarts meanwhile
// needs up to ten seconds on a busy machine.
const (
	askTimeout   = 2 * time.Minute
	closeTimeout = 3 * time.Minute
	// moveTimeout bounds the moves that go before a stop, which can do without.
	moveTimeout = 20 * time.Second
	// cleanPatience is how long a compaction waits for the cleaner.
	cleanPatience = 15 * time.Second
	// quietTimeout bounds the wait for answers to writes: a broker that runs
	// answers in milliseconds, and one that doesn't never will.
	quietTimeout = time.Second
)

// A World is one world's cluster.
type World struct {
	*bridge
	unable
	b     *Brokers
	topic string
	// settings are the topic's.
	settings map[string]string
	ctx      context.Context //nolint:containedctx // the run's life

	mu      sync.Mutex
	stopped map[int32]bool
	absent  map[int32]bool // stopped, or started and not yet there
	txns    map[*txn]bool
}

var _ simcluster.Cluster = (*World)(nil)

// World makes the topic and the network of a world. It is a simcluster.StartFunc.
func (b *Brokers) World(ctx context.Context, s simcluster.Spec) (simcluster.Cluster, error) {
	if s.Brokers > len(b.ids) {
		return nil, fmt.Errorf("the plan is for %d brokers, the cluster has %d", s.Brokers, len(b.ids))
	}
	bridge, err := newBridge(s.Network, b.addrs)
	if err != nil {
		return nil, err
	}
	w := &World{
		bridge: bridge, b: b, ctx: ctx, topic: topicName(s.Seed),
		settings: map[string]string{
			"min.cleanable.dirty.ratio": "1", // compacted when asked for only
			"min.compaction.lag.ms":     "1000",
			"delete.retention.ms":       "86400000",
		},
		stopped: map[int32]bool{}, absent: map[int32]bool{}, txns: map[*txn]bool{},
	}
	maps.Copy(w.settings, s.Configs)
	ctx, cancel := w.bounded()
	defer cancel()
	err = b.heal(ctx)
	if err == nil {
		err = b.k.CreateTopic(ctx, w.topic, w.settings)
	}
	if err != nil {
		return nil, errors.Join(err, bridge.Close())
	}
	return w, nil
}

// heal makes all brokers run: a world that broke may have left some stopped.
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

// bounded returns a context for one thing that brokers are asked for.
func (w *World) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(w.ctx, askTimeout, fmt.Errorf("the brokers did not do it within %v", askTimeout))
}

// Close heals what was done to the brokers and deletes the topic.
func (w *World) Close() error {
	w.ctx = context.WithoutCancel(w.ctx)
	ctx, cancel := context.WithTimeout(w.ctx, closeTimeout)
	defer cancel()
	w.mu.Lock()
	stopped, absent := slices.Collect(maps.Keys(w.stopped)), slices.Collect(maps.Keys(w.absent))
	txns := slices.Collect(maps.Keys(w.txns))
	w.mu.Unlock()
	for _, t := range txns {
		t.forget()
	}
	return errors.Join(w.bridge.Close(), w.StartBrokers(stopped), w.AwaitBrokers(absent), w.b.k.DeleteTopic(ctx, w.topic))
}

// Network implements simcluster.Cluster.
func (w *World) Network() *simnet.Network { return w.net }

// Seeds implements simcluster.Cluster.
func (w *World) Seeds() []string { return slices.Clone(w.b.addrs) }

// Topic implements simcluster.Cluster.
func (w *World) Topic() string { return w.topic }

// Direct implements simcluster.Cluster.
func (w *World) Direct(ctx context.Context, broker int32) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", w.b.addrs[broker])
}

// Partition implements simcluster.Cluster. It waits for a leader.
func (w *World) Partition() (info kfake.PartitionInfo, err error) {
	ctx, cancel := w.bounded()
	defer cancel()
	id, epoch, err := w.b.k.Leader(ctx, w.topic)
	if err != nil {
		return info, err
	}
	if info.Leader, err = w.b.index(int32(id)); err != nil {
		return info, err
	}
	info.Epoch = epoch
	return info, again(ctx, func() (err error) {
		info.LogStartOffset, info.HighWatermark, err = w.b.k.Offsets(ctx, w.topic)
		return err
	})
}

// EndOffset implements simcluster.Cluster.
func (w *World) EndOffset() (end int64, err error) {
	ctx, cancel := w.bounded()
	defer cancel()
	return end, again(ctx, func() (err error) {
		_, end, err = w.b.k.Offsets(ctx, w.topic)
		return err
	})
}

// EndOffsetOf implements simcluster.Cluster.
func (w *World) EndOffsetOf(partition int32) (end int64, err error) {
	ctx, cancel := w.bounded()
	defer cancel()
	return end, again(ctx, func() (err error) {
		end, err = w.b.k.EndOffset(ctx, w.topic, partition)
		return err
	})
}

// again calls fn until it succeeds or the brokers refuse for good: they restart
// and leaders move meanwhile.
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
func (w *World) ReadLog(from int64) ([]fakecluster.Batch, error) {
	ctx, cancel := w.bounded()
	defer cancel()
	batches, err := w.b.k.ReadLogFrom(ctx, w.topic, from)
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
func (w *World) Quiet() func() {
	stall := w.net.Stall(simnet.Target{Dir: simnet.ToBroker})
	writes := simnet.Target{Keys: []int16{produceKey}}
	for until := time.Now().Add(quietTimeout); w.net.Conns(writes) > 0 && time.Now().Before(until); {
		select {
		case <-w.ctx.Done():
			return stall.Undo
		case <-time.After(5 * time.Millisecond):
		}
	}
	return stall.Undo
}

const produceKey = 0

// StopBroker implements simcluster.Cluster. A broker shuts down in good order where
// the others can go on without it, and is killed where it would wait for them.
func (w *World) StopBroker(broker int32) error {
	ctx, cancel := w.bounded()
	defer cancel()
	w.mu.Lock()
	alone := len(w.absent) == 0
	w.stopped[broker], w.absent[broker] = true, true
	w.mu.Unlock()
	if alone {
		return w.b.k.StopBroker(ctx, int(w.b.ids[broker]))
	}
	return w.b.k.KillBroker(ctx, int(w.b.ids[broker]))
}

// StartBrokers implements simcluster.Cluster.
func (w *World) StartBrokers(brokers []int32) error {
	ctx, cancel := w.bounded()
	defer cancel()
	var g errgroup.Group
	for _, b := range brokers {
		g.Go(func() error { return w.b.k.BootBroker(ctx, int(w.b.ids[b])) })
	}
	err := g.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range brokers {
		delete(w.stopped, b)
	}
	return err
}

// AwaitBrokers implements simcluster.Cluster.
func (w *World) AwaitBrokers(brokers []int32) error {
	ctx, cancel := w.bounded()
	defer cancel()
	for _, b := range brokers {
		err := again(ctx, func() error {
			w.mu.Lock()
			stopped := w.stopped[b]
			w.mu.Unlock()
			if stopped {
				return nil
			}
			err := w.b.k.Serves(ctx, int(w.b.ids[b]))
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil && !w.stopped[b] {
				delete(w.absent, b)
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
func (w *World) MoveLeader(to int32) error {
	ctx, cancel := w.bounded()
	defer cancel()
	return w.b.k.MoveLeader(ctx, w.topic, int(w.b.ids[to]))
}

// MoveLeadersFrom implements simcluster.Cluster.
func (w *World) MoveLeadersFrom(broker int32) error {
	for i := range w.b.ids {
		to := (broker + 1 + int32(i)) % int32(len(w.b.ids))
		w.mu.Lock()
		absent := w.absent[to]
		w.mu.Unlock()
		if to == broker || absent {
			continue
		}
		ctx, cancel := context.WithTimeout(w.ctx, moveTimeout)
		err := w.b.k.MoveLeader(ctx, w.topic, int(w.b.ids[to]))
		cancel()
		return err
	}
	return errors.New("no other broker runs")
}
