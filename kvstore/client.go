package kvstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// Client is a key-value store on a single-partition compacted topic. Writes go
// to Kafka and return when this client's reads show them; reads are answered
// from the storage. All methods are safe for concurrent use.
type Client struct {
	topic    string
	logger   *slog.Logger
	log      *repeatLog
	kafka    *kgo.Client
	asks     *requests // goes through kafka
	part     *partition
	view     view
	hooks    *hooks
	tracker  *position.Tracker
	recent   *position.Recent
	gate     *position.Gate
	health   *health
	ends     *ends
	confirms *confirms
	backoff  func(int) time.Duration
	writer   *writer // nil for a read-only client

	settings *settings

	cancel   context.CancelFunc
	stopTail context.CancelFunc // stops what follows the settings, too
	failing  sync.Once
	unclaim  func()         // lets another client have the storage
	unbind   func()         // stops watching the context of kgo.WithContext
	running  sync.WaitGroup // tail, writer and settings
	closing  atomic.Bool
	halted   atomic.Bool   // everything in running has returned
	closed   chan struct{} // closed when Close is done
}

// NewClient opens the store on topic, with storage as its local copy.
//
// The topic is created if it does not exist, with one partition and cleanup.policy=compact.
// NewClient returns when storage shows everything that was in the log when opening began.
// It goes by positions and not by records, so transaction markers, aborted records,
// compaction gaps and an emptied log do not delay it. Opening may take a long time;
// [WithProgress] reports how far it has got. When ctx ends first, the error is a
// [*WaitError], which says where the client stood, what it waited for and the last cause
// seen.
//
// ctx bounds the opening only and is not kept. The caller must call Close, also
// after the client has failed. The storage belongs to the client until then;
// what it held before is replaced by the content of the log. A storage that panics
// ends the client with a [*PanicError].
//
// Errors: arguments that make no sense, such as a nil context or option, before anything
// has been done; [ErrTopicConfig], [ErrStorageInUse], and what Kafka answers. What
// waiting can't cure, such as a missing right or a wrong password, ends the opening soon,
// whatever ctx says; see [WithFailFast]. After an error nothing is left running, except a
// hook or a call to the storage that has not returned yet.
func NewClient(ctx context.Context, topic string, storage Storage, opts ...ClientOption) (*Client, error) {
	c, err := open(ctx, topic, storage, opts)
	if err != nil {
		return nil, fmt.Errorf("open store on topic %q: %w", topic, err)
	}
	return c, nil
}

func open(ctx context.Context, topic string, storage Storage, opts []ClientOption) (_ *Client, err error) {
	if ctx == nil {
		return nil, errNoContext
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := checkArguments(topic, storage, cfg); err != nil {
		return nil, err
	}
	unclaim, err := storagesInUse.claim(storage, topic)
	if err != nil {
		return nil, err
	}
	quota := &quota{}
	cl, err := newKafka(cfg, quota)
	if err != nil {
		unclaim()
		return nil, err
	}
	asks := newRequests(cl, quota)
	log := &repeatLog{logger: cfg.logger, topic: topic}
	c := &Client{
		topic:   topic,
		logger:  cfg.logger,
		kafka:   cl,
		asks:    asks,
		part:    newPartition(asks, topic),
		view:    newView(storage, cfg.logger),
		hooks:   &hooks{onSet: cfg.onSet, onDelete: cfg.onDelete, onError: cfg.onHookError, log: log},
		tracker: newTracker(),
		recent:  position.NewRecent(recentRecords),
		gate:    position.NewGate(),
		health:  newHealth(),
		backoff: backoffSetting(cl),
		closed:  make(chan struct{}),
		unclaim: unclaim,
	}
	c.part.goneAfter = cfg.goneAfter
	c.nameOthers(quota)
	runCtx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	tailCtx, stopTail := context.WithCancel(runCtx)
	c.stopTail = stopTail
	c.ends = &ends{ctx: runCtx, ask: c.askEnd}
	c.confirms = &confirms{ctx: runCtx, client: c}
	defer func() {
		if err != nil {
			c.leave()
		}
	}()

	c.unbind, c.log = func() {}, log
	haste := &failFast{on: !cfg.patient, part: c.part}
	o := &opener{cfg: cfg, asks: asks, part: c.part, backoff: c.backoff, log: log, haste: haste}
	c.settings = &settings{
		ask: c.askSettings(o), logger: cfg.logger, topic: topic, health: c.health, backoff: c.backoff, caps: clientLimits(cl, topic),
		answer: answerLimit(cl), retains: cfg.retains, silent: cfg.validation == TopicValidationSkip, wake: make(chan struct{}, 1),
	}
	o.follow = c.settings
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	if err := checkReadable(cl, topic, c.settings.current().maxMessageBytes); err != nil {
		return nil, err
	}
	if !cfg.readOnly {
		if err := c.startWriter(runCtx, cfg); err != nil {
			return nil, err
		}
	}
	if ctx, ok := cl.OptValue(kgo.WithContext).(context.Context); ok && ctx != nil {
		c.unbind = c.endWith(ctx)
	}
	c.followSettings(tailCtx) // only now: it may end the writer
	opened := make(chan struct{})
	c.startTail(tailCtx, cfg, log, haste, sync.OnceFunc(func() { close(opened) }))
	if err := c.awaitOpen(ctx, opened); err != nil {
		return nil, err
	}
	return c, nil
}

// checkArguments refuses what no client can be opened with.
func checkArguments(topic string, storage Storage, cfg *clientConfig) error {
	switch {
	case topic == "":
		return errors.New("topic is empty: name the topic that holds the data")
	case isNil(storage):
		return errors.New("storage is nil: use memory.New() from kvstore/memory, or one of your own")
	case cfg.replication != -1 && cfg.replication < 1:
		return fmt.Errorf("WithReplicationFactor(%d): give -1, which leaves it to the cluster, or at least 1", cfg.replication)
	case cfg.validation < TopicValidationFail || cfg.validation > TopicValidationSkip:
		return fmt.Errorf("WithTopicValidation(%d): there is no such value", cfg.validation)
	case cfg.retainsSet && cfg.retains < leastRetention:
		return fmt.Errorf("WithTombstoneRetention(%v): it has to be at least %v", cfg.retains, leastRetention)
	case cfg.goneAfter < 0:
		return fmt.Errorf("WithTopicGoneAfter(%v): it can't be less than 0", cfg.goneAfter)
	case cfg.delivery != nil && *cfg.delivery <= 0:
		return fmt.Errorf("WithDeliveryTimeout(%v): a write needs time, give more than 0", *cfg.delivery)
	}
	return nil
}

// awaitOpen waits until the tail has read what was in the log.
func (c *Client) awaitOpen(ctx context.Context, opened <-chan struct{}) error {
	select {
	case <-opened:
		return nil
	case <-c.tracker.Died():
		return c.tracker.DeadBy()
	case <-ctx.Done():
		return c.tracker.Ended(ctx, c.health.openTarget())
	}
}

func (c *Client) startWriter(ctx context.Context, cfg *clientConfig) error {
	ws, q := newWires(dialer(c.kafka)), &quota{}
	producer, err := newProducer(cfg, ws, q)
	if err != nil {
		return fmt.Errorf("kafka options: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	w := &writer{
		anyone: newRequests(producer, q), wires: ws, quota: q, part: c.part, stop: stop, backoff: c.backoff,
		limit: c.settings.limit, refresh: c.settings.relearn,
		track: c.tracker, recent: c.recent, health: c.health, log: &repeatLog{logger: cfg.logger, topic: c.topic},
		life: cfg.lifeOfWrites(c.kafka), who: noSender, leader: noLeader, queue: queue{wake: make(chan struct{}, 1)},
	}
	if err := w.produceSettings(c.kafka); err != nil {
		producer.Close()
		return fmt.Errorf("kafka options: %w", err)
	}
	c.writer, c.health.writeQuota = w, q.problem
	c.running.Go(func() {
		w.run(ctx)
		w.wires.cut()
		w.anyone.close()
	})
	return nil
}

func (c *Client) startTail(ctx context.Context, cfg *clientConfig, log *repeatLog, haste *failFast, opened func()) {
	t := &tail{
		part: c.part, view: c.view, hooks: c.hooks, track: c.tracker, recent: c.recent, gate: c.gate, health: c.health,
		log: log, limits: fetchSettings(c.kafka, c.topic), decoder: newDecoder(c.kafka, c.topic), backoff: c.backoff,
		haste: haste, opened: opened, report: cfg.onProgress, settings: c.settings, epoch: -1, checked: noLeader, rebuild: newOpening(),
	}
	c.running.Go(func() {
		defer t.view.end() // deferred: it lets readers pass, which must get an error by then
		ended := false
		defer func() {
			if !ended { // no recover can stop that
				c.fail(fmt.Errorf("%s called runtime.Goexit", c.health.callout.who()))
			}
			c.health.callout.close()
		}()
		c.hooks.bind()
		err := t.runGuarded(c.health.follows.within(ctx))
		ended = true
		if err != nil {
			c.fail(err)
		}
	})
}
