package sim

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// A Cluster is the brokers of one world, numbered from 0, with one topic of
// one partition for it, and the network between clients and brokers. Those of
// package fakecluster are the default; others come from Env.Cluster. It is safe
// for concurrent use. Calls block until what they ask for is done.
type Cluster interface {
	// Network carries what clients and brokers say to each other.
	Network() *simnet.Network
	// Seeds are the addresses that brokers have for clients, which Dialer's
	// functions dial.
	Seeds() []string
	// Direct connects the harness with a broker, outside of the network.
	Direct(ctx context.Context, broker int32) (net.Conn, error)
	// Dialer returns the dial function of a client.
	Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error)
	// Topic is the world's topic. The methods below are about its partition 0.
	Topic() string
	// Partition tells the leader and both ends of the log.
	Partition() (kfake.PartitionInfo, error)
	// EndOffset returns the high watermark.
	EndOffset() (int64, error)
	// EndOffsetOf returns the high watermark of any partition.
	EndOffsetOf(partition int32) (int64, error)
	// ReadLog returns every batch from the one that holds an offset on.
	ReadLog(from int64) ([]fakecluster.Batch, error)

	// Quiet holds what clients send until the returned function is called. It
	// returns when brokers have answered what they have got of writes.
	Quiet() (goOn func())
	StopBroker(broker int32) error
	// StartBrokers starts stopped brokers, at once, and does not wait for
	// them: of three one alone is nothing.
	StartBrokers(brokers []int32) error
	// AwaitBrokers waits until brokers serve clients, or are stopped again.
	AwaitBrokers(brokers []int32) error
	MoveLeader(to int32) error
	MoveLeadersFrom(broker int32) error
	FailProduces(f fakecluster.ProduceFault) (fakecluster.Fault, error)
	SlowBroker(s fakecluster.Slow) (fakecluster.Fault, error)
	Hardships

	// Compact compacts the log as it is now.
	Compact() error
	DeleteRecords(before int64) error
	LoseTail(from int64) ([]fakecluster.Batch, error)
	// RecreateTopic deletes the topic, calls gone, and creates it again.
	RecreateTopic(gone func()) error
	// AddPartitions gives the topic so many partitions. Its log stays the one
	// of partition 0.
	AddPartitions(total int) error
	// Append writes records as one batch of somebody else.
	Append(rs ...fakecluster.Record) error
	// Begin begins a transaction of somebody else.
	Begin(id string) (Transactor, error)

	Close() error
}

// A Transactor is a transaction of somebody else.
type Transactor interface {
	Append(rs ...fakecluster.Record) error
	Commit() error
	Abort() error
}

// topicName is the topic of worlds on kfake.
const topicName = "kv"

// fakeCluster is a world's cluster on kfake.
type fakeCluster struct {
	*fakecluster.Cluster
	plan *Plan
}

func startFake(_ context.Context, p *Plan) (Cluster, error) {
	c, err := fakecluster.Start(fakecluster.Options{
		Brokers: p.World.Brokers,
		Network: p.Network(),
		Topics:  []fakecluster.Topic{{Name: topicName, Configs: p.TopicConfigs()}},
		Users:   p.users(),

		Horizons:    true,
		Coordinator: fakecluster.Coordinator{Seed: p.Seed},
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

// Network is what the plan says about links.
func (p *Plan) Network() simnet.Config {
	return simnet.Config{
		Seed:    p.Seed,
		Latency: simnet.Latency{Min: p.World.LatencyMin, Mean: p.World.LatencyMean, Max: p.World.LatencyMax},
	}
}

// TopicConfigs is what the plan says about the topic. The caller owns the map.
func (p *Plan) TopicConfigs() map[string]string {
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

func (c fakeCluster) Begin(id string) (Transactor, error) {
	t, err := c.Cluster.Begin(id)
	return fakeTxn{t}, err
}

func (c fakeCluster) BeginFor(id string, timeout time.Duration) (Transactor, error) {
	t, err := c.Cluster.BeginFor(id, timeout)
	return fakeTxn{t}, err
}

// fakeTxn is a transaction on kfake.
type fakeTxn struct{ *fakecluster.Txn }

func (t fakeTxn) Append(rs ...fakecluster.Record) error {
	_, err := t.Txn.Append(topicName, 0, rs...)
	return err
}
