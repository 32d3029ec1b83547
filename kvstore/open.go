package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// opener finds the topic, creates it if allowed, and checks that it fits.
type opener struct {
	cfg     *clientConfig
	asks    *requests
	part    *partition
	follow  *settings
	backoff func(int) time.Duration
	log     *repeatLog
	haste   *failFast
	last    Problem // the last error met, kept for when the context ends
	waits   unanswered
}

// open returns once the topic is there and fits, and its settings are known.
func (o *opener) open(ctx context.Context) error {
	ctx = o.waits.within(ctx)
	m, err := o.find(ctx)
	if err != nil {
		return err
	}
	configs, sent, err := o.configs(ctx)
	if err != nil {
		return err
	}
	if configs, err = o.fits(ctx, m, configs); err != nil {
		return err
	}
	o.follow.begin(configs, sent)
	return nil
}

// find asks for the topic until it is there and has a leader. Only when the
// cluster says that there is no such topic does it try to create it: an
// existing topic needs no right to create.
func (o *opener) find(ctx context.Context) (topicMeta, error) {
	for failures, unfit := 1, 0; ; failures++ {
		m, err := o.part.lookup(ctx)
		if errors.Is(err, kerr.UnknownTopicOrPartition) && !o.cfg.readOnly {
			if err = o.creatable(); err != nil {
				if unfit++; unfit >= mostRefusals { // brokers may not have heard of it yet
					return m, err
				}
			} else if err = o.create(ctx); err == nil {
				m, err = o.part.lookup(ctx)
			}
		}
		if err == nil {
			return m, nil
		}
		wait, end := o.giveUp(ctx, err)
		if end != nil {
			return m, end
		}
		o.log.warn("kvstore: opening the topic failed, trying again", err)
		o.part.rest(ctx, max(wait, o.backoff(failures)))
	}
}

// giveUp returns the error to stop with, nil when another try may help, and how long to
// wait before it at least.
func (o *opener) giveUp(ctx context.Context, err error) (wait time.Duration, end error) {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		o.last = o.last.met(err)
	}
	if ctx.Err() == nil {
		if wait, end = o.haste.final(ctx, err); end != nil {
			return 0, end
		}
	}
	if ctx.Err() != nil {
		why := o.waits.problem(repeatInterval).besides(o.last)
		if why.Count == 0 {
			why = o.waits.problem(0)
		}
		return 0, &WaitError{Position: -1, Target: -1, Cause: why.Err, Count: why.Count, Err: contextError(ctx)}
	}
	return wait, nil
}

// impossible marks an error caused by a topic's name or configuration.
func impossible(err error) error {
	if isOneOf(err, impossibleErrors) {
		return fmt.Errorf("%w: %w", errImpossible, err)
	}
	return err
}

// creatable refuses a WithTopicConfig with which the topic could not hold a store: every
// other client would be refused, too.
func (o *opener) creatable() error {
	ts := parseSettings(o.cfg.topicConfig)
	if o.cfg.validation == TopicValidationFail && o.cfg.retains == 0 && ts.retention < leastRetention {
		return fmt.Errorf("%w: the topic is not created with delete.retention.ms=%d of WithTopicConfig: it has to be at least %d, or a client that is blocked for a moment misses deletions",
			ErrTopicConfig, ts.retention.Milliseconds(), leastRetention.Milliseconds())
	}
	if _, named := o.cfg.topicConfig["max.message.bytes"]; !named {
		return nil // it will be the brokers' default, which is not known yet
	}
	return checkReadable(o.asks.cl, o.part.topic, ts.maxMessageBytes)
}

// create makes the topic. Another client may be faster, which is fine.
func (o *opener) create(ctx context.Context) error {
	configs := map[string]*string{}
	for k, v := range o.cfg.topicConfig {
		configs[k] = new(v)
	}
	configs["cleanup.policy"] = new("compact")
	defer asking(ctx, kmsg.CreateTopics.Name(), anyBroker, 0).answered(ctx)
	resp, err := beside(ctx, o.asks, func(ctx context.Context, n int) (kadm.CreateTopicResponse, error) {
		if n > 0 { // others may name another broker to create topics at
			if err := o.asks.learn(ctx); err != nil {
				return kadm.CreateTopicResponse{}, err
			}
		}
		return kadm.NewClient(o.asks.cl).CreateTopic(ctx, 1, o.cfg.replication, configs, o.part.topic)
	})
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if err = impossible(err); err != nil {
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
	for failures, denials := 1, 0; ; failures++ {
		sent := time.Now()
		configs, err := o.describe(ctx)
		if denials++; !undescribable(err) {
			denials = 0
		}
		switch {
		case err == nil:
			if _, ok := configs["cleanup.policy"]; !ok && o.cfg.validation != TopicValidationSkip {
				o.log.warn("kvstore: the topic's cleanup.policy is not checked", errors.New("the brokers' answer does not have it"))
			}
			return configs, sent, nil
		case denials >= mostRefusals: // one broker may not have heard yet of a right that was just given
			o.log.warn("kvstore: no right to read the topic's configuration: cleanup.policy is not checked, max.message.bytes and delete.retention.ms are taken to be Kafka's defaults, 1 MiB and 24 hours", err)
			return nil, sent, nil
		}
		var wait time.Duration
		var end error
		if denials == 0 || ctx.Err() != nil { // a client may do without this right
			wait, end = o.giveUp(ctx, err)
		}
		if end != nil {
			return nil, sent, end
		}
		o.log.warn("kvstore: reading the topic's configuration failed, trying again", err)
		o.part.rest(ctx, max(wait, o.backoff(failures)))
	}
}

func (o *opener) describe(ctx context.Context) (map[string]string, error) {
	configs, err := o.describeAt(ctx, o.asks)
	if err != nil {
		return nil, fmt.Errorf("describe configs: %w", err)
	}
	return configs, nil
}

func (o *opener) describeAt(ctx context.Context, at kmsg.Requestor) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, o.part.topic
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, rr := range resp.Resources {
		if rr.ResourceType != r.ResourceType || rr.ResourceName != r.ResourceName {
			continue
		}
		if err := kerr.ErrorForCode(rr.ErrorCode); err != nil {
			return nil, withMessage(err, rr.ErrorMessage)
		}
		configs := map[string]string{}
		for _, c := range rr.Configs {
			if c.Value != nil {
				configs[c.Name] = *c.Value
			}
		}
		return configs, nil
	}
	return nil, fmt.Errorf("asked for topic %q, got an answer without it", o.part.topic)
}

// fits checks that the topic can hold a store. What one broker says may be out of date, so
// others are asked too, and all of them several times, before a topic is refused. It
// returns the configuration that counts.
func (o *opener) fits(ctx context.Context, m topicMeta, configs map[string]string) (map[string]string, error) {
	err := o.validate(m, parseSettings(configs))
	if err == nil {
		return configs, nil
	}
	for round := 1; round <= mostRefusals && ctx.Err() == nil; round++ {
		fit, others := false, map[string]string(nil)
		inTurn(ctx, o.asks, o.part.witnesses(), func(ctx context.Context, b *kgo.Broker) (map[string]string, error) {
			return o.fitsAt(ctx, b, configs)
		}, func(its map[string]string, err error) bool {
			fit, others = err == nil, its
			return !fit
		})
		if fit {
			return others, nil
		}
		sleep(ctx, o.backoff(round))
	}
	if ctx.Err() != nil {
		unsure := fmt.Errorf("what was heard of the topic so far does not fit: %v", err) //nolint:errorlint // it is not believed, so it must not match
		return nil, &WaitError{Position: -1, Target: -1, Cause: unsure, Count: 1, Err: contextError(ctx)}
	}
	if o.cfg.validation == TopicValidationWarn {
		o.log.warn("kvstore: going on with a topic that does not fit", err)
		return configs, nil
	}
	return nil, err
}

// fitsAt returns the configuration that a broker names, with an error unless the topic fits
// according to it. Without the right to see the configuration only the partitions count.
func (o *opener) fitsAt(ctx context.Context, b *kgo.Broker, configs map[string]string) (map[string]string, error) {
	resp, err := o.part.question(ctx, b)
	if err != nil {
		return nil, err
	}
	if configs != nil {
		if configs, err = o.describeAt(ctx, b); err != nil {
			return nil, err
		}
	}
	w := o.part.hear(resp)
	if !w.vouched {
		return nil, w.err
	}
	return configs, o.validate(w.topicMeta, parseSettings(configs))
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
	return fmt.Errorf("%w: %w", ErrTopicConfig, errors.Join(problems...))
}
