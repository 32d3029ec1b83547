package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/internal/simnet"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Lag holds what a client fetches: it sees nothing new, and then all at once.
type Lag struct {
	Client string `plan:"client"`
	Span
}

// Kind implements Fault.
func (f Lag) Kind() string { return "lag" }

// String implements Fault.
func (f Lag) String() string { return line(f.Kind(), &f) }

func (f Lag) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.Stall(w.target(f.Client, "", "to-client", "fetch"))), nil
}

// Pause suspends a whole client.
type Pause struct {
	Client string `plan:"client"`
	Span
}

// Kind implements Fault.
func (f Pause) Kind() string { return "pause" }

// String implements Fault.
func (f Pause) String() string { return line(f.Kind(), &f) }

func (f Pause) start(_ context.Context, w *world) (*effect, error) {
	slots := named(w.slots, f.Client)
	stall := w.net.Stall(w.target(f.Client, "", "", ""))
	held := func() (sum int) {
		for _, s := range slots {
			sum += s.pauses.Held()
		}
		return sum
	}
	before := held()
	for _, s := range slots {
		s.pauses.Shut()
	}
	return &effect{hits: func() int { return stall.Hits() + held() - before }, undo: func(context.Context) error {
		for _, s := range slots {
			s.pauses.Open()
		}
		stall.Undo()
		return nil
	}}, nil
}

// Crash ends a client's process and starts the next one.
type Crash struct {
	Client string `plan:"client"`
	Span
}

// Kind implements Fault.
func (f Crash) Kind() string { return "crash" }

// String implements Fault.
func (f Crash) String() string { return line(f.Kind(), &f) }

func (f Crash) check(*Plan) error { return nil }

func (f Crash) start(ctx context.Context, w *world) (*effect, error) {
	slots := named(w.slots, f.Client)
	up := func() bool {
		return slices.ContainsFunc(slots, func(s *slot) bool { _, _, up := s.position(); return up })
	}
	if err := w.await(ctx, up); err != nil {
		return nil, err
	}
	hits := 0
	for _, s := range slots {
		if s.crash(false) {
			hits++
		}
	}
	return &effect{hits: func() int { return hits }, undo: func(ctx context.Context) error {
		for _, s := range slots {
			if err := s.up(ctx); err != nil && !errors.Is(err, errCrashed) {
				return err
			}
		}
		return nil
	}}, nil
}

// Herd opens clients at the same time. Each reads everything and closes.
type Herd struct {
	Readers int `plan:"readers"`
	Span
}

// Kind implements Fault.
func (f Herd) Kind() string { return "herd" }

// String implements Fault.
func (f Herd) String() string { return line(f.Kind(), &f) }

func (f Herd) check(*Plan) error {
	return between("readers", f.Readers, 1, 10_000)
}

func (f Herd) start(ctx context.Context, w *world) (*effect, error) {
	var hits atomic.Int64
	var last error
	done := make(chan struct{})
	members := w.enlist(f.Readers)
	go func() {
		defer close(done)
		errs := make(chan error, len(members))
		for i, s := range members {
			go func() { errs <- f.member(ctx, w, s, i, &hits) }()
		}
		for range members {
			if err := <-errs; err != nil {
				last = err
			}
		}
	}()
	return &effect{hits: func() int { return int(hits.Load()) }, undo: func(context.Context) error {
		<-done
		return last
	}}, nil
}

func (f Herd) member(ctx context.Context, w *world, s *slot, i int, hits *atomic.Int64) error {
	// Almost at the same time.
	ctx = inLane(ctx, slotLane(s.n))
	if err := sleep(ctx, time.Duration(i)*time.Microsecond); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	hits.Add(1)
	// At the instant at which a client is open it sends another request: if it were closed
	// then, whether that is logged would be chance.
	if err := sleep(ctx, simnet.Round); err != nil {
		return err
	}
	p, _, err := s.live(ctx)
	if err != nil {
		return err
	}
	call := w.rec.Begin(lin.Operation{Client: s.name, Process: p.number, Kind: lin.OpRange})
	items, err := entries(ctx, p.client, "", "", 0)
	if err != nil {
		call.Class(outcome.Class(err)).Failed(err)
	} else {
		call.Items(items).Position(p.client.Position()).OK()
	}
	s.mu.Lock()
	s.become(nil)
	s.dead = true
	s.mu.Unlock()
	s.shut(p)
	return nil
}

// SlowStorage makes each write to a client's storage take longer.
type SlowStorage struct {
	Client string        `plan:"client"`
	Delay  time.Duration `plan:"delay"`
	Span
}

// Kind implements Fault.
func (f SlowStorage) Kind() string { return "slow-storage" }

// String implements Fault.
func (f SlowStorage) String() string { return line(f.Kind(), &f) }

func (f SlowStorage) check(*Plan) error {
	if f.Delay <= 0 {
		return fmt.Errorf("delay has to be above 0")
	}
	return f.mustLast()
}

func (f SlowStorage) start(_ context.Context, w *world) (*effect, error) {
	return w.troubles.effect(&trouble{client: f.Client, delay: f.Delay}), nil
}

// FailStorage makes each write to a client's storage fail, or one of so many.
type FailStorage struct {
	Client string `plan:"client"`
	Every  int    `plan:"every"` // one of so many writes fails, and each if it is 0
	Span
}

// Kind implements Fault.
func (f FailStorage) Kind() string { return "fail-storage" }

// String implements Fault.
func (f FailStorage) String() string { return line(f.Kind(), &f) }

func (f FailStorage) start(_ context.Context, w *world) (*effect, error) {
	return w.troubles.effect(&trouble{client: f.Client, fails: true, every: f.Every}), nil
}

// SlowHooks makes each hook of a client take longer.
type SlowHooks struct {
	Client string        `plan:"client"`
	Delay  time.Duration `plan:"delay"`
	Span
}

// Kind implements Fault.
func (f SlowHooks) Kind() string { return "slow-hooks" }

// String implements Fault.
func (f SlowHooks) String() string { return line(f.Kind(), &f) }

func (f SlowHooks) check(*Plan) error {
	if f.Delay <= 0 {
		return fmt.Errorf("delay has to be above 0")
	}
	return f.mustLast()
}

func (f SlowHooks) start(_ context.Context, w *world) (*effect, error) {
	return w.hookTroubles.effect(&trouble{client: f.Client, delay: f.Delay}), nil
}

// hookDelay returns how long a hook of a client takes, and counts it.
func (w *world) hookDelay(client string) time.Duration {
	var d time.Duration
	for t := range w.hookTroubles.of(client) {
		d += t.delay
	}
	return d
}

// named returns the slots that a plan's client setting means: all if it is empty.
func named(slots []*slot, client string) []*slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool { return client != "" && s.name != client })
}

// linksOf selects all links of a client.
func linksOf(client string) simnet.Target { return simnet.Target{Clients: []string{client}} }
