package fakecluster

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// LoseTail crashes all brokers, starts them again without the records of one partition from an
// offset on, and returns the batches that are gone. The result is that of an unclean leader
// election: acknowledged records are lost, and their offsets are used again. The leader epoch
// rises, so clients can find out: OffsetForLeaderEpoch answers that the old epoch ended earlier.
//
// Batches are lost whole, so the batch that holds the offset is lost with all its records, unless
// the log begins within it.
// Transactions stay open, without the batches that are lost. A transaction whose marker is lost
// is aborted, whereas Kafka would leave it hanging: no answer shows its records as committed, also
// where compaction had kept them, and later compactions remove them. Consumer groups are forgotten. The state of
// idempotent producers is restored from the log that is left, as in Kafka. All other partitions
// keep their data.
//
// The new brokers keep their data in a directory under [Options.Dir], which
// [Cluster.Close] removes.
func (c *Cluster) LoseTail(topic string, n int32, from int64) ([]Batch, error) {
	c.op.lock()
	defer c.op.unlock()
	tp := partition{topic, n}
	lost, err := c.loseTail(tp, from)
	if err != nil {
		return nil, fmt.Errorf("fakecluster: lose tail of %v from %d: %w", tp, from, err)
	}
	c.unalias(lost)
	return lost, nil
}

// Crash crashes all brokers and starts them again with all acknowledged records and all
// transactions. Unlike after [Cluster.RestartAll], the brokers are really new ones.
func (c *Cluster) Crash() error {
	c.op.lock()
	defer c.op.unlock()
	if _, err := c.loseTail(partition{n: -1}, 0); err != nil {
		return fmt.Errorf("fakecluster: crash: %w", err)
	}
	return nil
}

func (c *Cluster) loseTail(tp partition, from int64) ([]Batch, error) {
	if err := c.learnAll(); err != nil {
		return nil, err
	}
	if tp.n >= 0 {
		end, err := c.EndOffset(tp.topic, tp.n)
		if err != nil {
			return nil, err
		}
		if from < 0 || from > end {
			return nil, fmt.Errorf("offset is outside of the log, which ends at %d", end)
		}
	}
	if c.net != nil {
		defer c.net.RefuseDials(simnet.Target{}).Undo()
		c.net.DropConns(simnet.Target{})
	}
	im, before, err := c.halt()
	if err != nil {
		return nil, err
	}
	start := before[tp].LogStartOffset
	lost := im.cut(tp, c.boundary(tp, from, start), start)
	tails := make(map[partition]tail)
	for i := range im.Topics {
		for n := range im.Topics[i].Logs {
			p := c.part(partition{im.Topics[i].Name, int32(n)})
			c.stateMu.Lock()
			if len(lost) > 0 && tp == (partition{im.Topics[i].Name, int32(n)}) {
				lost = p.uncompacted(lost)
				p.truncate(lost[0].FirstOffset)
			}
			t := &im.Topics[i]
			here, was := partition{t.Name, int32(n)}, p.txns
			head, rest := c.splitOpen(here, p, t.Logs[n])
			gone, err := c.bringBack(here, p, was, t.Logs[n], before[here].LogStartOffset)
			if err != nil {
				c.stateMu.Unlock()
				return nil, err
			}
			if len(gone) > 0 {
				head, rest = nil, append(gone, t.Logs[n]...)
			}
			known := p.producers
			if len(rest) > 0 {
				t.Logs[n], t.Ends[n] = head, rest[0].FirstOffset
				known = p.knownBefore(rest[0].FirstOffset + int64(len(gone)))
				for _, b := range gone {
					delete(known, b.ProducerID)
				}
				tails[here] = rest
			}
			t.Producers = append(t.Producers, known)
			c.stateMu.Unlock()
		}
	}
	c.stateMu.Lock()
	for _, t := range c.txns.ids {
		im.IDs = append(im.IDs, t.producer)
	}
	im.IDs = append(im.IDs, c.txns.spare...)
	c.stateMu.Unlock()
	if err := c.reboot(im, before, tails); err != nil {
		return nil, err
	}
	return lost, nil
}

// boundary returns the first offset of the batch that holds an offset or, if compaction removed
// that batch, of the next one that is left. A batch in which the log starts can't be lost, since the
// log would end before it starts.
func (c *Cluster) boundary(tp partition, from, start int64) int64 {
	v := c.viewOf(tp)
	if v == nil || from >= v.upTo {
		return from
	}
	for _, b := range v.from(from) {
		if b.FirstOffset >= start {
			return b.FirstOffset
		}
	}
	return v.upTo
}

// uncompacted returns what compaction had left of batches, which are as they were written. The
// first batch must be one that is left. The caller holds stateMu.
func (p *part) uncompacted(batches []Batch) []Batch {
	if p.view == nil || batches[0].FirstOffset >= p.view.upTo {
		return batches
	}
	out := slices.Clone(p.view.from(batches[0].FirstOffset))
	for _, b := range batches {
		if b.FirstOffset >= p.view.upTo {
			out = append(out, b)
		}
	}
	return out
}

// cut removes the tail of a log and returns it.
func (im *image) cut(tp partition, from, start int64) (lost []Batch) {
	for i := range im.Topics {
		if im.Topics[i].Name != tp.topic || tp.n < 0 {
			continue
		}
		log := im.Topics[i].Logs[tp.n]
		for j, b := range log {
			if b.LastOffset >= from && b.FirstOffset >= start {
				im.Topics[i].Logs[tp.n] = log[:j]
				im.Topics[i].Ends[tp.n] = b.FirstOffset
				return log[j:]
			}
		}
	}
	return nil
}

// truncate forgets everything at an offset and above. The caller holds stateMu.
func (p *part) truncate(from int64) {
	p.forget(from)
	p.next = min(p.next, from)
	p.view = p.view.below(from)
	if p.former != nil {
		p.former.view = p.former.view.below(from)
	}
	for len(p.stamps) > 0 && p.stamps[len(p.stamps)-1].from >= from {
		p.stamps = p.stamps[:len(p.stamps)-1]
	}
	for i := range p.passes {
		p.passes[i].from = min(p.passes[i].from, from)
	}
	for len(p.epochs) > 1 && p.epochs[len(p.epochs)-1].start >= from {
		p.epochs = p.epochs[:len(p.epochs)-1]
	}
	if p.tap != nil {
		for i := range p.tap.batches {
			b := &p.tap.batches[i]
			if b.Incarnation == p.tap.incarnation && b.FirstOffset >= from {
				b.Lost = true
			}
		}
	}
}

// learnAll makes the topics known that clients have created themselves.
func (c *Cluster) learnAll() error {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = harnessMetadataVersion
	req.AllowAutoTopicCreation = false
	resp, err := c.request(0, req)
	if err != nil {
		return err
	}
	return c.do(func(k *kfake.Cluster) error {
		for _, t := range resp.(*kmsg.MetadataResponse).Topics {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
				return err
			}
			for _, p := range t.Partitions {
				if _, err := c.learn(k, partition{*t.Topic, p.Partition}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// halt stops kfake at an instant at which everything in its log is known, and
// returns its whole state and that of each partition.
func (c *Cluster) halt() (*image, map[partition]kfake.PartitionInfo, error) {
	parts := c.known()
	before := make(map[partition]kfake.PartitionInfo)
	var im image
	for {
		logs := make(map[partition][]Batch)
		for _, tp := range parts {
			if err := c.scan(tp, c.part(tp)); err != nil {
				return nil, nil, err
			}
			log, err := c.readLog(tp, 0, true)
			if err != nil {
				return nil, nil, err
			}
			logs[tp] = log
		}
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, nil, ErrClosed
		}
		behind := false
		err := c.exclusiveLocked(func(k *kfake.Cluster) error {
			im = image{}
			for _, tp := range parts {
				info := k.PartitionInfo(tp.topic, tp.n)
				before[tp] = *info
				end := info.LogStartOffset
				if log := logs[tp]; len(log) > 0 {
					end = log[len(log)-1].LastOffset + 1
				}
				if c.part(tp).next < info.HighWatermark && info.LogStartOffset < info.HighWatermark || end < info.HighWatermark {
					behind = true
					return nil
				}
				im.add(k, tp, logs[tp], info.HighWatermark)
			}
			k.Close()
			return nil
		})
		c.mu.Unlock()
		if err != nil || !behind {
			return &im, before, err
		}
	}
}

// add adds a partition to the image. Partitions of a topic must be added in order.
func (im *image) add(k *kfake.Cluster, tp partition, log []Batch, end int64) {
	n := len(im.Topics)
	if n == 0 || im.Topics[n-1].Name != tp.topic {
		ti := k.TopicInfo(tp.topic)
		im.Topics = append(im.Topics, imageTopic{Name: tp.topic, ID: ti.TopicID, Replicas: ti.NumReplicas, Configs: configsOf(ti)})
		n++
	}
	t := &im.Topics[n-1]
	t.Partitions++
	t.Logs = append(t.Logs, log)
	t.Ends = append(t.Ends, end)
}

// reboot starts kfake on an image. It gives each partition its former leader, in a new epoch, and
// its log the former start.
func (c *Cluster) reboot(im *image, before map[partition]kfake.PartitionInfo, tails map[partition]tail) error {
	dir, err := c.makeDir()
	if err != nil {
		return err
	}
	if err := im.write(dir); err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.setReplaying(len(tails) > 0)
	defer c.setReplaying(false)
	old := c.dir
	c.dir = dir
	err = c.boot(dir)
	c.stateMu.Lock()
	acls := slices.Clone(c.acls)
	c.stateMu.Unlock()
	c.mu.Unlock()
	if old != "" {
		err = errors.Join(err, os.RemoveAll(old))
	}
	if err != nil {
		return err
	}
	for _, a := range acls {
		if err := c.createACL(a); err != nil {
			return err
		}
	}
	for _, tp := range c.known() {
		if rest := tails[tp]; len(rest) > 0 {
			if err := c.replay(tp, rest); err != nil {
				return fmt.Errorf("append what was open in %v again: %w", tp, err)
			}
		}
	}
	c.setReplaying(false)
	return c.do(func(k *kfake.Cluster) error {
		for _, tp := range c.known() {
			if err := restore(k, tp, before[tp]); err != nil {
				return err
			}
			if _, err := c.learn(k, tp); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Cluster) setReplaying(on bool) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.replaying = on
}

func restore(k *kfake.Cluster, tp partition, was kfake.PartitionInfo) error {
	for {
		if err := k.MoveTopicPartition(tp.topic, tp.n, was.Leader); err != nil {
			return err
		}
		info := k.PartitionInfo(tp.topic, tp.n)
		if info.Epoch <= was.Epoch {
			continue
		}
		if info.LogStartOffset >= was.LogStartOffset {
			return nil
		}
		return k.DeleteRecords(tp.topic, tp.n, min(was.LogStartOffset, info.HighWatermark))
	}
}

// makeDir makes a directory for kfake's data. kfake syncs its files, which is slow on a disk and
// costs nothing in memory, so it prefers /dev/shm.
func (c *Cluster) makeDir() (string, error) {
	const pattern = "fakecluster-"
	if c.opts.Dir == "" {
		if dir, err := os.MkdirTemp("/dev/shm", pattern); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp(c.opts.Dir, pattern)
}
