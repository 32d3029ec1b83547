package realkafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stopGrace is how long a broker may take to shut down before it is killed.
const stopGrace = 30 * time.Second

// Serves returns nil if a broker serves; otherwise it does not answer, or the cluster does
// not count it as a member.
func (k *Kafka) Serves(ctx context.Context, broker int) error {
	md, err := k.admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(md.Brokers, func(b kadm.BrokerDetail) bool { return int(b.NodeID) == broker }) {
		return errors.New("it has not joined the cluster")
	}
	_, err = k.client.Broker(broker).Request(ctx, kmsg.NewPtrApiVersionsRequest())
	return err
}

// node returns the container of a broker; brokers are numbered from 1.
func (k *Kafka) node(broker int) (*node, error) {
	if k.External() {
		return nil, ErrExternal
	}
	if broker < 1 || broker > len(k.nodes) {
		return nil, fmt.Errorf("no broker %d: brokers are numbered from 1 to %d", broker, len(k.nodes))
	}
	return k.nodes[broker-1], nil
}

// StopBroker shuts a broker down, which hands its leaderships to other brokers if there are
// any. Its data are kept.
func (k *Kafka) StopBroker(ctx context.Context, broker int) error {
	return k.stop(ctx, broker, stopGrace)
}

func (k *Kafka) stop(ctx context.Context, broker int, grace time.Duration) error {
	n, err := k.node(broker)
	if err != nil {
		return err
	}
	return n.stop(ctx, grace)
}

// KillBroker ends a broker without warning, as a crash does. The file system under it keeps
// running, so what it wrote is kept.
func (k *Kafka) KillBroker(ctx context.Context, broker int) error {
	return k.stop(ctx, broker, 0)
}

// StartBroker starts a stopped broker, with its data and on its port, and returns when it
// answers and the cluster counts it as a member. Starting a running broker does nothing.
func (k *Kafka) StartBroker(ctx context.Context, broker int) error {
	if err := k.BootBroker(ctx, broker); err != nil {
		return err
	}
	return k.AwaitBroker(ctx, broker)
}

// BootBroker starts a stopped broker as StartBroker does, but does not wait for it: without
// a majority of the others it does not serve.
func (k *Kafka) BootBroker(ctx context.Context, broker int) error {
	n, err := k.node(broker)
	if err != nil {
		return err
	}
	return n.start(ctx)
}

// AwaitBroker returns when a broker answers and the cluster counts it as a member.
func (k *Kafka) AwaitBroker(ctx context.Context, broker int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := poll(ctx, 100*time.Millisecond, func() error { return k.Serves(ctx, broker) })
	if err != nil {
		return fmt.Errorf("wait for broker %d: %w", broker, err)
	}
	return nil
}

// BrokerLog returns everything that a broker logged.
func (k *Kafka) BrokerLog(ctx context.Context, broker int) (string, error) {
	n, err := k.node(broker)
	if err != nil {
		return "", err
	}
	return n.log(ctx)
}

// Leader returns the broker that leads partition 0 of a topic, and the leader
// epoch. It waits for a leader until ctx ends.
func (k *Kafka) Leader(ctx context.Context, topic string) (broker int, epoch int32, err error) {
	err = poll(ctx, 50*time.Millisecond, func() error {
		p, err := k.partition(ctx, topic)
		if err != nil {
			return err
		}
		if p.Leader < 0 {
			return kerr.LeaderNotAvailable
		}
		broker, epoch = int(p.Leader), p.LeaderEpoch
		return nil
	})
	return broker, epoch, err
}

func (k *Kafka) partition(ctx context.Context, topic string) (kadm.PartitionDetail, error) {
	md, err := k.admin.Metadata(ctx, topic)
	if err != nil {
		return kadm.PartitionDetail{}, err
	}
	t := md.Topics[topic]
	if t.Err != nil {
		return kadm.PartitionDetail{}, fmt.Errorf("topic %s: %w", topic, t.Err)
	}
	p, ok := t.Partitions[0]
	if !ok {
		return p, fmt.Errorf("topic %s has no partition 0", topic)
	}
	if p.Err != nil && !errors.Is(p.Err, kerr.LeaderNotAvailable) {
		return p, fmt.Errorf("topic %s: %w", topic, p.Err)
	}
	return p, nil
}

// MoveLeader makes a broker the leader of partition 0 of a topic and returns
// when it is, with the replicas as they were and in sync. The leader epoch
// rises.
func (k *Kafka) MoveLeader(ctx context.Context, topic string, to int) error {
	p, err := k.partition(ctx, topic)
	if err != nil {
		return err
	}
	if len(p.Replicas) < 2 {
		return fmt.Errorf("move the leader of %s: it has one replica, so nobody else can lead", topic)
	}
	if !slices.Contains(p.Replicas, int32(to)) {
		return fmt.Errorf("move the leader of %s: broker %d has no replica, only %v have", topic, to, p.Replicas)
	}
	// A reassignment to the same replicas in another order makes the first
	// the preferred leader; an election then makes it the leader.
	order := []int32{int32(to)}
	for _, r := range p.Replicas {
		if int(r) != to {
			order = append(order, r)
		}
	}
	var assign kadm.AlterPartitionAssignmentsReq
	assign.Assign(topic, 0, order)
	return poll(ctx, 100*time.Millisecond, func() error {
		if _, err := k.admin.AlterPartitionAssignments(ctx, assign); err != nil {
			return err
		}
		return k.elect(ctx, topic, to, kadm.ElectPreferredReplica)
	})
}

// elect asks for an election and reports whether the broker leads now.
func (k *Kafka) elect(ctx context.Context, topic string, to int, how kadm.ElectLeadersHow) error {
	var set kadm.TopicsSet
	set.Add(topic, 0)
	results, err := k.admin.ElectLeaders(ctx, how, set)
	if err != nil {
		return err
	}
	for _, partitions := range results {
		for _, r := range partitions {
			if r.Err != nil && !errors.Is(r.Err, kerr.ElectionNotNeeded) {
				return fmt.Errorf("elect: %w", r.Err)
			}
		}
	}
	p, err := k.partition(ctx, topic)
	if err != nil {
		return err
	}
	if int(p.Leader) != to {
		return fmt.Errorf("broker %d leads, not yet broker %d", p.Leader, to)
	}
	return nil
}
