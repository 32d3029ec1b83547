package realkafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicConfigs returns the settings of topics for a store: compacted, with
// segments, dirty ratio and delays so small that the broker's cleaner acts
// within seconds. The caller owns the map.
func TopicConfigs() map[string]string {
	return map[string]string{
		"cleanup.policy":            "compact",
		"segment.ms":                "200",
		"min.cleanable.dirty.ratio": "0.001",
		"min.compaction.lag.ms":     "0",
		"delete.retention.ms":       "1000",
		"file.delete.delay.ms":      "100",
	}
}

// CreateTopic creates a topic of one partition, with TopicConfigs and the
// settings given, which win. It returns when the partition has a leader.
func (k *Kafka) CreateTopic(ctx context.Context, name string, settings map[string]string) error {
	all := TopicConfigs()
	maps.Copy(all, settings)
	configs := map[string]*string{}
	for key, value := range all {
		configs[key] = new(value)
	}
	replicas := int16(-1) // the cluster's default
	if !k.External() {
		replicas = int16(k.cfg.replicas())
	}
	// A broker that has just restarted answers before it can get replicas.
	uncounted := func(err error) bool { return !k.External() && errors.Is(err, kerr.InvalidReplicationFactor) }
	err := pollWhile(ctx, 100*time.Millisecond, uncounted, func() error {
		_, err := k.admin.CreateTopic(ctx, 1, replicas, configs, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	if _, _, err := k.Leader(ctx, name); err != nil {
		return fmt.Errorf("create topic %s: wait for its leader: %w", name, err)
	}
	return nil
}

// DeleteTopic deletes a topic and returns once no broker knows it any more.
func (k *Kafka) DeleteTopic(ctx context.Context, name string) error {
	if _, err := k.admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	return poll(ctx, 50*time.Millisecond, func() error {
		for broker := range max(1, len(k.nodes)) {
			if !k.External() && k.stopped(broker+1) {
				continue
			}
			md, err := k.admin.Metadata(ctx, name)
			if err != nil {
				return err
			}
			if md.Topics[name].Err != kerr.UnknownTopicOrPartition { //nolint:errorlint // kadm keeps the value
				return fmt.Errorf("topic %s is still there", name)
			}
		}
		return nil
	})
}

func (k *Kafka) stopped(broker int) bool {
	n := k.nodes[broker-1]
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stopped
}

// DeleteRecords deletes the records of partition 0 below an offset; -1 means
// all of them. It returns the new start of the log.
//
// Kafka refuses that on a topic whose cleanup.policy is compact alone, so the
// policy is compact,delete while it happens, with nothing to expire.
func (k *Kafka) DeleteRecords(ctx context.Context, topic string, before int64) (start int64, err error) {
	start, err = k.deleteRecords(ctx, topic, before)
	if errors.Is(err, kerr.PolicyViolation) {
		start, err = k.deleteCompacted(ctx, topic, before)
	}
	if err != nil {
		return 0, fmt.Errorf("delete records of %s below %d: %w", topic, before, err)
	}
	return start, nil
}

func (k *Kafka) deleteCompacted(ctx context.Context, topic string, before int64) (start int64, err error) {
	if err := k.AlterTopic(ctx, topic, map[string]string{"retention.ms": "-1", "cleanup.policy": "compact,delete"}); err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, k.AlterTopic(context.WithoutCancel(ctx), topic, map[string]string{"cleanup.policy": "compact"}))
	}()
	// The leader learns of the change a little later.
	refused := func(err error) bool { return errors.Is(err, kerr.PolicyViolation) }
	err = pollWhile(ctx, 20*time.Millisecond, refused, func() (err error) {
		start, err = k.deleteRecords(ctx, topic, before)
		return err
	})
	return start, err
}

func (k *Kafka) deleteRecords(ctx context.Context, topic string, before int64) (int64, error) {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: before, LeaderEpoch: -1})
	answer, err := k.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return 0, err
	}
	r, _ := answer.Lookup(topic, 0)
	return r.LowWatermark, nil
}

// AlterTopic changes settings of a topic. Brokers learn of the change a little after it has
// returned.
func (k *Kafka) AlterTopic(ctx context.Context, topic string, settings map[string]string) error {
	var changes []kadm.AlterConfig
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: new(settings[name])})
	}
	answers, err := k.admin.AlterTopicConfigs(ctx, changes, topic)
	for _, a := range answers {
		err = errors.Join(err, a.Err)
	}
	if err != nil {
		return fmt.Errorf("alter topic %s: %w", topic, err)
	}
	return nil
}

// Offsets returns the log start offset and the high watermark of partition 0.
func (k *Kafka) Offsets(ctx context.Context, topic string) (start, end int64, err error) {
	starts, err := listed(k.admin.ListStartOffsets(ctx, topic))
	if err != nil {
		return 0, 0, fmt.Errorf("log start of %s: %w", topic, err)
	}
	ends, err := listed(k.admin.ListEndOffsets(ctx, topic))
	if err != nil {
		return 0, 0, fmt.Errorf("log end of %s: %w", topic, err)
	}
	s, _ := starts.Lookup(topic, 0)
	e, _ := ends.Lookup(topic, 0)
	return s.Offset, e.Offset, nil
}

// EndOffset returns the offset that the next record of a partition gets.
func (k *Kafka) EndOffset(ctx context.Context, topic string, partition int32) (int64, error) {
	ends, err := listed(k.admin.ListEndOffsets(ctx, topic))
	end, ok := ends.Lookup(topic, partition)
	if err == nil && !ok {
		err = errors.New("there is no such partition")
	}
	if err != nil {
		return 0, fmt.Errorf("log end of %s-%d: %w", topic, partition, err)
	}
	return end.Offset, nil
}

// listed returns the first error of an answer, or of the call.
func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = offsets.Error()
	}
	return offsets, err
}

// setting returns the value of a topic's setting.
func (k *Kafka) setting(ctx context.Context, topic, name string) (string, error) {
	configs, err := k.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	for _, rc := range configs {
		if rc.Err != nil {
			return "", rc.Err
		}
		for _, c := range rc.Configs {
			if c.Key == name {
				return c.MaybeValue(), nil
			}
		}
	}
	return "", fmt.Errorf("the broker knows no setting %s", name)
}
