package realkafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// LoseTail makes a topic lose the records that write appends, although they are
// acknowledged, as an unclean leader election does: a follower that missed them becomes the
// leader, and the old leader follows it. It needs three brokers, all running, and a topic
// with min.insync.replicas=1 and unclean.leader.election.enable=true. Afterwards all
// brokers run, and the topic has two replicas.
func (k *Kafka) LoseTail(ctx context.Context, topic string, write func() error) error {
	err := k.loseTail(ctx, topic, write)
	if err != nil {
		return fmt.Errorf("lose the tail of %s: %w", topic, err)
	}
	return nil
}

func (k *Kafka) loseTail(ctx context.Context, topic string, write func() error) error {
	if len(k.nodes) != 3 {
		return errors.New("needs three brokers of this package, see WithBrokers")
	}
	leader, _, err := k.Leader(ctx, topic)
	if err != nil {
		return err
	}
	// The third broker has no replica, only a vote: without it the follower
	// could not be elected while the leader is away.
	behind := leader%3 + 1
	var assign kadm.AlterPartitionAssignmentsReq
	assign.Assign(topic, 0, []int32{int32(leader), int32(behind)})
	if _, err := k.admin.AlterPartitionAssignments(ctx, assign); err != nil {
		return err
	}
	if err := k.awaitReplicas(ctx, topic, 2, leader, behind); err != nil {
		return err
	}
	if err := k.KillBroker(ctx, behind); err != nil {
		return err
	}
	if err := k.awaitReplicas(ctx, topic, 2, leader); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	if err := k.KillBroker(ctx, leader); err != nil {
		return err
	}
	if err := k.StartBroker(ctx, behind); err != nil {
		return err
	}
	err = poll(ctx, 200*time.Millisecond, func() error {
		return k.elect(ctx, topic, behind, kadm.ElectLiveReplica)
	})
	if err != nil {
		return err
	}
	if err := k.StartBroker(ctx, leader); err != nil {
		return err
	}
	return k.awaitReplicas(ctx, topic, 2, leader, behind)
}

// awaitReplicas waits until partition 0 has the given number of replicas and exactly the
// given ones are in sync.
func (k *Kafka) awaitReplicas(ctx context.Context, topic string, replicas int, inSync ...int) error {
	want := make([]int32, 0, len(inSync))
	for _, broker := range inSync {
		want = append(want, int32(broker))
	}
	slices.Sort(want)
	return poll(ctx, 100*time.Millisecond, func() error {
		p, err := k.partition(ctx, topic)
		if err != nil {
			return err
		}
		got := slices.Sorted(slices.Values(p.ISR))
		if len(p.Replicas) != replicas || !slices.Equal(got, want) {
			return fmt.Errorf("replicas %v with %v in sync, want %d with %v in sync", p.Replicas, got, replicas, want)
		}
		return nil
	})
}
