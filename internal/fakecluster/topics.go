package fakecluster

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNoPartition is returned for a topic or partition that does not exist.
var ErrNoPartition = errors.New("no such topic or partition")

// partition names a partition.
type partition struct {
	topic string
	n     int32
}

func (p partition) String() string { return fmt.Sprintf("%s-%d", p.topic, p.n) }

// part is what the cluster knows about a partition beyond kfake.
type part struct {
	id     [16]byte
	leader int32
	epochs []epochStart

	view   *view   // the compacted part, see kfake_compact.go; nil if nothing was compacted
	stamps []stamp // when batches were appended, in order
	passes []stamp // how far passes of compaction came, and when, in order
	former *copied // what compaction left at the leader before an uncompacted one, nil if it has compacted since

	next      int64 // offset up to which the log has been scanned
	producers map[int64]*producer
	tap       *Tap

	txns   map[int64]leaderTxn     // see kfake_transactions.go
	seen   map[int64]*seenProducer // see kfake_producers.go
	forgot *forgetting             // the last forgetting of producers
}

// epochStart says at which offset a leader epoch started, and which broker led in it.
type epochStart struct {
	epoch  int32
	start  int64
	leader int32
}

// CreateTopic creates a topic. The leader of partition p is broker p modulo the number of
// brokers, whereas kfake chooses it at random.
func (c *Cluster) CreateTopic(t Topic) error {
	c.op.lock()
	defer c.op.unlock()
	return c.createTopic(t)
}

func (c *Cluster) createTopic(t Topic) error {
	t.Partitions = cmp.Or(t.Partitions, 1)
	err := c.do(func(k *kfake.Cluster) error {
		if err := k.CreateTopic(t.Name, t.Partitions, t.Configs); err != nil {
			return err
		}
		for p := range t.Partitions {
			// Move the leader even if kfake chose the right one: the
			// epoch must not depend on its choice.
			if n := int32(c.opts.Brokers); n > 1 {
				if err := k.MoveTopicPartition(t.Name, p, p%n); err != nil {
					return err
				}
			}
			if _, err := c.learn(k, partition{t.Name, p}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fakecluster: create topic %q: %w", t.Name, err)
	}
	return nil
}

// learn makes a partition known if it is not yet. A topic that a client has created itself
// becomes known when a method names it.
func (c *Cluster) learn(k *kfake.Cluster, tp partition) (*part, error) {
	ti := k.TopicInfo(tp.topic)
	pi := k.PartitionInfo(tp.topic, tp.n)
	if ti == nil || pi == nil {
		return nil, fmt.Errorf("%v: %w", tp, ErrNoPartition)
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	p := c.parts[tp]
	if p == nil || p.id != ti.TopicID {
		next := &part{id: ti.TopicID, producers: make(map[int64]*producer)}
		if p != nil {
			next.tap = p.tap // the tap follows the name
		}
		p = next
		c.parts[tp] = p
		c.topics[ti.TopicID] = tp.topic
	}
	p.leader = pi.Leader
	if n := len(p.epochs); n == 0 || p.epochs[n-1].epoch < pi.Epoch {
		if n > 0 {
			c.forgetAtElection(tp, p)
		}
		p.epochs = append(p.epochs, epochStart{pi.Epoch, pi.HighWatermark, pi.Leader})
	}
	return p, nil
}

// AddPartitions adds partitions to a topic, so that it has total partitions. The existing ones
// stay as they are. Clients hear of the new ones with their next metadata. The leader of a new
// partition is the one that [Cluster.CreateTopic] would choose. As in Kafka, the number of
// partitions can't be reduced.
func (c *Cluster) AddPartitions(topic string, total int32) error {
	c.op.lock()
	defer c.op.unlock()
	if err := c.addPartitions(topic, total); err != nil {
		return fmt.Errorf("fakecluster: give topic %q %d partitions: %w", topic, total, err)
	}
	return c.do(func(k *kfake.Cluster) error {
		for p := range total {
			if _, err := c.learn(k, partition{topic, p}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Cluster) addPartitions(topic string, total int32) error {
	var have int32
	err := c.do(func(k *kfake.Cluster) error {
		have = int32(len(k.PartitionInfos(topic)))
		return nil
	})
	switch {
	case err != nil:
		return err
	case have == 0:
		return ErrNoPartition
	case total < have:
		return fmt.Errorf("it has %d already", have)
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Version = 3
	req.TimeoutMillis = 1000
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, total
	for p := have; p < total; p++ {
		a := kmsg.NewCreatePartitionsRequestTopicAssignment()
		a.Replicas = []int32{p % int32(c.opts.Brokers)}
		rt.Assignment = append(rt.Assignment, a)
	}
	req.Topics = append(req.Topics, rt)
	for broker := range int32(c.opts.Brokers) { // one of them is the controller
		var resp kmsg.Response
		if resp, err = c.request(broker, req); err != nil {
			continue // it is down
		}
		for _, rt := range resp.(*kmsg.CreatePartitionsResponse).Topics {
			err = kerr.ErrorForCode(rt.ErrorCode)
		}
		if !errors.Is(err, kerr.NotController) {
			return err
		}
	}
	return err
}

// DeleteTopic deletes a topic.
func (c *Cluster) DeleteTopic(name string) error {
	c.op.lock()
	defer c.op.unlock()
	return c.deleteTopic(name)
}

func (c *Cluster) deleteTopic(name string) error {
	err := c.erase(func(k *kfake.Cluster) error { return k.DeleteTopic(name) })
	if err != nil {
		return fmt.Errorf("fakecluster: delete topic %q: %w", name, err)
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	delete(c.settings, name)
	for tp, p := range c.parts {
		if tp.topic != name {
			continue
		}
		delete(c.topics, p.id)
		if p.tap == nil {
			delete(c.parts, tp)
		} else {
			p.tap.incarnation++
			p.next, p.producers = 0, make(map[int64]*producer)
		}
	}
	return nil
}

// RecreateTopic deletes a topic and creates it again. The new topic is empty, and has the same
// configurations and another topic id.
func (c *Cluster) RecreateTopic(name string) error {
	c.op.lock()
	defer c.op.unlock()
	t := Topic{Name: name}
	err := c.do(func(k *kfake.Cluster) error {
		ti := k.TopicInfo(name)
		if ti == nil {
			return fmt.Errorf("fakecluster: recreate topic %q: %w", name, ErrNoPartition)
		}
		t.Configs = configsOf(ti)
		t.Partitions = int32(len(k.PartitionInfos(name)))
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.deleteTopic(name); err != nil {
		return err
	}
	return c.createTopic(t)
}

// DeleteRecords deletes the records of a partition below an offset; -1 means
// all of them.
func (c *Cluster) DeleteRecords(topic string, n int32, before int64) error {
	c.op.lock()
	defer c.op.unlock()
	tp := partition{topic, n}
	err := c.erase(func(k *kfake.Cluster) error {
		if _, err := c.learn(k, tp); err != nil {
			return err
		}
		return k.DeleteRecords(topic, n, before)
	})
	if err != nil {
		return fmt.Errorf("fakecluster: delete records of %v before %d: %w", tp, before, err)
	}
	return nil
}
