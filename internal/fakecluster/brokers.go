package fakecluster

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrNeedsMemory is returned, by a cluster on TCP, from methods that need the in-memory
// network.
var ErrNeedsMemory = errors.New("fakecluster: needs the in-memory network, not TCP")

// StopBroker stops a broker as far as clients can see: its connections are reset, and dials
// are refused. It keeps its data and stays the leader of its partitions, which can't be
// read or written meanwhile; see [Cluster.MoveLeader]. Stopping a stopped broker does
// nothing.
func (c *Cluster) StopBroker(broker int32) error {
	if err := c.checkBroker(broker); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.net == nil {
		return ErrNeedsMemory
	}
	if c.stopped[broker] != nil {
		return nil
	}
	t := simnet.Target{Brokers: []int32{broker}}
	c.stopped[broker] = c.net.RefuseDials(t).Undo
	c.setDown(broker, true)
	c.net.DropConns(t)
	return nil
}

// StartBroker starts a stopped broker. The leader epoch of the partitions that it leads
// rises, as in Kafka when a broker comes back as leader. Starting a running broker does
// nothing.
func (c *Cluster) StartBroker(broker int32) error {
	if err := c.checkBroker(broker); err != nil {
		return err
	}
	c.op.lock()
	defer c.op.unlock()
	c.mu.Lock()
	undo := c.stopped[broker]
	delete(c.stopped, broker)
	c.mu.Unlock()
	if undo == nil {
		return c.do(func(*kfake.Cluster) error { return nil })
	}
	for _, tp := range c.known() {
		if c.leader(tp) != broker {
			continue
		}
		if err := c.elect(tp, broker, nil); err != nil {
			return fmt.Errorf("fakecluster: start broker %d: %w", broker, err)
		}
	}
	c.setDown(broker, false)
	undo()
	return nil
}

func (c *Cluster) setDown(broker int32, down bool) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if down {
		c.down[broker] = true
	} else {
		delete(c.down, broker)
	}
}

// Stopped reports whether a broker is stopped.
func (c *Cluster) Stopped(broker int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped[broker] != nil
}

// RestartAll stops every broker and starts it again. All data are kept.
func (c *Cluster) RestartAll() error {
	for b := range int32(c.opts.Brokers) {
		if err := c.StopBroker(b); err != nil {
			return err
		}
	}
	for b := range int32(c.opts.Brokers) {
		if err := c.StartBroker(b); err != nil {
			return err
		}
	}
	return nil
}

// checkBroker returns an error that names the first of brokers that the cluster does not have.
func (c *Cluster) checkBroker(brokers ...int32) error {
	for _, broker := range brokers {
		if broker < 0 || int(broker) >= c.opts.Brokers {
			return fmt.Errorf("fakecluster: no broker %d: brokers are 0 to %d", broker, c.opts.Brokers-1)
		}
	}
	return nil
}

func (c *Cluster) leader(tp partition) int32 {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return c.parts[tp].leader
}

// MoveLeader makes a broker the leader of a partition. The leader epoch rises, even if the
// broker is the leader already.
//
// If a fetch is waiting at the old leader, Kafka answers immediately that it is not the leader
// any more, but kfake lets the fetch wait. So MoveLeader resets connections with such a
// fetch. On TCP those fetches end when their wait is over.
func (c *Cluster) MoveLeader(topic string, n, to int32) error {
	if err := c.checkBroker(to); err != nil {
		return err
	}
	c.op.lock()
	defer c.op.unlock()
	return c.moveLeader(partition{topic, n}, to, nil)
}

// moveLeader makes a broker lead. elected, if it is not nil, is called at the instant of the
// election, before the new leader answers anything. The caller holds op.
func (c *Cluster) moveLeader(tp partition, to int32, elected func(*part)) error {
	var from int32
	err := c.do(func(k *kfake.Cluster) error {
		p, err := c.learn(k, tp)
		if err != nil {
			return err
		}
		c.stateMu.Lock()
		from = p.leader
		c.stateMu.Unlock()
		return nil
	})
	if err == nil {
		err = c.elect(tp, to, elected)
	}
	if err != nil {
		return fmt.Errorf("fakecluster: move leader of %v to broker %d: %w", tp, to, err)
	}
	if c.net != nil && from != to {
		c.net.DropConns(simnet.Target{Brokers: []int32{from}, Keys: []int16{int16(kmsg.Fetch)}})
	}
	return nil
}

// MoveLeadersFrom moves the partitions that a broker leads, and the transactional ids that
// it coordinates, to the next broker that is not stopped.
func (c *Cluster) MoveLeadersFrom(broker int32) error {
	if err := c.checkBroker(broker); err != nil {
		return err
	}
	c.op.lock()
	defer c.op.unlock()
	to := broker
	for i := 1; i < c.opts.Brokers; i++ {
		if next := (broker + int32(i)) % int32(c.opts.Brokers); !c.Stopped(next) {
			to = next
			break
		}
	}
	if to == broker {
		return fmt.Errorf("fakecluster: no other broker runs that could lead in place of broker %d", broker)
	}
	for _, tp := range c.known() {
		if c.leader(tp) != broker {
			continue
		}
		if err := c.moveLeader(tp, to, nil); err != nil {
			return err
		}
	}
	return c.moveCoordinators(broker, to)
}

// elect makes a broker the leader, in a new epoch that starts at the end of the log.
// elected is as for moveLeader.
func (c *Cluster) elect(tp partition, to int32, elected func(*part)) error {
	return c.exclusive(func(k *kfake.Cluster) error {
		if err := k.MoveTopicPartition(tp.topic, tp.n, to); err != nil {
			return err
		}
		p, err := c.learn(k, tp)
		if err == nil && elected != nil {
			elected(p)
		}
		return err
	})
}
