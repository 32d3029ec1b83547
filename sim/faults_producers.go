package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// ForgetProducers makes brokers forget the next sequence number of each producer, as after
// a day without a batch, or when it was lost with the log's tail.
type ForgetProducers struct {
	// Mode says what they do with the next batch: accept it, whatever its number, refuse it
	// as out of order, or answer that they don't know the producer.
	Mode string `plan:"mode"`
	// Every is the time after which they forget again; 0 means once, until it has taken
	// effect.
	Every time.Duration `plan:"every"`
	// Elections makes every new leader forget instead. If no election has made a leader
	// forget a producer, there is one at the end of the fault.
	Elections bool `plan:"elections"`
	Span
}

// Kind implements Fault.
func (f ForgetProducers) Kind() string { return "forget-producers" }

// String implements Fault.
func (f ForgetProducers) String() string { return line(f.Kind(), &f) }

func (f ForgetProducers) mode() (fakecluster.ForgetMode, error) {
	for _, m := range []fakecluster.ForgetMode{fakecluster.ForgetAndAccept, fakecluster.ForgetAndRefuse, fakecluster.ForgetAndDeny} {
		if m.String() == f.Mode {
			return m, nil
		}
	}
	return 0, fmt.Errorf("mode=%s has to be accept, refuse or deny", f.Mode)
}

func (f ForgetProducers) check(*Plan) error {
	if _, err := f.mode(); err != nil {
		return err
	}
	switch {
	case f.Elections && f.Every > 0:
		return fmt.Errorf("every=%v and elections=true exclude each other", f.Every)
	case f.Every > 0 && f.For/f.Every > 10_000:
		return fmt.Errorf("every=%v within %v are more than 10000 times", f.Every, f.For)
	}
	return f.mustLast()
}

func (f ForgetProducers) start(ctx context.Context, w *world) (*effect, error) {
	m, err := f.mode()
	if err != nil {
		return nil, err
	}
	forget := fakecluster.Forget{Topic: w.cluster.Topic(), Mode: m, AtElections: f.Elections}
	if f.Elections {
		return w.forgetAtElections(ctx, forget, f.For)
	}
	return w.forgetEvery(ctx, forget, f.Every)
}

// forgetEvery makes brokers forget again and again; if every is 0, until a forgotten
// producer has sent a batch.
func (w *world) forgetEvery(ctx context.Context, forget fakecluster.Forget, every time.Duration) (*effect, error) {
	var mu sync.Mutex
	var times []fakecluster.Effect
	hits := func() (sum int) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range times {
			sum += x.Hits()
		}
		return sum
	}
	once := every <= 0
	if once {
		every = 500 * time.Millisecond
	}
	stop := w.repeat(ctx, every, func() error {
		if once && hits() > 0 {
			return nil
		}
		x, err := w.cluster.ForgetProducers(forget)
		if err == nil {
			mu.Lock()
			times = append(times, x)
			mu.Unlock()
		}
		return err
	})
	return w.noting(sometimesProducerForgotten, &effect{hits: hits, undo: func(ctx context.Context) error {
		err := stop(ctx)
		for _, x := range times {
			x.Undo()
		}
		return err
	}}), nil
}

// forgetAtElections makes new leaders forget. After a while it has one elected, if none so
// far had a producer to forget.
func (w *world) forgetAtElections(ctx context.Context, forget fakecluster.Forget, after time.Duration) (*effect, error) {
	forgetting, err := w.cluster.ForgetProducers(forget)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	stop := w.repeat(ctx, 500*time.Millisecond, func() error {
		if time.Since(begin) < after || forgetting.Hits() > 0 {
			return nil
		}
		return w.elect()
	})
	return w.noting(sometimesProducerForgotten, &effect{hits: forgetting.Hits, undo: func(ctx context.Context) error {
		err := stop(ctx)
		forgetting.Undo()
		return err
	}}), nil
}

// elect makes another broker lead if one is running, and otherwise the same one again.
func (w *world) elect() error {
	old, inflight := w.broker(leaderName), w.inflight.count(opKind.writes)
	if w.cluster.MoveLeadersFrom(old) != nil {
		if err := w.cluster.MoveLeader(old); err != nil {
			return err
		}
	}
	w.moved(inflight)
	return nil
}

// BelowMinimum takes all replicas but the leader's out of sync, where two have to be in
// sync (min.insync.replicas): brokers refuse writes and serve reads.
type BelowMinimum struct {
	Span
}

// Kind implements Fault.
func (f BelowMinimum) Kind() string { return "below-min-insync" }

// String implements Fault.
func (f BelowMinimum) String() string { return line(f.Kind(), &f) }

func (f BelowMinimum) check(p *Plan) error {
	return cmp.Or(p.needTwo(), f.mustLast())
}

func (f BelowMinimum) start(_ context.Context, w *world) (*effect, error) {
	restore, err := w.altered.set(w, settingInSync, strconv.Itoa(max(2, w.plan.World.MinInSync)))
	if err != nil {
		return nil, err
	}
	var all []fakecluster.Effect
	undo := func(context.Context) error {
		for _, x := range all {
			x.Undo()
		}
		return restore()
	}
	leader := w.broker(leaderName)
	for _, b := range w.brokers() {
		if b == leader {
			continue
		}
		x, err := w.cluster.OutOfSync(b)
		if err != nil {
			return nil, errors.Join(err, undo(nil))
		}
		all = append(all, x)
	}
	hits := func() (most int) { // each broker refuses by itself
		for _, x := range all {
			most = max(most, x.Hits())
		}
		return most
	}
	return w.noting(sometimesBelowMinimum, &effect{hits: hits, undo: undo}), nil
}
