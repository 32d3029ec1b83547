package kvstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// settings follows the topic's configuration: it is read when the client opens, every
// settingsInterval while the client runs, and on request. One goroutine reads; everything
// else is safe for concurrent use.
//
// Changes are logged once. Without the right to describe the topic Kafka's defaults are
// assumed, and later what was read last; both are logged once, and the client keeps asking,
// because the right may be given.
type settings struct {
	ask     func(context.Context) (map[string]string, error)
	logger  *slog.Logger
	topic   string
	health  *health
	backoff func(failures int) time.Duration

	caps    []byteLimit   // what the client's options say about the size of a record batch
	answer  int           // how many bytes of an answer the client reads
	retains time.Duration // what WithTombstoneRetention says, 0 for nothing
	silent  bool          // the user wants no message about settings that do not fit

	wake chan struct{} // of capacity 1: a caller waits for the next answer

	mu     sync.Mutex
	now    topicSettings
	sent   time.Time // when the last request that was answered was sent
	denied bool      // brokers go on saying that this client has no right to ask
	said   int       // how often in a row they have said so
	past   []retention
	next   *settingsCall // joined by those who came since the last request was sent
	over   bool          // run has ended
}

// retention is a value of delete.retention.ms that was in force until some moment.
type retention struct {
	value time.Duration
	until time.Time
}

type settingsCall struct {
	done chan struct{} // closed when err is set
	err  error
}

const (
	// settingsInterval is how often the configuration is read without a request.
	settingsInterval = 30 * time.Second

	// settingsRest is the minimum time between two requests, for all callers together.
	settingsRest = time.Second
)

// current returns the settings as they were read last.
func (s *settings) current() topicSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// limit returns the largest record batch that may be written, and what bounds it.
func (s *settings) limit() byteLimit {
	limit := s.current().limit()
	for _, c := range s.caps {
		limit = limit.and(c)
	}
	return limit
}

// readWithin reports whether the known settings were requested no more than d before a
// moment. A client that was told the retention by its options can't know better.
func (s *settings) readWithin(d time.Duration, moment time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retains > 0 || elapsed(s.sent, moment) <= d
}

// shortest returns the shortest time for which tombstones stayed in the log since a moment,
// as far as it is known: a value that was replaced counts until its successor was read. It
// forgets values that ended before that moment, so moments must not go back.
func (s *settings) shortest(since time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retains > 0 {
		return s.retains
	}
	for len(s.past) > 0 && !s.past[0].until.After(since) {
		s.past = s.past[1:]
	}
	shortest := s.now.retention
	for _, p := range s.past {
		shortest = min(shortest, p.value)
	}
	return max(shortest, leastRetention)
}

// begin takes over what an opening has read; configs is nil when reading was denied.
func (s *settings) begin(configs map[string]string, sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.sent, s.denied = parseSettings(configs), sent, configs == nil
	_ = s.judge()
}

// judge updates Status with whether the settings fit a store. mu is held.
func (s *settings) judge() (problem error) {
	if !s.silent {
		problem = errors.Join(append(s.now.problems(s.topic, s.retains), s.now.readBy(s.answer, s.topic))...)
	}
	s.health.note(&s.health.topic, problem)
	return problem
}

// learn takes over the answer to a request that was sent at some moment.
func (s *settings) learn(configs map[string]string, sent time.Time) {
	s.mu.Lock()
	was, denied := s.now, s.denied
	s.now, s.sent, s.denied, s.said = parseSettings(configs), sent, false, 0
	is := s.now
	if is.retention != was.retention {
		s.past = append(s.past, retention{was.retention, time.Now()})
	}
	problem := s.judge()
	s.mu.Unlock()

	if denied {
		s.logger.Info("kvstore: the topic's configuration can be read now", "topic", s.topic)
	}
	changes := is.changesFrom(was)
	for _, c := range changes {
		s.logger.Info("kvstore: a setting of the topic has changed", "topic", s.topic, "setting", c.name, "from", c.from, "to", c.to)
	}
	if problem != nil && len(changes) > 0 {
		s.logger.Warn("kvstore: going on with a topic that does not fit any more", "topic", s.topic, "error", problem)
	}
}

// deny notes an answer that this client has no right to ask. It reports whether that is believed: rights
// that were just given do not reach all brokers at the same time, and a client that goes by old settings,
// or by none, may miss deletions.
func (s *settings) deny(err error, sent time.Time) (believed bool) {
	s.mu.Lock()
	s.said++
	news := !s.denied && s.said >= mostRefusals
	s.denied = s.denied || news
	believed = s.denied
	if believed {
		s.sent = sent // it can't be known better
	}
	s.mu.Unlock()
	if news {
		s.logger.Warn("kvstore: no right to read the topic's configuration any more: what was read last is taken to hold", "topic", s.topic, "error", err)
	}
	return believed
}

// refused returns how often in a row brokers have said that this client has no right to ask, and
// whether that is believed.
func (s *settings) refused() (said int, believed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said, s.denied
}

// refresh returns once the settings are those at some moment after the call began. At most
// one request a second is sent, for all callers together. It fails when the request did, or
// when ctx ends first; without the right to ask it returns nil.
func (s *settings) refresh(ctx context.Context) error {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return ErrClientClosed
	}
	if s.next == nil {
		s.next = &settingsCall{done: make(chan struct{})}
	}
	call := s.next
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case <-call.done:
		return call.err
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// relearn is refresh for callers that can use the old settings if there are no newer ones: it asks
// again when a request fails. It returns immediately when this client has no right to ask,
// and within seconds when the brokers do not answer.
func (s *settings) relearn(ctx context.Context) {
	s.mu.Lock()
	denied := s.denied
	s.mu.Unlock()
	if denied {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, mostRelearning)
	defer cancel()
	for ctx.Err() == nil {
		if err := s.refresh(ctx); err == nil || errors.Is(err, ErrClientClosed) {
			return
		}
	}
}

// run reads the configuration until ctx ends.
func (s *settings) run(ctx context.Context) {
	defer s.end()
	last := time.Now() // an opening has just asked
	for failures := 0; ; {
		wait := settingsInterval + s.backoff(1) // spreads clients that opened together
		switch said, denied := s.refused(); {
		case failures > 0:
			wait = s.backoff(failures)
		case denied: // the right may have been given, and until it is known what is assumed may be wrong
			wait = min(wait, settingsRest<<min(said, 10))
		}
		timer := time.NewTimer(max(wait, settingsRest))
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if sleep(ctx, settingsRest-time.Since(last)); ctx.Err() != nil {
			return
		}
		last = time.Now()
		if s.read(ctx) == nil {
			failures = 0
		} else if failures++; failures == settingsPatience {
			s.logger.Warn("kvstore: the topic's configuration could not be read for some time: what was read last is taken to hold", "topic", s.topic, "tries", failures)
		}
	}
}

// settingsPatience is after how many failures in a row one is logged: whatever blocks this
// blocks other requests too, which log for themselves.
const settingsPatience = 20

// mostRelearning bounds how long a write that seems to be too large waits for newer settings.
const mostRelearning = 5 * time.Second

// mostAsking bounds a question to brokers that do not answer. Slow brokers must be able to
// answer within it: the tail of a client that was blocked shows nothing before that.
const mostAsking = 30 * time.Second

// read asks once, on behalf of all who have called refresh so far.
func (s *settings) read(ctx context.Context) error {
	s.mu.Lock()
	call := s.next
	s.next = nil
	s.mu.Unlock()

	sent := time.Now()
	asking, cancel := context.WithTimeout(ctx, mostAsking)
	configs, err := s.ask(asking)
	cancel()
	switch {
	case err == nil:
		s.learn(configs, sent)
	case undescribable(err):
		if s.deny(err, sent) {
			err = nil
		}
	case ctx.Err() != nil:
		err = ErrClientClosed
	}
	if call != nil {
		call.err = err
		close(call.done)
	}
	return err
}

// undescribable reports whether err says that this client can't learn the topic's
// configuration at all.
func undescribable(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) || errors.Is(err, kerr.UnsupportedVersion) || unsupported(err)
}

// end fails the callers that wait.
func (s *settings) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.next != nil {
		s.next.err = ErrClientClosed
		close(s.next.done)
		s.next = nil
	}
}

// askSettings returns what reads the topic's configuration while the client runs. It also
// checks that the topic is still the same: a client that only reads, from brokers that
// fetch by name, would not learn of a change otherwise, and neither would one whose storage or
// hooks keep it from reading on. So it asks until it is known, or the context ends.
func (c *Client) askSettings(o *opener) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		for failures := 1; ; failures++ {
			err := c.part.sameTopic(ctx)
			if errors.Is(err, ErrTopicRecreated) || errors.Is(err, ErrTopicDeleted) {
				c.fail(err)
				return nil, err
			}
			if err == nil || ctx.Err() != nil || !c.part.mayBeGone() {
				return o.describe(ctx)
			}
			c.part.rest(ctx, max(c.backoff(failures), settingsRest))
		}
	}
}

// followSettings starts to follow the topic's configuration.
func (c *Client) followSettings(ctx context.Context) {
	c.running.Go(func() { c.settings.run(ctx) })
}
