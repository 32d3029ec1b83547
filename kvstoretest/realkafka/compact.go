package realkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// compactTimeout bounds Compact. Brokers of this package look for work ten times a second; one
// with Kafka's defaults looks every 15 s.
const compactTimeout = 90 * time.Second

// Compact makes the broker's cleaner compact a topic and returns when that is done: of the
// records that were in the log before the call, each key has only its last one, and no
// tombstone is left. The topic needs short delays, as in [TopicConfigs]; if its
// min.compaction.lag.ms is not zero, it is set to zero meanwhile, and delete.retention.ms
// to the value in TopicConfigs.
//
// Kafka never compacts the active segment, so the log has to grow past what is to be
// compacted. It grows by aborted transactions, which take offsets but which no reader of
// committed data sees. No transaction may be open on the topic.
func (k *Kafka) Compact(ctx context.Context, topic string) error {
	lag, err := k.setting(ctx, topic, lagSetting)
	if err != nil {
		return fmt.Errorf("compact %s: %w", topic, err)
	}
	if lag != "0" {
		retention, err := k.setting(ctx, topic, retentionSetting)
		if err != nil {
			return fmt.Errorf("compact %s: %w", topic, err)
		}
		// Both together: the cleaner marks a tombstone with the end of its retention when it
		// first sees it.
		quick := map[string]string{lagSetting: "0", retentionSetting: TopicConfigs()[retentionSetting]}
		if err := k.AlterTopic(ctx, topic, quick); err != nil {
			return err
		}
		return errors.Join(k.compact(ctx, topic),
			k.AlterTopic(context.WithoutCancel(ctx), topic, map[string]string{lagSetting: lag, retentionSetting: retention}))
	}
	return k.compact(ctx, topic)
}

// lagSetting is how old a record has to be for the cleaner to compact it.
const lagSetting = "min.compaction.lag.ms"

// retentionSetting is how long tombstones stay.
const retentionSetting = "delete.retention.ms"

func (k *Kafka) compact(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, compactTimeout,
		fmt.Errorf("not within %v", compactTimeout))
	defer cancel()
	_, end, err := k.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	cl, err := k.transactor(topic)
	if err != nil {
		return err
	}
	defer cl.Close()
	rounds := 0
	err = poll(ctx, 100*time.Millisecond, func() error {
		// A segment is closed by the first append after segment.ms, and each closed segment
		// makes the cleaner look again.
		if rounds%10 == 0 {
			if err := appendAborted(ctx, cl, []byte{}); err != nil {
				return err
			}
		}
		rounds++
		batches, err := k.ReadLog(ctx, topic)
		if err != nil {
			return err
		}
		return compacted(batches, end)
	})
	if err != nil {
		return fmt.Errorf("compact %s: %w", topic, err)
	}
	return nil
}

// transactor returns a client that writes to a topic in transactions.
func (k *Kafka) transactor(topic string) (*kgo.Client, error) {
	return kgo.NewClient(append(k.cfg.login(),
		kgo.SeedBrokers(k.seeds...),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID("kvsim-compact-"+unique()),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.DisableClientMetrics(),
	)...)
}

// Clean makes the broker's cleaner work on a topic that it otherwise leaves alone, because
// of min.cleanable.dirty.ratio=1. It returns when, of the records that were in the log
// before the call, each key has only its last one, or when patience is over. Tombstones
// stay for the topic's delete.retention.ms, and records younger than its
// min.compaction.lag.ms are not touched. Like [Kafka.Compact], it appends aborted
// transactions, each of one tombstone.
func (k *Kafka) Clean(ctx context.Context, topic string, patience time.Duration) (err error) {
	_, end, err := k.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	if err := k.AlterTopic(ctx, topic, map[string]string{ratioSetting: "0.001"}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, k.AlterTopic(context.WithoutCancel(ctx), topic, map[string]string{ratioSetting: "1"}))
	}()
	cl, err := k.transactor(topic)
	if err != nil {
		return err
	}
	defer cl.Close()
	for round, until := 0, time.Now().Add(patience); time.Now().Before(until); round++ {
		if round%5 == 0 {
			if err := appendAborted(ctx, cl, nil); err != nil {
				return fmt.Errorf("clean %s: %w", topic, err)
			}
		}
		batches, err := k.ReadLog(ctx, topic)
		if err != nil {
			return fmt.Errorf("clean %s: %w", topic, err)
		}
		if superseded(batches, end) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// ratioSetting is how much of a log has to be dirty for the cleaner to start.
const ratioSetting = "min.cleanable.dirty.ratio"

// appendAborted appends a transaction that is aborted.
func appendAborted(ctx context.Context, cl *kgo.Client, value []byte) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	produced := cl.ProduceSync(ctx, &kgo.Record{Key: []byte("kvsim-compact"), Value: value}).FirstErr()
	if err := cl.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	return produced
}

// compacted returns an error that says what the cleaner has still to remove below end.
func compacted(batches []Batch, end int64) error {
	for _, b := range batches {
		for _, r := range b.Records {
			if !b.Control && r.Offset < end && r.Value == nil {
				return fmt.Errorf("the tombstone of %q at offset %d is still there", r.Key, r.Offset)
			}
		}
	}
	return superseded(batches, end)
}

// superseded returns a key that has more than one record below end.
func superseded(batches []Batch, end int64) error {
	last := map[string]int64{}
	for _, b := range batches {
		if b.Control {
			continue
		}
		for _, r := range b.Records {
			if r.Offset >= end {
				break
			}
			if before, ok := last[string(r.Key)]; ok {
				return fmt.Errorf("%q is at offset %d and still at %d", r.Key, r.Offset, before)
			}
			last[string(r.Key)] = r.Offset
		}
	}
	return nil
}
