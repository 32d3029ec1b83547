package kvstore

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ClientOption configures a [Client]. [NewClient] refuses one that is nil.
type ClientOption func(*clientConfig)

type clientConfig struct {
	brokers     []string
	kafkaGiven  [][]kgo.Opt // what each WithKafkaOptions was given
	kafka       []kgo.Opt   // all of them
	logger      *slog.Logger
	replication int16
	topicConfig map[string]string
	validation  TopicValidation
	readOnly    bool
	onSet       []func(key, value []byte)
	onDelete    []func(key []byte)
	onHookError func(error)
	onProgress  func(Progress)
	goneAfter   time.Duration
	patient     bool
	retains     time.Duration
	retainsSet  bool
	delivery    *time.Duration
}

func newConfig(opts []ClientOption) (*clientConfig, error) {
	cfg := &clientConfig{replication: -1, goneAfter: defaultGoneAfter, topicConfig: map[string]string{}}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("option %d is nil", i+1)
		}
		opt(cfg)
	}
	for _, opts := range cfg.kafkaGiven {
		if i := slices.Index(opts, nil); i >= 0 {
			return nil, fmt.Errorf("WithKafkaOptions: option %d is nil", i+1)
		}
	}
	cfg.kafka = briefLogging(slices.Concat(cfg.kafkaGiven...))
	if cfg.logger == nil {
		cfg.logger = slog.Default()
	}
	cfg.logger = safeLogger(cfg.logger)
	return cfg, nil
}

// WithBrokers sets the addresses, "host:port", of the Kafka brokers to ask
// first. One that answers is enough: when one has not answered within a second,
// another one is asked beside it. Without this option the seeds have to come from
// kgo.SeedBrokers in [WithKafkaOptions].
func WithBrokers(brokers ...string) ClientOption {
	return func(c *clientConfig) { c.brokers = append([]string(nil), brokers...) }
}

// WithKafkaOptions passes options to the franz-go clients that the store is
// built on: TLS, SASL, a dialer, a client id, time-outs, hooks. It may be given
// more than once; later options win. One that is nil is refused.
//
// Options that would break a promise of the store make [NewClient] fail with the reason:
// fewer acknowledgements, no idempotence, another partitioner, isolation level or reset
// policy, transactions, automatic topic creation, and anything that makes franz-go consume
// by itself. So do some that would have no effect here, such as a rack.
// docs/kafka-options.md lists how each option is treated.
//
// franz-go calls what it is given, such as a dialer or a hook, on goroutines of its own: a
// panic there ends the process. When a context given with kgo.WithContext ends, the client
// ends, too.
//
// kgo.RetryBackoffFn also sets how long the store itself waits after an error,
// kgo.FetchMaxWait (1 s unless set), kgo.FetchMinBytes and
// kgo.FetchMaxPartitionBytes (2 MiB unless set) shape its fetches. A fetch never waits
// for longer than a quarter of the time for which the client may be away from the log
// without missing deletions, see [WithTombstoneRetention].
//
// The store sends its own produce requests. Of the options for producing,
// kgo.ProducerBatchCompression, kgo.WithCompressor, kgo.ProduceRequestTimeout,
// kgo.ProducerBatchMaxBytes and kgo.RecordDeliveryTimeout (see [WithDeliveryTimeout]) take
// effect; those about lingering, buffering, retries and records in flight have nothing to
// act on. A connection that a hook is given may be wrapped; its NetConn method returns the
// one that the dialer made.
func WithKafkaOptions(opts ...kgo.Opt) ClientOption {
	return func(c *clientConfig) { c.kafkaGiven = append(c.kafkaGiven, opts) }
}

// WithLogger sets the logger. The default is slog.Default(). If its handler panics, the
// message is lost and nothing else.
func WithLogger(logger *slog.Logger) ClientOption {
	return func(c *clientConfig) { c.logger = logger }
}

// WithOnSetHook registers a callback for every value that the client takes
// from the log, at bootstrap and live, in log order, once for each record.
//
// The callback owns its slices. It runs on the goroutine that reads the log: while it
// runs, nothing newer becomes visible to writers that wait, and a write returns only
// after the hooks that it caused have returned. When that takes longer than a second,
// [Status].Reading, the log and the errors of those who wait say so ([ErrCallbackBusy]).
// A panic is counted, and logged about once a second, see [WithHookErrorHandler].
//
// The callback may read through the client. A write, and anything else that would wait for
// the callback itself, fails with [ErrHookReentry]; so do reads while the log is reread.
//
// When the log loses records that the hooks have seen, they are called once for each key
// that has changed; see the package documentation.
//
// Given more than once, all callbacks are called, in the order given.
func WithOnSetHook(fn func(key, value []byte)) ClientOption {
	return func(c *clientConfig) {
		if fn != nil {
			c.onSet = append(c.onSet, fn)
		}
	}
}

// WithOnDeleteHook registers a callback for every tombstone that the client takes from
// the log, even for a key that had no value. Everything said of [WithOnSetHook] applies
// to it.
func WithOnDeleteHook(fn func(key []byte)) ClientOption {
	return func(c *clientConfig) {
		if fn != nil {
			c.onDelete = append(c.onDelete, fn)
		}
	}
}

// WithHookErrorHandler registers a callback for hooks that panicked; it is called for each panic,
// also for those that the log leaves out, gets a [*HookError] and runs on the same goroutine as the hooks.
func WithHookErrorHandler(fn func(error)) ClientOption {
	return func(c *clientConfig) { c.onHookError = fn }
}

// WithReplicationFactor sets the replication factor with which the topic is
// created. It has no effect on a topic that exists. The default, -1, leaves it
// to the cluster.
func WithReplicationFactor(rf int16) ClientOption {
	return func(c *clientConfig) { c.replication = rf }
}

// WithTopicConfig sets topic configuration, by Kafka's names and values, with which the
// client creates the topic. It has no effect on a topic that exists. cleanup.policy is
// always compact. NewClient does not create a topic with values that it would refuse.
func WithTopicConfig(configs map[string]string) ClientOption {
	return func(c *clientConfig) { maps.Copy(c.topicConfig, configs) }
}

// WithTombstoneRetention sets the minimum time for which the log keeps tombstones, instead
// of the topic's delete.retention.ms: for a client without the right to describe the topic,
// which otherwise assumes Kafka's default of 24 hours, and for brokers that follow another
// rule. It is at least a second.
//
// A client that was away for longer than d, less a margin, rereads the log, because
// it may have missed tombstones. The margin is a tenth of d, or a minute if that is
// more, but never more than half of d. If d is longer than the log really keeps
// tombstones, such a client shows deleted keys.
func WithTombstoneRetention(d time.Duration) ClientOption {
	return func(c *clientConfig) { c.retains, c.retainsSet = d, true }
}

// WithTopicValidation says what to do with a topic that does not fit a store:
// one with more than one partition, with a cleanup.policy that is not exactly
// compact, or with a delete.retention.ms of less than a second and no
// [WithTombstoneRetention]. The default is [TopicValidationFail]. Without the right to describe the topic's configuration the
// settings can't be checked; that is logged.
//
// The client watches the settings while it runs, and not the number of partitions, of which it
// goes on using the first: when the settings no longer fit, it keeps going,
// logs that, and says so in [Status].Topic, unless [TopicValidationSkip] is given.
func WithTopicValidation(v TopicValidation) ClientOption {
	return func(c *clientConfig) { c.validation = v }
}

// WithReadOnly makes a client that never writes and never creates a topic: it
// needs the rights to describe and read the topic and no others. Put, Delete and
// Execute fail with [ErrReadOnly]. When the topic does not exist, NewClient
// waits for it until its context ends.
func WithReadOnly() ClientOption {
	return func(c *clientConfig) { c.readOnly = true }
}

// WithDeliveryTimeout sets how long a write lives: the time from the call until it is
// acknowledged. When that is over nothing of the write is sent any more. A write that is
// certainly not in the log then fails with [ErrNotWritten], any other with
// [ErrOutcomeUnknown]; both match [ErrDeliveryTimeout] and name the last cause. A write
// that was acknowledged and is not visible yet goes on waiting.
//
// A caller that gives up does not end a write that is under way. This timeout does, and
// so bounds how long an old write may still arrive after newer ones.
//
// The default is kgo.RecordDeliveryTimeout in [WithKafkaOptions], else two
// minutes. d has to be above 0.
func WithDeliveryTimeout(d time.Duration) ClientOption {
	return func(c *clientConfig) { c.delivery = &d }
}

// defaultDelivery is how long a write lives when no option says so.
const defaultDelivery = 2 * time.Minute

// lifeOfWrites returns how long a write lives.
func (c *clientConfig) lifeOfWrites(cl *kgo.Client) time.Duration {
	if c.delivery != nil {
		return *c.delivery
	}
	if d, ok := cl.OptValue(kgo.RecordDeliveryTimeout).(time.Duration); ok && d > 0 {
		return d
	}
	return defaultDelivery
}

// WithTopicGoneAfter sets how long brokers have to say that the topic is gone, or is
// another one with the same name, before the client believes them and ends with
// [ErrTopicDeleted] or [ErrTopicRecreated]. The default is 30 s, and less than 0 is
// refused. A leader epoch that is lower than one seen before is believed after the same
// time, and so is a leader that answers nothing for offsets that should hold something:
// compaction may have left nothing there.
//
// That takes several rounds of questions, each to several brokers if there are several,
// with no other answer in that time. A broker that knows the topic as it was restarts the
// clock: one broker that lags, has just started, or disagrees with the others ends no
// client. So does a time in which the client hears no broker, if it is longer than a third of
// d, or than a second if that is more; how long the client itself waits before it asks again
// (kgo.RetryBackoffFn) comes on top. Meanwhile reads are answered, [Client.Sync] and writes wait, and [Status] says
// why.
func WithTopicGoneAfter(d time.Duration) ClientOption {
	return func(c *clientConfig) { c.goneAfter = d }
}

// WithFailFast says whether [NewClient] fails soon, whatever its context, when it meets
// what waiting can't cure: all brokers that can be reached refuse the user or the
// password, have certificates that this client does not trust or that name other hosts,
// or speak TLS when this client does not, or the other way round; or a right is missing.
// The default is true. With false it keeps trying until its context ends, for a program
// that may start before its users and rights are set up.
//
// A client that is open keeps trying in either case, since a password can be changed
// back; [Status].Reading says what it meets.
func WithFailFast(on bool) ClientOption {
	return func(c *clientConfig) { c.patient = !on }
}

// WithProgress registers a callback that [NewClient] calls while it reads the log, after
// each fetch, and once more with Done set. It runs on the goroutine that reads the log
// and should return soon. If it panics, the client, and so the opening, ends with a
// [*PanicError]. Once the client is open, the lag is in [Client.Status].
func WithProgress(fn func(Progress)) ClientOption {
	return func(c *clientConfig) { c.onProgress = fn }
}

// TopicValidation is what to do with a topic that does not fit.
type TopicValidation int

const (
	// TopicValidationFail makes NewClient fail with ErrTopicConfig.
	TopicValidationFail TopicValidation = iota

	// TopicValidationWarn logs a warning and goes on, on partition 0.
	TopicValidationWarn

	// TopicValidationSkip does not look.
	TopicValidationSkip
)
