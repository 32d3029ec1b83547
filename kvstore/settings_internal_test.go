package kvstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// fakeTopic answers for a topic's configuration.
type fakeTopic struct {
	mu      sync.Mutex
	configs map[string]string
	err     error
	asked   []time.Time
}

func (f *fakeTopic) ask(ctx context.Context) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, time.Now())
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return f.configs, f.err
}

func (f *fakeTopic) set(configs map[string]string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs, f.err = configs, err
}

func (f *fakeTopic) times() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.asked...)
}

// follow runs the settings of a topic in a bubble.
func follow(t *testing.T, fn func(t *testing.T, f *fakeTopic, s *settings)) (logged string) {
	t.Helper()
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{configs: map[string]string{"cleanup.policy": "compact"}}
		s := &settings{
			ask: f.ask, logger: slog.New(slog.NewTextHandler(&out, nil)), topic: "kv", answer: defaultBrokerBytes, health: newHealth(),
			backoff: func(n int) time.Duration { return time.Duration(min(n, 10)) * 100 * time.Millisecond }, wake: make(chan struct{}, 1),
		}
		s.begin(f.configs, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.run(ctx) })
		fn(t, f, s)
		cancel()
		wg.Wait()
		if err := s.refresh(context.Background()); !errors.Is(err, ErrClientClosed) {
			t.Errorf("refresh after the end = %v, want ErrClientClosed", err)
		}
	})
	return out.String()
}

func TestSettingsAreParsed(t *testing.T) {
	for _, tc := range []struct {
		configs map[string]string
		want    topicSettings
	}{
		{nil, topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: 24 * time.Hour, policy: unknownPolicy, minISR: 1}},
		{
			map[string]string{"max.message.bytes": "2000000", "delete.retention.ms": "1500", "cleanup.policy": "compact", "min.insync.replicas": "2", "segment.bytes": "1000"},
			topicSettings{maxMessageBytes: 2000000, retention: 1500 * time.Millisecond, policy: "compact", minISR: 2, segmentBytes: 1000},
		},
		{
			map[string]string{"max.message.bytes": "-5", "delete.retention.ms": "-1", "min.insync.replicas": "x"},
			topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: 24 * time.Hour, policy: unknownPolicy, minISR: 1},
		},
		{map[string]string{"max.message.bytes": "0", "segment.bytes": "-1"}, topicSettings{maxMessageBytes: 0, retention: 24 * time.Hour, policy: unknownPolicy, minISR: 1}},
		{map[string]string{"cleanup.policy": ""}, topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: 24 * time.Hour, policy: "", minISR: 1}},
		{map[string]string{"delete.retention.ms": "0"}, topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: 0, policy: unknownPolicy, minISR: 1}},
		{
			map[string]string{"delete.retention.ms": fmt.Sprint(int64(math.MaxInt64))},
			topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: math.MaxInt64 - math.MaxInt64%time.Millisecond, policy: unknownPolicy, minISR: 1},
		},
	} {
		if got := parseSettings(tc.configs); got != tc.want {
			t.Errorf("parseSettings(%v) = %+v, want %+v", tc.configs, got, tc.want)
		}
	}
}

func TestSettingsAreReadWithBoundedTraffic(t *testing.T) {
	follow(t, func(t *testing.T, f *fakeTopic, s *settings) {
		time.Sleep(10 * time.Minute)
		if n := len(f.times()); n < 15 || n > 20 {
			t.Errorf("%d requests in 10 minutes without a reason, want one about every 30 s", n)
		}
		f.set(nil, errors.New("no broker"))
		before := len(f.times())
		time.Sleep(10 * time.Minute)
		if n := len(f.times()) - before; n < 300 || n > 600 {
			t.Errorf("%d requests in 10 minutes of failures, want at most one a second, and more than none", n)
		}
		f.set(map[string]string{}, nil)
		time.Sleep(time.Minute)

		// Many ask at the same time, again and again.
		before = len(f.times())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 10 {
					began := time.Now()
					if err := s.refresh(t.Context()); err != nil {
						t.Errorf("refresh = %v", err)
					}
					if !s.readWithin(0, began) {
						t.Error("refresh returned with settings that were asked for before it was called")
					}
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if n, took := len(f.times())-before, time.Since(began); n > int(took/settingsRest)+2 {
			t.Errorf("%d requests in %v for 1,000 calls, want at most one a second", n, took)
		}
	})
}

func TestRefreshSaysWhyItFailed(t *testing.T) {
	follow(t, func(t *testing.T, f *fakeTopic, s *settings) {
		down := errors.New("no broker")
		f.set(nil, down)
		if err := s.refresh(t.Context()); !errors.Is(err, down) {
			t.Errorf("refresh = %v, want the cause", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("refresh = %v, want the end of its context", err)
		}
	})
}

func TestLostRightToReadSettingsIsSaidOnce(t *testing.T) {
	logged := follow(t, func(t *testing.T, f *fakeTopic, s *settings) {
		f.set(map[string]string{"cleanup.policy": "compact", "max.message.bytes": "5000"}, nil)
		time.Sleep(time.Minute)
		f.set(nil, kerr.TopicAuthorizationFailed)
		time.Sleep(time.Hour)
		if err := s.refresh(t.Context()); err != nil || s.limit().bytes != 5000 {
			t.Errorf("refresh without the right = %v, limit %d; want what was read last, 5000", err, s.limit().bytes)
		}
		f.set(map[string]string{"cleanup.policy": "compact", "max.message.bytes": "6000"}, nil)
		time.Sleep(time.Minute)
		if s.limit().bytes != 6000 {
			t.Errorf("limit = %d after the right was given, want 6000", s.limit().bytes)
		}
	})
	if n := strings.Count(logged, "no right"); n != 1 {
		t.Errorf("the lost right was logged %d times in an hour, want once:\n%s", n, logged)
	}
}

// A client that was denied assumes what may be wrong, until it asks again: soon, and later as seldom
// as any other.
func TestDeniedClientAsksSoonAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var asked []time.Duration
		s := &settings{
			answer: defaultBrokerBytes, logger: slog.New(slog.DiscardHandler), health: newHealth(), wake: make(chan struct{}, 1),
			backoff: func(int) time.Duration { return 0 },
			ask: func(context.Context) (map[string]string, error) {
				asked = append(asked, time.Since(start))
				return nil, kerr.TopicAuthorizationFailed
			},
		}
		s.begin(nil, start)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		time.Sleep(100 * time.Second)
		cancel()
		<-done
		const sec = time.Second
		if want := []time.Duration{1 * sec, 3 * sec, 7 * sec, 15 * sec, 31 * sec, 61 * sec, 91 * sec}; !slices.Equal(asked, want) {
			t.Errorf("a client without the right has asked after %v, want %v", asked, want)
		}
		if !s.readWithin(10*sec, time.Now()) || s.readWithin(sec, time.Now()) {
			t.Error("an answer that denies does not count as one of its time")
		}
	})
}

// What the log kept tombstones for while nobody looked is the least that is known.
func TestShortestRetentionSinceAMoment(t *testing.T) {
	hours := func(n int) map[string]string {
		return map[string]string{"delete.retention.ms": fmt.Sprint(n * 3600 * 1000)}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &settings{answer: defaultBrokerBytes, logger: slog.New(slog.DiscardHandler), health: newHealth()}
		start := time.Now()
		at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
		s.begin(hours(10), start)
		for _, n := range []int{2, 5, 24} { // read after 10, 20 and 30 minutes
			time.Sleep(10 * time.Minute)
			s.learn(hours(n), time.Now())
		}
		for _, tc := range []struct{ since, want int }{{5, 2}, {15, 2}, {20, 5}, {29, 5}, {30, 24}, {40, 24}} {
			if got, want := s.shortest(at(tc.since)), time.Duration(tc.want)*time.Hour; got != want {
				t.Errorf("shortest since minute %d = %v, want %v", tc.since, got, want)
			}
		}
		s.learn(hours(0), time.Now())
		if got := s.shortest(time.Now()); got != leastRetention {
			t.Errorf("shortest of a topic that keeps no tombstones = %v, want the floor %v", got, leastRetention)
		}
		s.retains = time.Minute
		if got := s.shortest(start); got != time.Minute {
			t.Errorf("shortest with WithTombstoneRetention(1m) = %v", got)
		}
	})
}

// What is around a record batch counts, and franz-go's default is always enough.
func TestAnswersThatAreTooSmallForTheTopicDoNotFit(t *testing.T) {
	ts := parseSettings(map[string]string{"max.message.bytes": "3000"})
	enough := 3000 + around("kv")
	for answer, fits := range map[int]bool{enough: true, enough + 1: true, enough - 1: false, 1024: false} {
		if err := ts.readBy(answer, "kv"); (err == nil) != fits {
			t.Errorf("readBy(%d) = %v, want fits = %v", answer, err, fits)
		}
	}
	ts.maxMessageBytes = math.MaxInt32
	if err := ts.readBy(defaultBrokerBytes, "kv"); err != nil {
		t.Errorf("readBy of franz-go's default = %v, want nil", err)
	}
}

// Whatever is not exactly compact does not fit, and an answer without a policy says nothing.
func TestPolicyThatIsNotCompactDoesNotFit(t *testing.T) {
	for _, policy := range []string{"", " ", "delete", "compact,delete", "delete,compact", "Compact", "compact "} {
		problems := parseSettings(map[string]string{"cleanup.policy": policy}).problems("kv", 0)
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), fmt.Sprintf("cleanup.policy is %q", policy)) {
			t.Errorf("problems of policy %q = %v, want one that names it", policy, problems)
		}
	}
	for _, configs := range []map[string]string{nil, {}, {"cleanup.policy": "compact"}} {
		if problems := parseSettings(configs).problems("kv", 0); len(problems) != 0 {
			t.Errorf("problems of %v = %v, want none", configs, problems)
		}
	}
}

// The follower hears of it when the policy is emptied.
func TestEmptiedPolicyIsSaidWhileTheClientRuns(t *testing.T) {
	logged := follow(t, func(t *testing.T, f *fakeTopic, s *settings) {
		f.set(map[string]string{"cleanup.policy": ""}, nil)
		if err := s.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := topicProblem(s.health); p.Err == nil || !strings.Contains(p.Err.Error(), `cleanup.policy is ""`) {
			t.Errorf("Status().Topic = %+v, want the empty policy", p)
		}
	})
	if !strings.Contains(logged, "does not fit any more") || !strings.Contains(logged, "grows forever") {
		t.Errorf("logged %q, want a word about the policy", logged)
	}
}

func topicProblem(h *health) Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topic
}

func TestEachSettingThatChangedIsNamed(t *testing.T) {
	was := topicSettings{maxMessageBytes: 1, retention: time.Second, policy: "compact", minISR: 1, segmentBytes: 10}
	want := []settingChange{
		{"max.message.bytes", "1", "2"},
		{"segment.bytes", "10", "20"},
		{"delete.retention.ms", "1000", "2000"},
		{"cleanup.policy", "compact", "delete"},
		{"min.insync.replicas", "1", "2"},
	}
	if got := (topicSettings{maxMessageBytes: 2, retention: 2 * time.Second, policy: "delete", minISR: 2, segmentBytes: 20}).changesFrom(was); !slices.Equal(got, want) {
		t.Errorf("the changes are %v, want %v", got, want)
	}
	// What was not known before has not changed.
	unknown := was
	unknown.segmentBytes, unknown.policy = 0, unknownPolicy
	for _, pair := range [][2]topicSettings{{was, unknown}, {unknown, was}, {was, was}} {
		if got := pair[1].changesFrom(pair[0]); len(got) > 0 {
			t.Errorf("from %v to %v: the changes are %v, want none", pair[0], pair[1], got)
		}
	}
}
