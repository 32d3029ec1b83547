// Package simcluster defines what a simulated world needs from its brokers.
//
// By default package sim uses the brokers of package fakecluster. Others are passed to it in a
// context, because a public option would need types that only this module can name.
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
	// Brokers is the number of brokers.
	Brokers int
	// Network configures the network between clients and brokers.
	Network simnet.Config
	// Configs are the settings of the topic. The receiver owns them.
	Configs map[string]string
}

// A StartFunc starts the brokers of one world. ctx lasts as long as the world. The caller closes the
// brokers.
type StartFunc func(ctx context.Context, s Spec) (Cluster, error)

type startKey struct{}

// With returns a context in which worlds use the brokers that start starts. A nil start means the
// default brokers.
func With(ctx context.Context, start StartFunc) context.Context {
	return context.WithValue(ctx, startKey{}, start)
}

// Start returns the function that was passed to With, or nil.
func Start(ctx context.Context) StartFunc {
	start, _ := ctx.Value(startKey{}).(StartFunc)
	return start
}

// A Cluster is the brokers of one world, numbered from 0, with one topic of
// one partition for it, and the network between clients and brokers. It is safe
// for concurrent use. Calls block until what they ask for is done.
type Cluster interface {
	// Network returns the network between clients and brokers.
	Network() *simnet.Network
	// Seeds returns the addresses of the brokers, for the functions that Dialer
	// returns.
	Seeds() []string
	// Direct connects the harness to a broker, outside the network.
	Direct(ctx context.Context, broker int32) (net.Conn, error)
	// Dialer returns the dial function of a client.
	Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error)
	// Topic returns the world's topic. The methods below are about its partition 0.
	Topic() string
	// Partition returns the leader and both ends of the log.
	Partition() (kfake.PartitionInfo, error)
	// EndOffset returns the high watermark.
	EndOffset() (int64, error)
	// EndOffsetOf returns the high watermark of any partition.
	EndOffsetOf(partition int32) (int64, error)
	// ReadLog returns every batch, starting with the one that holds an offset.
	ReadLog(from int64) ([]fakecluster.Batch, error)

	// Quiet holds what clients send until the returned function is called. Quiet
	// returns when the brokers have answered the writes that they have received.
	Quiet() (goOn func())
	StopBroker(broker int32) error
	// StartBrokers starts stopped brokers, all at once, and does not wait for
	// them, because one of three can't serve alone.
	StartBrokers(brokers []int32) error
	// AwaitBrokers waits until the brokers serve clients, or are stopped again.
	AwaitBrokers(brokers []int32) error
	MoveLeader(to int32) error
	MoveLeadersFrom(broker int32) error
	SlowBroker(s fakecluster.Slow) (fakecluster.Effect, error)
	Hardships

	// Compact compacts the log as it is now.
	Compact() error
	DeleteRecords(before int64) error
	LoseTail(from int64) ([]fakecluster.Batch, error)
	// RecreateTopic deletes the topic, calls gone, and creates it again.
	RecreateTopic(gone func()) error
	// AddPartitions adds partitions to the topic, so that it has total. The log
	// of the world is still that of partition 0.
	AddPartitions(total int) error
	// Append appends records as one batch, as another program would.
	Append(rs ...fakecluster.Record) error
	// Begin starts a transaction of another program.
	Begin(id string) (Transactor, error)

	Close() error
}

// A Transactor is a transaction of another program.
type Transactor interface {
	Append(rs ...fakecluster.Record) error
	Commit() error
	Abort() error
}

// Hardships are unusual things that working brokers do to clients. Each lasts until its fault is
// undone. Those of package fakecluster concern the world's topic.
type Hardships interface {
	ForgetProducers(f fakecluster.Forget) (fakecluster.Effect, error)
	ThrottleFetches(t fakecluster.Throttle) (fakecluster.Effect, error)
	// Answer makes brokers answer requests of clients with an error code.
	Answer(a fakecluster.Answer) (fakecluster.Answering, error)
	StaleMetadata(s fakecluster.Stale) (fakecluster.Effect, error)
	WithholdRecords(h fakecluster.Withhold) (fakecluster.Effect, error)
	// AnswerAtOnce makes leaders answer fetches immediately that would have to wait.
	AnswerAtOnce(h fakecluster.Haste) (fakecluster.Effect, error)
	// AppendHostile appends a batch that no client may take, with a record of the key.
	AppendHostile(h fakecluster.Hostile, key []byte, size int) (*fakecluster.HostileBatch, error)
	// LoadCoordinators makes brokers answer that they are still loading the state
	// of their transactional ids. If none is given, all do. A count of 0 means no
	// limit.
	LoadCoordinators(count int, brokers ...int32) (fakecluster.Effect, error)
	// SlowMarkers makes the markers of a transaction come up to most later than
	// its end.
	SlowMarkers(most time.Duration) (fakecluster.Effect, error)
	// MoveCoordinator makes the next broker the coordinator of a transactional id.
	MoveCoordinator(id string) error
	// BeginFor starts a transaction of another program. Its coordinator aborts it
	// some time after the timeout.
	BeginFor(id string, timeout time.Duration) (Transactor, error)
	// LeadUncompacted makes a broker lead that has not compacted its copy of the log.
	LeadUncompacted(to int32) error
	// LeadCompacted makes a broker lead that has compacted its copy as the leader before had.
	LeadCompacted(to int32) error
	// OutOfSync takes the replicas of a broker out of sync.
	OutOfSync(broker int32) (fakecluster.Effect, error)
	// AlterTopic changes settings of the topic.
	AlterTopic(configs map[string]string) error
	// ChangePassword changes the password of a client's user: to the one that the
	// client has, if right is set, otherwise to another one.
	ChangePassword(client string, right bool) error
	// Allow gives rights to a client's user, and Revoke takes them away.
	Allow(client string, rights []kmsg.ACLOperation) error
	Revoke(client string, rights []kmsg.ACLOperation) error
}
