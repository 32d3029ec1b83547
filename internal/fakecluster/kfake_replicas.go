package fakecluster

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake stores min.insync.replicas but ignores it, because it has no replicas that could lag.
// Kafka refuses a write with acks=all while fewer replicas than that are in sync. Here a
// partition's replicas are its leader and the brokers after it, as in kfake's metadata. A
// replica is in sync while its broker runs, unless [Cluster.OutOfSync] took it out of sync. A
// minimum above the number of replicas counts as that number, as in Kafka from 3.7 on.

// OutOfSync takes the replicas of a running broker out of sync until it is undone. Partitions
// may then be below their min.insync.replicas. The broker stays the leader of its partitions.
// Hits is the number of produce requests that were refused with NOT_ENOUGH_REPLICAS meanwhile.
func (c *Cluster) OutOfSync(broker int32) (Effect, error) {
	if err := c.checkBroker(broker); err != nil {
		return nil, err
	}
	r := &rule{lagging: &broker}
	return r, c.add(r, 0)
}

// InSync returns how many replicas of a partition are in sync.
func (c *Cluster) InSync(topic string, n int32) (int, error) {
	in := 0
	err := c.do(func(k *kfake.Cluster) error {
		info, ti := k.PartitionInfo(topic, n), k.TopicInfo(topic)
		if info == nil || ti == nil {
			return fmt.Errorf("fakecluster: %s-%d: %w", topic, n, ErrNoPartition)
		}
		out, _ := c.outOfSync()
		in = inSync(info.Leader, min(ti.NumReplicas, c.opts.Brokers), c.opts.Brokers, out)
		return nil
	})
	return in, err
}

// inSync counts the replicas, starting with the leader, that are in sync.
func inSync(leader int32, replicas, brokers int, out map[int32]bool) int {
	in := 0
	for i := range replicas {
		if !out[(leader+int32(i))%int32(brokers)] {
			in++
		}
	}
	return in
}

// outOfSync returns the brokers whose replicas are out of sync, and the faults
// that made them so.
func (c *Cluster) outOfSync() (map[int32]bool, []*rule) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	out := make(map[int32]bool)
	for b := range c.down {
		out[b] = true
	}
	var faults []*rule
	for _, r := range c.rules {
		if r.lagging != nil && !r.Over() {
			out[*r.lagging] = true
			faults = append(faults, r)
		}
	}
	return out, faults
}

// checkReplicas refuses a produce request with acks=all if one of its partitions is below its
// minimum. It refuses the whole request; for the other partitions, clients try again, as after
// any answer of this kind.
func (c *Cluster) checkReplicas(k *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	pr := req.(*kmsg.ProduceRequest)
	if pr.Acks != -1 || pr.TimeoutMillis == harnessTimeout {
		return nil, nil, false
	}
	out, faults := c.outOfSync()
	node := k.CurrentNode()
	for i := range pr.Topics {
		name := c.topicName(pr.Topics[i].Topic, pr.Topics[i].TopicID)
		least := c.topicNumber(k, name, "min.insync.replicas", c.leastInSync())
		replicas := min(c.opts.Brokers, int(c.topicNumber(k, name, replicasKey, 1)))
		if int64(inSync(node, replicas, c.opts.Brokers, out)) >= min(least, int64(replicas)) {
			continue
		}
		if !c.leads(k, node, name, pr.Topics[i].Partitions) {
			continue // kfake has an answer for that
		}
		for _, f := range faults {
			f.take()
		}
		return refuse(pr, kerr.NotEnoughReplicas)
	}
	return nil, nil, false
}

// leads reports whether a broker leads one of the partitions.
func (c *Cluster) leads(k *kfake.Cluster, node int32, topic string, ps []kmsg.ProduceRequestTopicPartition) bool {
	return slices.ContainsFunc(ps, func(p kmsg.ProduceRequestTopicPartition) bool {
		info := k.PartitionInfo(topic, p.Partition)
		return info != nil && info.Leader == node
	})
}

// leastInSync returns the brokers' own min.insync.replicas.
func (c *Cluster) leastInSync() int64 {
	n, err := strconv.ParseInt(c.opts.BrokerConfigs["min.insync.replicas"], 10, 64)
	if err != nil {
		return 1
	}
	return n
}

// topicName returns the name of a topic, of which a request has the name or the id.
func (c *Cluster) topicName(name string, id [16]byte) string {
	if name != "" {
		return name
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return c.topics[id]
}
