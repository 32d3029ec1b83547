package kvstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// opener finds the topic, creates it when it may, and checks that it fits.
type opener struct {
	cfg     *clientConfig
	cl      *kgo.Client
	adm     *kadm.Client
	part    *partition
	follow  *settings
	backoff func(int) time.Duration
	log     *repeatLog
	last    error // the last error met, kept for when the context ends
}

// open returns once the topic is there and fits, and its settings are known.
func (o *opener) open(ctx context.Context) error {
	m, err := o.find(ctx)
	if err != nil {
		return err
	}
	configs, sent, err := o.configs(ctx)
	if err != nil {
		return err
	}
	if err := o.validate(m, parseSettings(configs)); err != nil {
		return err
	}
	o.follow.begin(configs, sent)
	return nil
}

// find asks for the topic until it is there and has a leader. Only when the
// cluster says that there is no such topic does it try to create it: an
// existing topic needs no right to create.
func (o *opener) find(ctx context.Context) (topicMeta, error) {
	for failures := 1; ; failures++ {
		m, err := o.part.lookup(ctx)
		if errors.Is(err, kerr.UnknownTopicOrPartition) && !o.cfg.readOnly {
			if err = o.create(ctx); err == nil {
				m, err = o.part.lookup(ctx)
			}
		}
		if err == nil {
			return m, nil
		}
		if err := o.giveUp(ctx, err); err != nil {
			return m, err
		}
		o.log.warn("kvstore: opening the topic failed, trying again", err)
		sleep(ctx, o.backoff(failures))
	}
}

// giveUp returns the error to stop with, nil when another try may help.
func (o *opener) giveUp(ctx context.Context, err error) error {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		o.last = err
	}
	if ctx.Err() != nil {
		return &WaitError{Position: -1, Target: -1, Cause: o.last, Err: contextError(ctx)}
	}
	if final(err) {
		return err
	}
	return nil
}

// final reports whether no waiting mends err while a client opens.
func final(err error) bool {
	return slices.ContainsFunc(finalErrors, func(f error) bool { return errors.Is(err, f) })
}

var finalErrors = []error{
	kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed,
	kerr.SaslAuthenticationFailed,
	kerr.UnsupportedSaslMechanism,
	kerr.InvalidTopicException,
	kerr.InvalidReplicationFactor,
	kerr.InvalidConfig,
	kerr.InvalidRequest,
	kerr.PolicyViolation,
	ErrTopicRecreated,
	kgo.ErrClientClosed,
}

// create makes the topic. Another client may be faster, which is as good.
func (o *opener) create(ctx context.Context) error {
	configs := map[string]*string{}
	for k, v := range o.cfg.topicConfig {
		configs[k] = new(v)
	}
	configs["cleanup.policy"] = new("compact")
	resp, err := o.adm.CreateTopic(ctx, 1, o.cfg.replication, configs, o.part.topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if err != nil {
		if resp.ErrMessage != "" {
			return fmt.Errorf("create: %w: %s", err, resp.ErrMessage)
		}
		return fmt.Errorf("create: %w", err)
	}
	return nil
}

// configs returns the topic's configuration, and when it was asked for. It is nil when
// this client has no right to see it.
func (o *opener) configs(ctx context.Context) (map[string]string, time.Time, error) {
	for failures := 1; ; failures++ {
		sent := time.Now()
		configs, err := o.describe(ctx)
		switch {
		case err == nil:
			return configs, sent, nil
		case undescribable(err):
			o.log.warn("kvstore: no right to read the topic's configuration: cleanup.policy is not checked, max.message.bytes and delete.retention.ms are taken to be Kafka's defaults, 1 MiB and 24 hours", err)
			return nil, sent, nil
		}
		if err := o.giveUp(ctx, err); err != nil {
			return nil, sent, err
		}
		o.log.warn("kvstore: reading the topic's configuration failed, trying again", err)
		sleep(ctx, o.backoff(failures))
	}
}

func (o *opener) describe(ctx context.Context) (map[string]string, error) {
	rcs, err := o.adm.DescribeTopicConfigs(ctx, o.part.topic)
	if err != nil {
		return nil, fmt.Errorf("describe configs: %w", err)
	}
	rc, err := rcs.On(o.part.topic, nil)
	if err == nil {
		err = rc.Err
	}
	if err != nil {
		return nil, fmt.Errorf("describe configs: %w", err)
	}
	configs := map[string]string{}
	for _, c := range rc.Configs {
		configs[c.Key] = c.MaybeValue()
	}
	return configs, nil
}

// validate checks that the topic can hold a store.
func (o *opener) validate(m topicMeta, ts topicSettings) error {
	if o.cfg.validation == TopicValidationSkip {
		return nil
	}
	var problems []error
	if m.partitions != 1 {
		problems = append(problems, fmt.Errorf("it has %d partitions and needs exactly 1, because the order of one log is what the store's promises rest on: partitions can't be removed, so copy the data to a new topic", m.partitions))
	}
	problems = append(problems, ts.problems(o.part.topic, o.cfg.retains)...)
	if len(problems) == 0 {
		return nil
	}
	err := fmt.Errorf("%w: %w", ErrTopicConfig, errors.Join(problems...))
	if o.cfg.validation == TopicValidationWarn {
		o.log.warn("kvstore: going on with a topic that does not fit", err)
		return nil
	}
	return err
}
