package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// LoadCoordinators makes brokers answer that they are still loading what they
// coordinate, as after they took it over: transactions of others begin or end only
// afterwards. It brings one of its own.
type LoadCoordinators struct {
	Broker string `plan:"broker"` // all if empty
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f LoadCoordinators) Kind() string { return "load-coordinators" }

// String implements Fault.
func (f LoadCoordinators) String() string { return line(f.Kind(), &f) }

func (f LoadCoordinators) check(*Plan) error { return f.mustLast() }

func (f LoadCoordinators) start(_ context.Context, w *world) (*effect, error) {
	loading, err := w.cluster.LoadCoordinators(f.Count, w.some(f.Broker)...)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- w.transact("load-coordinators", f.From, nil) }()
	return w.noting(sometimesCoordinatorAway, &effect{hits: loading.Hits, undo: func(context.Context) error {
		loading.Undo()
		return <-done
	}}), nil
}

// transact writes a record in a transaction of somebody else, calls open while that
// is open, if it is not nil, and commits it.
func (w *world) transact(purpose string, from time.Duration, open func() error) error {
	t, err := w.begin(purpose, from, 1)
	if err != nil {
		return err
	}
	if open != nil {
		err = open()
	}
	return errors.Join(err, t.end(true))
}

// SlowMarkers lets time pass between the end of a transaction of others and its
// markers: until they are in the log, nobody sees what lies behind its begin. It
// brings a transaction of its own.
type SlowMarkers struct {
	// Delay is the longest time; each is drawn from the plan's seed.
	Delay time.Duration `plan:"delay"`
	Span
}

// Kind implements Fault.
func (f SlowMarkers) Kind() string { return "slow-markers" }

// String implements Fault.
func (f SlowMarkers) String() string { return line(f.Kind(), &f) }

func (f SlowMarkers) check(*Plan) error {
	if f.Delay < time.Millisecond || f.Delay > 10*time.Second {
		return fmt.Errorf("delay is %v and has to be from 1ms to 10s", f.Delay)
	}
	return f.mustLast()
}

func (f SlowMarkers) start(_ context.Context, w *world) (*effect, error) {
	slow, err := w.cluster.SlowMarkers(f.Delay)
	if err != nil {
		return nil, err
	}
	e, err := brokerFault(slow, w.transact("slow-markers", f.From, nil))
	return w.noting(sometimesMarkersLate, e), err
}

// MoveCoordinator moves the coordinators of all transactions that are open to other
// brokers: whoever ends one asks the wrong one first. It brings one of its own.
type MoveCoordinator struct {
	Span
}

// Kind implements Fault.
func (f MoveCoordinator) Kind() string { return "move-coordinator" }

// String implements Fault.
func (f MoveCoordinator) String() string { return line(f.Kind(), &f) }

func (f MoveCoordinator) check(p *Plan) error {
	if p.World.Brokers < 2 {
		return fmt.Errorf("it needs 2 brokers or more")
	}
	return nil
}

func (f MoveCoordinator) start(_ context.Context, w *world) (*effect, error) {
	var ids []string
	err := w.transact("move-coordinator", f.From, func() error {
		ids = w.foreign.ids()
		for _, id := range ids {
			if err := w.cluster.MoveCoordinator(id); err != nil {
				return err
			}
		}
		return nil
	})
	w.sometimes.add(sometimesCoordinatorAway, len(ids))
	return counted(len(ids)), err
}

// openIDs are the transactional ids of others that have a transaction open.
type openIDs struct {
	mu  sync.Mutex
	all map[string]bool
}

func (o *openIDs) add(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[string]bool{}
	}
	o.all[id] = true
}

func (o *openIDs) remove(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, id)
}

// ids returns them in order.
func (o *openIDs) ids() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.all))
}
