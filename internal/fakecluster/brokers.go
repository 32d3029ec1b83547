package fakecluster

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrNeedsMemory is returned by what only the in-memory network can do when
// the cluster is on TCP.
var ErrNeedsMemory = errors.New("fakecluster: needs the in-memory network, not TCP")

// StopBroker stops a broker as seen from its clients: its connections are
// reset and dials are refused. Its data stay, and so does what it leads, which
// nobody can read or write then; see [Cluster.MoveLeader]. Stopping a stopped
// broker does nothing.
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

// StartBroker starts a stopped broker. The leader epoch of what it leads
// rises, as it does in Kafka when a broker comes back to lead. Starting a
// running broker does nothing.
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
		if err := c.elect(tp, broker); err != nil {
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

// RestartAll stops every broker and starts it again, with all data kept.
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

func (c *Cluster) checkBroker(broker int32) error {
	if broker < 0 || int(broker) >= c.opts.Brokers {
		return fmt.Errorf("fakecluster: no broker %d: brokers are 0 to %d", broker, c.opts.Brokers-1)
	}
	return nil
}

func (c *Cluster) leader(tp partition) int32 {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return c.parts[tp].leader
}

// MoveLeader makes a broker the leader of a partition. The leader epoch rises,
// also when the broker leads already.
//
// kfake does not tell fetches that wait at the old leader; Kafka answers them
// at once that it does not lead any more. So the connections with such a fetch
// are reset. On TCP those fetches end when their wait is over.
func (c *Cluster) MoveLeader(topic string, n, to int32) error {
	if err := c.checkBroker(to); err != nil {
		return err
	}
	c.op.lock()
	defer c.op.unlock()
	return c.moveLeader(partition{topic, n}, to)
}

func (c *Cluster) moveLeader(tp partition, to int32) error {
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
		err = c.elect(tp, to)
	}
	if err != nil {
		return fmt.Errorf("fakecluster: move leader of %v to broker %d: %w", tp, to, err)
	}
	if c.net != nil && from != to {
		c.net.DropConns(simnet.Target{Brokers: []int32{from}, Keys: []int16{int16(kmsg.Fetch)}})
	}
	return nil
}

// MoveLeadersFrom moves whatever a broker leads, and the transactional ids that
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
		if err := c.moveLeader(tp, to); err != nil {
			return err
		}
	}
	return c.moveCoordinators(broker, to)
}

// elect makes a broker lead in a new epoch that begins at the end of the log.
func (c *Cluster) elect(tp partition, to int32) error {
	return c.exclusive(func(k *kfake.Cluster) error {
		if err := k.MoveTopicPartition(tp.topic, tp.n, to); err != nil {
			return err
		}
		_, err := c.learn(k, tp)
		return err
	})
}
