package kvstore

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// needChecks skips a test of what is remembered, or called, only while invariants are checked.
func needChecks(t *testing.T) {
	t.Helper()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which nothing is checked")
	}
}

// nothing is a plain storage without any key.
type nothing struct{}

func (nothing) Get(context.Context, []byte) ([]byte, error) { return nil, ErrNotFound }
func (nothing) Set(context.Context, []byte, []byte) error   { return nil }
func (nothing) Delete(context.Context, []byte) error        { return nil }

func (nothing) Range(context.Context, KeyConstraint, QueryOptions) iter.Seq2[KeyValue, error] {
	return func(func(KeyValue, error) bool) {}
}

func TestReadOfAStorageThatWasEmptiedIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	for name, c := range map[string]struct {
		during func(*position.Gate)
		want   string
	}{
		"nothing happens":   {func(*position.Gate) {}, ""},
		"emptied, not shut": {func(g *position.Gate) { g.Emptying() }, "I6"},
		"shut for it": {func(g *position.Gate) {
			g.Shut()
			g.Emptying()
			g.Open()
		}, ""},
	} {
		cl := &Client{gate: position.NewGate(), hooks: &hooks{}}
		first := true
		got := invariant.Broken(func() {
			_ = cl.read(t.Context(), func() error {
				if first {
					first = false
					c.during(cl.gate)
				}
				return nil
			})
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestReaderOfHalfARecordBatchIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	for name, read := range map[string]func(*indexView){
		"entry": func(v *indexView) { _, _ = v.entry(t.Context(), []byte("a")) },
		"value": func(v *indexView) { _, _ = v.value(t.Context(), []byte("a")) },
		"scan":  func(v *indexView) { _, _ = v.scan(t.Context(), KeyConstraint{}, QueryOptions{}) },
	} {
		v := newIndexView(nothing{}, nil)
		if got := invariant.Broken(func() { read(v) }); got != "" {
			t.Errorf("%s of whole batches: %q", name, got)
		}
		v.torn = true // and the lock is free
		if got := invariant.Broken(func() { read(v) }); got != "I7" {
			t.Errorf("%s of half a batch: %q, want I7", name, got)
		}
	}
}

func TestFetchThatCountsAfterAnAbsenceIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	now := time.Now()
	for name, c := range map[string]struct {
		vetted vetted
		since  time.Duration // before now
		want   string
	}{
		"looked at":            {vetted{now, time.Minute}, time.Second, ""},
		"another one was":      {vetted{now.Add(-time.Second), time.Minute}, time.Second, "I9"},
		"none was":             {vetted{}, time.Second, "I9"},
		"looked at, and stale": {vetted{now, time.Minute}, 2 * time.Minute, "I9"},
	} {
		tl := &tail{pos: 5, track: newTracker(), gate: position.NewGate(), hooks: &hooks{}, recent: position.NewRecent(1), health: newHealth()}
		tl.fresh.begin(now.Add(-c.since))
		tl.vetted.Swap(c.vetted)
		f := fetched{got: now, next: 6, epoch: noEpoch}
		f.from.Swap(5)
		if got := invariant.Broken(func() { _ = tl.apply(t.Context(), f) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFetchThatLeavesOutAHoleIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	for name, c := range map[string]struct {
		from, shown, first int64
		hole               *hole
		rebuild            *rebuild
		want               string
	}{
		"follows":                        {5, 5, 6, nil, nil, ""},
		"asked for behind the position":  {8, 5, 8, nil, nil, "I10"},
		"a hole ahead":                   {5, 5, 6, &hole{at: 7, upTo: 9}, nil, ""},
		"a hole at the position":         {5, 9, 9, &hole{at: 5, upTo: 9}, nil, "I10"},
		"in what counts as read":         {5, 9, 6, nil, nil, "I10"},
		"in what counts, and reads wait": {5, 9, 6, nil, &rebuild{}, ""},
	} {
		tl := &tail{pos: 5, track: newTracker(), hole: c.hole, rebuild: c.rebuild}
		tl.track.Show(c.shown, 0)
		f := fetched{next: 10, changes: []Record{{Revision: c.first}}}
		f.from.Swap(c.from)
		if got := invariant.Broken(func() { tl.checkBehind(&f) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestEpochBelowThatOfARecordIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		epoch, record int32
		want          string
	}{
		"the same":               {3, 3, ""},
		"of a batch behind":      {4, 3, ""},
		"of a batch before":      {2, 3, "I4"},
		"of no batch":            {noEpoch, 3, "I4"},
		"an old message follows": {-1, 3, ""},
	} {
		f := &fetched{epoch: c.epoch, records: []*kgo.Record{{LeaderEpoch: c.record}}}
		if got := invariant.Broken(f.checkEpoch); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAnswerToAnEarlierQuestionIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	e := &ends{busy: true, next: &endCall{}} // as when a question waits for the one under way
	if got := invariant.Broken(func() { e.join() }); got != "" {
		t.Errorf("before it is asked: %q", got)
	}
	e.next.asked.Swap(true)
	if got := invariant.Broken(func() { e.join() }); got != "I13" {
		t.Errorf("after it is asked: %q, want I13", got)
	}
}

func TestCallThatWaitsForItsOwnGoroutineIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(*Client){
		"Sync":         func(c *Client) { _ = c.Sync(over) },
		"WaitRevision": func(c *Client) { _ = c.WaitRevision(over, 5) },
		"Shutdown":     func(c *Client) { _ = c.Shutdown(over) },
		"Close":        func(c *Client) { _ = c.Close() },
		"a read": func(c *Client) {
			c.gate.Shut()
			_, _ = c.Get(t.Context(), []byte("a"))
		},
	} {
		c := &Client{gate: position.NewGate(), hooks: &hooks{}, tracker: newTracker(), health: newHealth(), closed: make(chan struct{})}
		c.closing.Store(true)
		c.hooks.bind()
		if got := invariant.Broken(func() { call(c) }); got != "I21" {
			t.Errorf("%s: %q, want I21", name, got)
		}
	}
	h := &hooks{}
	h.bind()
	done := make(chan string)
	go func() { done <- invariant.Broken(func() { h.checkWait("a call") }) }()
	if got := <-done; got != "" {
		t.Errorf("a call from elsewhere: %q", got)
	}
}
