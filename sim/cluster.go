package sim

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simcluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// topicName is the topic of worlds on kfake.
const topicName = "kv"

// fakeCluster is a world's cluster on kfake.
type fakeCluster struct {
	*fakecluster.Cluster
	plan *Plan
}

// startCluster starts the brokers that ctx has, or else fake ones.
func startCluster(ctx context.Context, p *Plan) (simcluster.Cluster, error) {
	if start := simcluster.Start(ctx); start != nil {
		return start(ctx, p.spec())
	}
	return startFake(p)
}

func startFake(p *Plan) (simcluster.Cluster, error) {
	s := p.spec()
	c, err := fakecluster.Start(fakecluster.Options{
		Brokers: s.Brokers,
		Network: s.Network,
		Topics:  []fakecluster.Topic{{Name: topicName, Configs: s.Configs}},
		Users:   p.users(),

		Horizons:    true,
		Coordinator: fakecluster.Coordinator{Seed: s.Seed},
	})
	if err != nil {
		return nil, err
	}
	fake := fakeCluster{c, p}
	if p.secured() {
		err = fake.admit()
	}
	return fake, err
}

// spec is what the plan says about the brokers.
func (p *Plan) spec() simcluster.Spec {
	return simcluster.Spec{
		Seed: p.Seed, Brokers: p.World.Brokers, Configs: p.topicConfigs(),
		Network: simnet.Config{
			Seed:    p.Seed,
			Latency: simnet.Latency{Min: p.World.LatencyMin, Mean: p.World.LatencyMean, Max: p.World.LatencyMax},
		},
	}
}

// topicConfigs is what the plan says about the topic. The caller owns the map.
func (p *Plan) topicConfigs() map[string]string {
	configs := fakecluster.CompactConfigs()
	if p.World.Tombstones > 0 {
		configs[settingRetention] = milliseconds(p.World.Tombstones)
	}
	if p.World.MinInSync > 0 {
		configs[settingInSync] = strconv.Itoa(p.World.MinInSync)
	}
	if p.World.MaxMessage > 0 {
		configs[settingMessage] = strconv.Itoa(p.World.MaxMessage)
	}
	return configs
}

func (c fakeCluster) Direct(ctx context.Context, broker int32) (net.Conn, error) {
	return c.Cluster.Direct(ctx, broker)
}

// Quiet does nothing: what changes a log on kfake stops it meanwhile.
func (c fakeCluster) Quiet() func() { return func() {} }

func (c fakeCluster) Topic() string { return topicName }

func (c fakeCluster) Partition() (kfake.PartitionInfo, error) {
	return c.Cluster.Partition(topicName, 0)
}

func (c fakeCluster) EndOffset() (int64, error) { return c.Cluster.EndOffset(topicName, 0) }

func (c fakeCluster) EndOffsetOf(partition int32) (int64, error) {
	return c.Cluster.EndOffset(topicName, partition)
}

func (c fakeCluster) ReadLog(from int64) ([]fakecluster.Batch, error) {
	return c.Cluster.ReadLog(topicName, 0, from)
}

func (c fakeCluster) StartBrokers(brokers []int32) error {
	for _, b := range brokers {
		if err := c.StartBroker(b); err != nil {
			return err
		}
	}
	return nil
}

// AwaitBrokers has nothing to wait for.
func (c fakeCluster) AwaitBrokers([]int32) error { return nil }

func (c fakeCluster) MoveLeader(to int32) error {
	if err := c.Cluster.MoveLeader(topicName, 0, to); err != nil {
		return err
	}
	return c.together()
}

// together lets the leader of partition 0 lead the others of a topic that grew,
// too. A flush of franz-go asks for a producer id once for each broker that leads
// a partition, and all but one of those requests wait for a sync.Mutex: while one
// does, no time passes in a bubble, so the answer never comes.
func (c fakeCluster) together() error {
	var leader int32
	for n := int32(0); ; n++ {
		info, err := c.Cluster.Partition(topicName, n)
		switch {
		case errors.Is(err, fakecluster.ErrNoPartition) && n > 0:
			return nil
		case err != nil:
			return err
		case n == 0:
			leader = info.Leader
		case info.Leader != leader:
			if err := c.Cluster.MoveLeader(topicName, n, leader); err != nil {
				return err
			}
		}
	}
}

func (c fakeCluster) DeleteRecords(before int64) error {
	return c.Cluster.DeleteRecords(topicName, 0, before)
}

func (c fakeCluster) LoseTail(from int64) ([]fakecluster.Batch, error) {
	return c.Cluster.LoseTail(topicName, 0, from)
}

func (c fakeCluster) RecreateTopic(gone func()) error {
	if err := c.Cluster.RecreateTopic(topicName); err != nil {
		return err
	}
	gone()
	return c.together()
}

func (c fakeCluster) AddPartitions(total int) error {
	if err := c.Cluster.AddPartitions(topicName, int32(total)); err != nil {
		return err
	}
	return c.together()
}

func (c fakeCluster) Append(rs ...fakecluster.Record) error {
	_, err := c.Cluster.Append(topicName, 0, rs...)
	return err
}

func (c fakeCluster) AppendHostile(h fakecluster.Hostile, key []byte, size int) (*fakecluster.HostileBatch, error) {
	return c.Cluster.AppendHostile(topicName, 0, h, key, size)
}

func (c fakeCluster) Begin(id string) (simcluster.Transactor, error) {
	t, err := c.Cluster.Begin(id)
	return fakeTxn{t}, err
}

func (c fakeCluster) BeginFor(id string, timeout time.Duration) (simcluster.Transactor, error) {
	t, err := c.Cluster.BeginFor(id, timeout)
	return fakeTxn{t}, err
}

// fakeTxn is a transaction on kfake.
type fakeTxn struct{ *fakecluster.Txn }

func (t fakeTxn) Append(rs ...fakecluster.Record) error {
	_, err := t.Txn.Append(topicName, 0, rs...)
	return err
}
