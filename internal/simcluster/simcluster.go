// Package simcluster says what a simulated world asks of its brokers.
//
// Package sim has brokers of its own, those of package fakecluster. Others are
// handed to it by a context: a public option would show what only this module has
// names for.
package simcluster

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// A Spec is what the plan of a world says about its brokers.
type Spec struct {
	// Seed is the seed of the plan.
	Seed uint64
	// Brokers is how many there are.
	Brokers int
	// Network is what links are like.
	Network simnet.Config
	// Configs are the settings of the topic. The receiver owns them.
	Configs map[string]string
}

// A StartFunc starts the brokers of one world, whose life is that of ctx. The
// caller closes them.
type StartFunc func(ctx context.Context, s Spec) (Cluster, error)

type startKey struct{}

// With returns a context in which worlds have the brokers that start starts. A nil
// start means those that worlds have by themselves.
func With(ctx context.Context, start StartFunc) context.Context {
	return context.WithValue(ctx, startKey{}, start)
}

// Start returns what was handed to With, nil for nothing.
func Start(ctx context.Context) StartFunc {
	start, _ := ctx.Value(startKey{}).(StartFunc)
	return start
}

// A Cluster is the brokers of one world, numbered from 0, with one topic of
// one partition for it, and the network between clients and brokers. It is safe
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

// Hardships are what brokers do to clients that is neither broken nor usual. Each
// lasts until its fault is undone. Those of package fakecluster are about the
// world's topic.
type Hardships interface {
	ForgetProducers(f fakecluster.Forget) (fakecluster.Fault, error)
	ThrottleFetches(t fakecluster.Throttle) (fakecluster.Fault, error)
	FailFetches(f fakecluster.FetchFault) (fakecluster.Fault, error)
	StaleMetadata(s fakecluster.Stale) (fakecluster.Fault, error)
	WithholdRecords(h fakecluster.Withhold) (fakecluster.Fault, error)
	// LoadCoordinators makes the brokers, all if none is named, answer that they
	// are still loading what they coordinate; a count of 0 is no limit.
	LoadCoordinators(count int, brokers ...int32) (fakecluster.Fault, error)
	// SlowMarkers lets up to so long pass between the end of a transaction and its
	// markers.
	SlowMarkers(most time.Duration) (fakecluster.Fault, error)
	// MoveCoordinator makes the next broker the coordinator of a transactional id.
	MoveCoordinator(id string) error
	// BeginFor begins a transaction of somebody else that its coordinator aborts
	// after a timeout, at a time of its own.
	BeginFor(id string, timeout time.Duration) (Transactor, error)
	// OutOfSync takes the replicas of a broker out of sync.
	OutOfSync(broker int32) (fakecluster.Fault, error)
	// AlterTopic changes settings of the topic.
	AlterTopic(configs map[string]string) error
	// ChangePassword gives the user of a client another password than the one
	// that the client has, or the right one back.
	ChangePassword(client string, right bool) error
	// Allow gives the user of a client rights, Revoke takes them away.
	Allow(client string, rights []kmsg.ACLOperation) error
	Revoke(client string, rights []kmsg.ACLOperation) error
}
