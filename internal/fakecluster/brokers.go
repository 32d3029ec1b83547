package fakecluster

import (
	"errors"
	"fmt"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrNeedsMemory is returned by what only the in-memory network can do when
// the cluster is on TCP.
var ErrNeedsMemory = errors.New("fakecluster: needs the in-memory network, not TCP")

// StopBroker stops a broker as seen from its clients: its connections are
// reset and dials are refused. Its data, and what it leads, stay; see
// [Cluster.MoveLeader]. Stopping a stopped broker does nothing.
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
	c.net.DropConns(t)
	return nil
}

// StartBroker starts a stopped broker. Starting a running one does nothing.
func (c *Cluster) StartBroker(broker int32) error {
	if err := c.checkBroker(broker); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if undo := c.stopped[broker]; undo != nil {
		delete(c.stopped, broker)
		undo()
	}
	return nil
}

func (c *Cluster) checkBroker(broker int32) error {
	if broker < 0 || int(broker) >= c.opts.Brokers {
		return fmt.Errorf("fakecluster: no broker %d: brokers are 0 to %d", broker, c.opts.Brokers-1)
	}
	return nil
}
