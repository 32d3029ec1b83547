package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
)

// timeline applies the plan's faults, each at its time, and returns when all of
// them are over.
func (w *world) timeline() error {
	var all sync.WaitGroup
	errs := make([]error, len(w.plan.Faults))
	w.results = make([]FaultResult, len(w.plan.Faults))
	for i, f := range w.plan.Faults {
		all.Go(func() {
			if err := w.inflict(i, f); err != nil && w.ctx.Err() == nil {
				errs[i] = fmt.Errorf("fault %s: %w", f, err)
				w.fail(errs[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// inflict applies one fault. It lasts longer than planned, within the plan's patience,
// while it has hit nothing: what it tests has not happened yet. It returns when the calls
// that clients made to meet it have ended, too.
func (w *world) inflict(i int, f Fault) error {
	s := f.span()
	ctx := inLane(w.ctx, faultLane(i))
	r := &w.results[i]
	*r = FaultResult{Fault: f.String(), Kind: f.Kind()}
	if err := sleep(ctx, s.From); err != nil {
		return err
	}
	r.From = time.Since(w.start)
	r.Injected = true
	heal := w.rec.Fault(f.String())
	defer w.holds.begin(f, w.some(setting[string](f, "broker"))...)()
	defer func() {
		// What the fault released at this instant is recorded first.
		_ = sleep(context.WithoutCancel(ctx), simnet.Round)
		heal()
	}()
	judge := w.metering(f)
	w.lookAround()
	cut := w.cutOff(f)
	e, err := f.start(ctx, w)
	if err != nil {
		return err
	}
	p := &provocation{w: w, fault: f, n: i}
	defer p.all.Wait()
	err = w.last(ctx, e, s.For, p)
	r.Hits = e.hits()
	judge()
	cut()
	w.lookAround()
	w.judgeLeft()
	if e.undo != nil {
		undoErr := e.undo(ctx)
		if !errors.Is(undoErr, errEnded) {
			err = errors.Join(err, undoErr)
		}
		r.Hits = e.hits()
	}
	r.To = time.Since(w.start)
	return err
}

// last lets a fault last. If it has hit nothing by then, clients are made to meet it.
func (w *world) last(ctx context.Context, e *effect, d time.Duration, p *provocation) error {
	if e.undo == nil {
		return nil
	}
	if err := sleep(ctx, d); err != nil {
		return err
	}
	const (
		step   = 100 * time.Millisecond
		rounds = 10 * step // between two provocations
	)
	for waited := step; e.hits() == 0 && waited <= w.plan.Phases.Patience; waited += step {
		if err := sleep(ctx, step); err != nil {
			return err
		}
		if waited%rounds == 0 && e.hits() == 0 {
			p.again(ctx)
		}
	}
	return nil
}

// await waits until an instantaneous fault has something to hit, within the plan's
// patience.
func (w *world) await(ctx context.Context, ready func() bool) error {
	return w.awaitFor(ctx, w.plan.Phases.Patience, ready)
}

func (w *world) awaitFor(ctx context.Context, most time.Duration, ready func() bool) error {
	const step = 10 * time.Millisecond
	for waited := time.Duration(0); !ready() && waited < most; waited += step {
		if err := sleep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// kill kills the plan's dead clients and its dead broker permanently.
func (w *world) kill() error {
	ph := &w.plan.Phases
	ctx := inLane(w.ctx, laneOfRun)
	dead := w.slots[len(w.slots)-ph.DeadClients:]
	for _, s := range dead {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		w.rec.Fault("client " + s.name + " dies for good")
		s.crash(true)
	}
	if err := sleep(ctx, time.Millisecond); err != nil {
		return err
	}
	if ph.DeadBroker == "" {
		return nil
	}
	w.rec.Fault("broker " + ph.DeadBroker + " dies for good")
	// For the others it is one that restarts: once they have recovered, it delays nobody.
	defer w.holds.begin(Restart{Broker: ph.DeadBroker, Move: true})()
	b := w.broker(ph.DeadBroker)
	if w.broker(leaderName) == b {
		if err := w.cluster.MoveLeadersFrom(b); err != nil {
			return err
		}
	}
	if _, err := w.downs.stop(w, b); err != nil {
		return err
	}
	w.tap.refresh()
	return nil
}

// alive returns the slots that are not permanently dead.
func (w *world) alive() []*slot {
	var out []*slot
	for _, s := range w.slots {
		s.mu.Lock()
		if !s.dead {
			out = append(out, s)
		}
		s.mu.Unlock()
	}
	return out
}

// each runs fn for all slots at the same time, each in the lane of its slot, and
// returns the errors by slot.
func (w *world) each(ctx context.Context, slots []*slot, fn func(context.Context, *slot) error) []error {
	errs := make([]error, len(slots))
	var all sync.WaitGroup
	for i, s := range slots {
		all.Go(func() {
			ctx := inLane(ctx, slotLane(s.n))
			if errs[i] = sleep(ctx, simnet.Round); errs[i] == nil {
				errs[i] = fn(ctx, s)
			}
		})
	}
	all.Wait()
	return errs
}
