package fakecluster

import "slices"

// LeadUncompacted makes a broker the leader of a partition, like [Cluster.MoveLeader], whose cleaner
// has not run yet. In Kafka each replica compacts its own copy of the log, at a time of its own. So
// the new leader still has all records, tombstones and markers that the former one had removed, and
// that were not deleted from the start of the log or lost with its end. It returns the batches that
// hold them, as they were written.
//
// They are there until its own cleaner catches up, at the next [Cluster.Compact]. With
// [Options.Horizons], the tombstones among them then stay for delete.retention.ms, because this
// cleaner meets them for the first time. Offsets, both ends of the log and its epochs are not
// affected, except that the leader's epoch rises.
//
// Of all states in which another replica may be, this is the one that is furthest behind. Leaders
// that are elected afterwards have what this one has, except by [Cluster.LeadCompacted].
func (c *Cluster) LeadUncompacted(topic string, n, to int32) ([]Batch, error) {
	if err := c.checkBroker(to); err != nil {
		return nil, err
	}
	c.op.lock()
	defer c.op.unlock()
	tp := partition{topic, n}
	left, err := c.readLog(tp, 0, false)
	if err != nil {
		return nil, err
	}
	var was *view
	err = c.moveLeader(tp, to, func(p *part) {
		c.stateMu.Lock()
		defer c.stateMu.Unlock()
		if was = p.view; was != nil {
			p.former = &copied{was, p.passes}
		}
		p.view, p.passes = nil, nil
	})
	if err != nil || was == nil {
		return nil, err
	}
	log, err := c.readLog(tp, 0, true)
	if err != nil {
		return nil, err
	}
	back := slices.DeleteFunc(log, func(b Batch) bool { return b.FirstOffset >= was.upTo || whole(left, &b) })
	c.unalias(back)
	return back, nil
}

// copied is what a replica that does not lead has of the compacted part of a log.
type copied struct {
	view   *view
	passes []stamp
}

// LeadCompacted makes a broker the leader that has compacted its copy of the log as the leader before
// [Cluster.LeadUncompacted] had: what came back is gone again, tombstones too, however recently
// a client read it. If a leader has compacted the log since, it is like [Cluster.MoveLeader].
func (c *Cluster) LeadCompacted(topic string, n, to int32) error {
	if err := c.checkBroker(to); err != nil {
		return err
	}
	c.op.lock()
	defer c.op.unlock()
	return c.moveLeader(partition{topic, n}, to, func(p *part) {
		c.stateMu.Lock()
		defer c.stateMu.Unlock()
		if p.former != nil {
			p.view, p.passes, p.former = p.former.view, p.former.passes, nil
		}
	})
}

// whole reports whether a log, in which batches are in order, has a batch with all its records.
func whole(log []Batch, b *Batch) bool {
	i, found := slices.BinarySearchFunc(log, b.FirstOffset, func(l Batch, off int64) int { return int(l.FirstOffset - off) })
	return found && len(log[i].Records) == len(b.Records)
}
