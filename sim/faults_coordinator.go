package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/simcluster"
)

// LoadCoordinators makes brokers answer that they are still loading what they coordinate,
// as right after they took it over: foreign transactions begin or end only afterwards. It
// brings one of its own.
type LoadCoordinators struct {
	Broker string `plan:"broker"` // all if empty
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f LoadCoordinators) Kind() string { return "load-coordinators" }

// String implements Fault.
func (f LoadCoordinators) String() string { return line(f.Kind(), &f) }

func (f LoadCoordinators) start(_ context.Context, w *world) (*effect, error) {
	loading, err := w.cluster.LoadCoordinators(f.Count, w.some(f.Broker)...)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- w.transact("load-coordinators", f.From, nil) }()
	return w.noting(sometimesCoordinatorAway, during(loading, func() error { return <-done })), nil
}

// transact writes a record in a foreign transaction, calls open, if it is not nil, while
// that is open, and commits it.
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

// SlowMarkers lets time pass between the end of a foreign transaction and its markers:
// until they are in the log, clients see nothing behind its start. It brings a transaction
// of its own.
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

// MoveCoordinator moves the coordinators of all open transactions to other brokers: a
// producer that ends one asks the wrong broker first. It brings one of its own.
type MoveCoordinator struct {
	Span
}

// Kind implements Fault.
func (f MoveCoordinator) Kind() string { return "move-coordinator" }

// String implements Fault.
func (f MoveCoordinator) String() string { return line(f.Kind(), &f) }

func (f MoveCoordinator) check(p *Plan) error {
	return p.needTwo()
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

// stranger returns a new transactional id for a foreign producer.
func (w *world) stranger() string { return fmt.Sprintf("other-%d", w.foreigners.Add(1)) }

// AbandonTransaction writes records in the transaction of a producer that then dies.
// Clients see nothing behind its start until its coordinator looks for transactions that
// are open for too long, and aborts it.
type AbandonTransaction struct {
	Records int `plan:"records"`
	// Timeout is the transaction's. Coordinators look every ten seconds, so it may be open
	// for up to that much longer.
	Timeout time.Duration `plan:"timeout"`
	Span
}

// Kind implements Fault.
func (f AbandonTransaction) Kind() string { return "abandon-transaction" }

// String implements Fault.
func (f AbandonTransaction) String() string { return line(f.Kind(), &f) }

func (f AbandonTransaction) check(*Plan) error {
	if f.Timeout < time.Millisecond || f.Timeout > time.Minute {
		return fmt.Errorf("timeout is %v and has to be from 1ms to 1m", f.Timeout)
	}
	return between("records", f.Records, 1, 1000)
}

func (f AbandonTransaction) start(ctx context.Context, w *world) (*effect, error) {
	t, err := w.cluster.BeginFor(w.stranger(), f.Timeout)
	if err != nil {
		return nil, err
	}
	producer, err := w.leaveOpen(t, f)
	if err != nil {
		return nil, err
	}
	const most = 2 * time.Minute // brokers may be away meanwhile
	if err := w.awaitFor(ctx, f.Timeout+most, func() bool { return !w.tap.isOpen(producer) }); err != nil {
		return nil, err
	}
	if w.tap.isOpen(producer) {
		return nil, fmt.Errorf("the transaction is still open %v after its timeout", most)
	}
	w.sometimes.hit(sometimesTxnTimedOut)
	return counted(f.Records), nil
}

// leaveOpen writes the fault's records and returns their producer.
func (w *world) leaveOpen(t simcluster.Transactor, f AbandonTransaction) (producer int64, err error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	if err := t.Append(w.foreignRecords("abandon", f.From, f.Records, true)...); err != nil {
		return 0, err
	}
	if err := w.tap.sync(); err != nil {
		return 0, err
	}
	return w.tap.lastOpened(), nil
}

// openIDs are the transactional ids of foreign producers that have a transaction open.
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
