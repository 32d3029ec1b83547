package fakecluster

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Tap remembers every batch that was ever appended to a partition, in order, including those that
// were removed by compaction, DeleteRecords, a lost tail or the deletion of the topic. To make
// that possible, every such operation of a [Cluster] first lets the taps read the log, with no
// append in between. If a client deletes records by a request of its own, the tap misses those
// that it had not read by then.
type Tap struct {
	c  *Cluster
	tp partition

	// Guarded by c.stateMu.
	incarnation int
	batches     []Tapped
}

// Tapped is a batch that a tap has seen.
type Tapped struct {
	Batch
	// Incarnation is how many times the topic had been recreated by then.
	Incarnation int
	// Lost says that the batch was lost with the tail of the log. Another batch may
	// have its offsets since.
	Lost bool
}

// Tap starts to remember what is appended to a partition, starting with its present log. If it is
// called again, it returns the same tap.
func (c *Cluster) Tap(topic string, n int32) (*Tap, error) {
	c.op.lock()
	defer c.op.unlock()
	tp := partition{topic, n}
	var p *part
	err := c.do(func(k *kfake.Cluster) (err error) {
		p, err = c.learn(k, tp)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fakecluster: tap: %w", err)
	}
	c.stateMu.Lock()
	t := p.tap
	if t == nil {
		t = &Tap{c: c, tp: tp}
		p.tap, p.next = t, 0
		p.producers = make(map[int64]*producer)
	}
	c.stateMu.Unlock()
	if err := c.scan(tp, p); err != nil {
		return nil, fmt.Errorf("fakecluster: tap: %w", err)
	}
	return t, nil
}

// Batches returns all batches seen so far, up to the present end of the log. Its byte slices are
// shared and must not be changed.
func (t *Tap) Batches() ([]Tapped, error) {
	t.c.op.lock()
	defer t.c.op.unlock()
	t.c.stateMu.Lock()
	p := t.c.parts[t.tp]
	_, exists := t.c.topics[p.id]
	t.c.stateMu.Unlock()
	if exists {
		if err := t.c.scan(t.tp, p); err != nil {
			return nil, fmt.Errorf("fakecluster: tap: %w", err)
		}
	}
	t.c.stateMu.Lock()
	defer t.c.stateMu.Unlock()
	return slices.Clone(t.batches), nil
}

// scan reads what was appended to a partition since the last scan. The caller
// holds op.
func (c *Cluster) scan(tp partition, p *part) error {
	for {
		c.stateMu.Lock()
		from := p.next
		c.stateMu.Unlock()
		batches, next, err := c.readSome(tp, from, true)
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			return nil
		}
		c.stateMu.Lock()
		for _, b := range batches {
			p.track(&b)
			if p.tap != nil {
				b.ProducerID = c.trueID(b.ProducerID)
				p.tap.batches = append(p.tap.batches, Tapped{Batch: b, Incarnation: p.tap.incarnation})
			}
		}
		p.next = next
		c.stateMu.Unlock()
	}
}

// known returns the partitions that exist and are known, in order.
func (c *Cluster) known() []partition {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	var out []partition
	for tp, p := range c.parts {
		if _, exists := c.topics[p.id]; exists {
			out = append(out, tp)
		}
	}
	slices.SortFunc(out, comparePartitions)
	return out
}

// erase stops kfake, lets the taps read the whole log, and then calls fn, which removes records.
// The caller holds op.
func (c *Cluster) erase(fn func(*kfake.Cluster) error) error {
	for {
		parts := c.known()
		for _, tp := range parts {
			if err := c.scan(tp, c.part(tp)); err != nil {
				return fmt.Errorf("scan %v: %w", tp, err)
			}
		}
		behind := false
		err := c.exclusive(func(k *kfake.Cluster) error {
			for _, tp := range parts {
				info := k.PartitionInfo(tp.topic, tp.n)
				p := c.part(tp)
				c.stateMu.Lock()
				if info != nil && max(p.next, info.LogStartOffset) < info.HighWatermark {
					behind = true
				}
				c.stateMu.Unlock()
			}
			if behind {
				return nil
			}
			return fn(k)
		})
		if err != nil || !behind {
			return err
		}
	}
}

func (c *Cluster) part(tp partition) *part {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return c.parts[tp]
}
