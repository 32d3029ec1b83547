package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/internal/valve"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// errCrashed ends everything that a crashed process had under way.
var errCrashed = errors.New("the process has crashed")

// An attempt to open a client takes at most this long.
const (
	openAtLeast = 2 * time.Second
	openAtMost  = 10 * time.Second
)

// A slot is the place of one client: it has one process at a time, or none.
type slot struct {
	w    *world
	name string
	n    int // number, from 0

	writes  atomic.Int64 // that were called
	calls   atomic.Int64 // operations that were called
	asks    atomic.Int64 // those of them that ask brokers, besides writing
	opens   atomic.Int64 // attempts to open a process
	rereads atomic.Int64 // times that a process began to read the log from its start
	pauses  valve.Valve  // shut while the client is paused
	mu      sync.Mutex
	current *process      // nil while down
	opening *process      // being opened
	changed chan struct{} // closed and replaced when current changes
	number  int           // of the newest process
	down    int           // crashes that have not been healed
	dead    bool          // permanently

	downtime downtime

	// turn lets one goroutine at a time open a process. It is a channel and not a mutex
	// because its holder lets time pass.
	turn     chan struct{}
	attempts int // to open; owned by the goroutine that has the turn
}

// A process is one incarnation of a client.
type process struct {
	slot     *slot
	number   int
	client   Client
	ctx      context.Context //nolint:containedctx // its life
	cancel   context.CancelCauseFunc
	crashed  atomic.Bool
	resets   atomic.Int64 // of its storage
	scan     rescan       // since the last of them
	waits    bool         // its reads may wait for the storage
	variant  *variant
	hooks    *hookState // nil if its hooks are plain
	progress progress
	refused  atomic.Int64 // batches decompressed that are beyond its limit
	born     time.Time    // when it was about to be opened
	label    string       // of its goroutines, see labelled
	sighted  time.Time    // see sees; guarded by the slot's mu

	// mu makes reading the position and recording it one step, so that the positions of two
	// workers are recorded in the order in which they were read.
	mu     sync.Mutex
	status lin.ClientStatus // the last that is in the history; guarded by mu
	looks  looks            // guarded by mu

	callbacks callbacks

	calls       atomic.Int64 // operations under way, without those that end the process
	writing     atomic.Int64 // writes under way
	shutdown    time.Time    // when Shutdown was called, zero if it was not; guarded by mu, like all below
	finished    bool         // Shutdown said that writes have finished
	interrupted []error      // of writes that were called before it and ended because the client was closed
}

func newSlot(w *world, name string, n int) *slot {
	return &slot{w: w, name: name, n: n, changed: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// live returns the process once there is one, and whether that took time.
func (s *slot) live(ctx context.Context) (p *process, waited bool, err error) {
	for ; ; waited = true {
		s.mu.Lock()
		p, changed, dead := s.current, s.changed, s.dead
		s.mu.Unlock()
		if p != nil {
			return p, waited, nil
		}
		if dead {
			return nil, waited, errCrashed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, waited, context.Cause(ctx)
		}
	}
}

// has reports whether p is still the client's process.
func (s *slot) has(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current == p
}

// become makes p the current process. The caller holds mu.
func (s *slot) become(p *process) {
	s.current = p
	s.downtime.open(p != nil || s.dead)
	close(s.changed)
	s.changed = make(chan struct{})
}

// position returns how far the process has applied; up is false when there is
// none, and known when it is opening.
func (s *slot) position() (pos int64, known, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current != nil:
		return s.current.client.Position(), true, true
	case s.opening != nil:
		return 0, false, true
	}
	return 0, true, false
}

// open opens the slot's next process if it has none, and tries again until ctx
// ends or the slot goes down.
func (s *slot) open(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx = inLane(ctx, slotLane(s.n))
	r := stream(s.w.plan.Seed, "open", s.n, s.attempts)
	for {
		s.attempts++
		s.mu.Lock()
		there := s.current != nil
		s.mu.Unlock()
		if there {
			return nil
		}
		timeout := openAtLeast + time.Duration(r.Int64N(int64(openAtMost-openAtLeast)))
		err := s.attempt(ctx, timeout)
		if err == nil {
			return nil
		}
		s.mu.Lock()
		s.opening = nil
		gone := s.down > 0 || s.dead
		s.mu.Unlock()
		if gone {
			return errCrashed
		}
		if ctx.Err() != nil {
			return fmt.Errorf("open client %s: %w", s.name, err)
		}
		s.w.sometimes.hit(sometimesOpenFailed)
		if err := sleep(ctx, exponential(r, 100*time.Millisecond)); err != nil {
			return err
		}
	}
}

// attempt opens one process.
func (s *slot) attempt(ctx context.Context, timeout time.Duration) error {
	w := s.w
	s.mu.Lock()
	if s.down > 0 || s.dead {
		s.mu.Unlock()
		return errCrashed
	}
	s.number++
	s.opens.Add(1)
	p := &process{slot: s, number: s.number, born: time.Now(), sighted: time.Now(), label: strconv.FormatInt(processes.Add(1), 10)}
	p.ctx, p.cancel = context.WithCancelCause(inLane(w.ctx, slotLane(s.n)))
	p.variant = s.newVariant(p)
	s.opening = p
	s.mu.Unlock()

	w.inflight.begin(opOpen)
	defer w.inflight.end(opOpen)
	octx, cancel := context.WithDeadline(ctx, after(ctx, timeout))
	defer cancel()
	call := w.rec.Begin(lin.Operation{
		Client: s.name, Process: p.number, Kind: lin.OpOpen, Deadline: outcome.Deadline(octx, w.start),
	})
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	request := OpenRequest{
		Client: s.name, Process: p.number, Topic: w.cluster.Topic(),
		Storage: &storage{Storage: p.variant.memory(ctx, w), client: s.name, troubles: &w.troubles, lane: slotLane(s.n), emptied: p.emptied, findings: &w.findings},
		Reduce:  p.variant.reduce,
		Options: s.options(p), Kafka: append(s.kafka(p), kgo.SeedBrokers(w.cluster.Seeds()...)),
	}
	c, err := p.open(octx, request)
	if kv := storeOf(c); err == nil && kv != nil && p.variant.odd {
		p.variant.judge(octx, p, request, kv)
	}
	blind := err == nil && w.blind(p)
	s.mu.Lock()
	if p.crashed.Load() {
		s.mu.Unlock()
		if err == nil {
			_ = c.Close()
		}
		p.ended()
		return errCrashed
	}
	if blind {
		s.mu.Unlock()
		call.Class(lin.ErrorWithheld).Failed(errBlind)
		p.discard(c)
		return errBlind
	}
	defer s.mu.Unlock()
	w.judgePunctual(deadline(octx), s.name, "the opening", lateOpening)
	if err != nil {
		w.judgePassing(octx, s.name, "an opening", err)
		p.ended()
		w.ended(p, err)
		call.Class(outcome.Class(err)).Failed(err)
		p.cancel(err)
		return err
	}
	call.Position(c.Position()).OK()
	p.client, s.opening = c, nil
	p.said() // nobody else has p yet
	s.become(p)
	return nil
}

func (p *process) open(ctx context.Context, r OpenRequest) (c Client, err error) {
	p.labelled(ctx, func(ctx context.Context) { c, err = p.slot.w.env.Open(ctx, r) })
	return c, err
}

// discard closes a client that is not to be used.
func (p *process) discard(c Client) {
	p.cancel(errBlind)
	_ = c.Close()
	p.leaves()
}

// kafka are the options that connect a client to the world. Everything random in it depends
// on the seed and the client alone.
func (s *slot) kafka(p *process) []kgo.Opt {
	w := s.w
	r := stream(w.plan.Seed, "client", s.n, p.number)
	kafka := []kgo.Opt{
		kgo.ClientID(s.name),
		kgo.Dialer(w.cluster.Dialer(s.name)),
		kgo.RetryBackoffFn(s.backoff(p)),
		kgo.MetadataMinAge(100*time.Millisecond + rounds(r, time.Millisecond)),
		kgo.ProducerLinger(0), // otherwise it is chance whether a flush overtakes the linger
		kgo.FetchMaxWait(time.Second + time.Duration(r.IntN(100))*time.Millisecond),
	}
	if n := w.plan.World.FetchBytes; n > 0 {
		kafka = append(kafka, kgo.FetchMaxPartitionBytes(int32(n)))
	}
	if n := w.plan.World.ReadBytes; n > 0 {
		kafka = append(kafka, kgo.BrokerMaxReadBytes(int32(n)), kgo.FetchMaxBytes(int32(n)))
	}
	if w.plan.grows() {
		kafka = append(kafka, kgo.MetadataMaxAge(metadataAge+rounds(r, metadataAge)))
	}
	kafka = append(kafka, w.decompression(p)...)
	kafka = append(kafka, s.credentials()...)
	if log := (kafkaLog{s.logger(p)}); log.Level() != kgo.LogLevelNone {
		kafka = append(kafka, kgo.WithLogger(log))
	}
	if d := w.plan.World.RequestTimeout; d > 0 {
		kafka = append(kafka, kgo.RequestTimeoutOverhead(d), kgo.ProduceRequestTimeout(d))
	}
	return kafka
}

func (s *slot) logger(p *process) *slog.Logger {
	return s.w.logger.With(slog.String("client", s.name), slog.Int("process", p.number))
}

// topicGoneAfter is how long brokers have to say that a topic is gone before a client
// believes them. It is short because worlds are.
const topicGoneAfter = 2 * time.Second

// options are those of a kvstore.Client. Its hooks report to the history.
func (s *slot) options(p *process) []kvstore.ClientOption {
	w := s.w
	validation := kvstore.TopicValidationFail
	if w.plan.grows() {
		validation = kvstore.TopicValidationWarn
	}
	options := []kvstore.ClientOption{
		kvstore.WithTopicValidation(validation),
		kvstore.WithTopicGoneAfter(topicGoneAfter),
		p.variant.brokers(w),
		kvstore.WithLogger(s.logger(p)),
		kvstore.WithKafkaOptions(s.kafka(p)...),
		kvstore.WithProgress(func(kvstore.Progress) { p.calling("its progress callback")() }),
		kvstore.WithOnSetHook(func(key, value []byte) {
			p.hook(lin.Hook{Key: string(key), Value: decodePayload(value)})
			spoil(key) // they are the hook's
			spoil(value)
		}),
		kvstore.WithOnDeleteHook(func(key []byte) {
			p.hook(lin.Hook{Key: string(key), Delete: true})
			spoil(key)
		}),
	}
	if d := w.plan.World.DeliveryTimeout; d > 0 {
		options = append(options, kvstore.WithDeliveryTimeout(d))
	}
	return append(options, p.variant.options(p)...)
}

// longestPause is the most that slot.backoff gives.
const longestPause = 1200 * time.Millisecond

// backoff is kvstore's own, except for the source of its randomness: 50 ms, doubled up to 1 s,
// randomised by a fifth up or down. It depends on the instant, since requests of one client
// that fail at the same instant ask in any order.
func (s *slot) backoff(p *process) func(int) time.Duration {
	return func(failures int) time.Duration {
		r := stream(s.w.plan.Seed, "backoff", s.n, p.number, failures, int(time.Since(s.w.start)))
		d := time.Second
		if failures < 6 {
			d = 50 * time.Millisecond << max(0, failures-1)
		}
		return d*4/5 + rounds(r, d*2/5)
	}
}

// hook records a call of a hook.
func (p *process) hook(h lin.Hook) {
	defer p.calling("a hook")()
	p.first(h)
	if d := p.slot.w.hookDelay(p.slot.name); d > 0 {
		began := time.Now()
		_ = sleep(p.ctx, d)
		p.judgeBusy(began)
	}
	if p.crashed.Load() {
		return
	}
	h.Client, h.Process, h.Offset, h.Away = p.slot.name, p.number, lin.None, p.slot.w.blind(p)
	p.slot.w.rec.Hook(h)
}

// said records what the client says of itself, if its state or the cause is another one than the
// last time. The caller holds mu.
func (p *process) said() {
	now := outcome.Status(p.slot.name, p.number, p.look())
	if now.State != p.status.State || now.Cause != p.status.Cause {
		p.status = now
		p.slot.w.rec.Status(now)
	}
}

// crash ends the process as if its machine lost power: nothing that it was about to send is
// sent, nothing that arrives for it is received, and its calls never return. The slot stays
// down until up is called as often as crash.
func (s *slot) crash(forGood bool) (was bool) {
	s.mu.Lock()
	s.down++
	s.dead = s.dead || forGood
	p := s.current
	if p == nil {
		p = s.opening
	}
	if s.current != nil || s.dead {
		s.become(nil)
	}
	if p == nil {
		s.mu.Unlock()
		return false
	}
	p.crashed.Store(true)
	client := p.client
	s.mu.Unlock()
	net := s.w.cluster.Network()
	refuse := net.RefuseDials(linksOf(s.name))
	net.DropConns(linksOf(s.name))
	p.cancel(errCrashed)
	if client != nil {
		s.w.lookAt(client)
		_ = client.Close()
		p.leaves()
	}
	refuse.Undo()
	return true
}

// up undoes one crash and opens the next process if no other holds it down.
func (s *slot) up(ctx context.Context) error {
	s.mu.Lock()
	s.down--
	ready := s.down == 0 && !s.dead
	s.mu.Unlock()
	if !ready {
		return nil
	}
	return s.open(ctx)
}

// take makes the client have no process, if it still has this one.
func (s *slot) take(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.current == p
	if mine {
		s.become(nil)
	}
	return mine
}

// replace closes a client that says that it can't go on, as its documentation asks, and
// opens another one. Of several workers that call it, one does it.
func (s *slot) replace(p *process) {
	if !s.take(p) {
		return
	}
	s.w.sometimes.hit(sometimesReplaced)
	s.w.background.Go(func() {
		unlabelled()
		s.shut(p)
		if err := s.open(s.w.ctx); err != nil && !errors.Is(err, errCrashed) {
			s.w.fail(err)
		}
	})
}

// shut closes a process cleanly.
func (s *slot) shut(p *process) {
	s.w.lookAt(p.client)
	call := s.w.rec.Begin(lin.Operation{Client: s.name, Process: p.number, Kind: lin.OpClose})
	err := p.client.Close()
	p.leaves()
	p.cancel(kvstore.ErrClientClosed)
	if err != nil {
		call.Class(outcome.Class(err)).Unknown(err)
		return
	}
	call.OK()
	p.closed()
}

// closed records and judges what a client says of itself after it was closed.
func (p *process) closed() {
	p.judgePanics(p.client.Status())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said()
}

// lookAt counts what the Status of a client shows at its end.
func (w *world) lookAt(c Client) { w.sometimes.add(sometimesRebuilt, int(c.Status().Rebuilds)) }
