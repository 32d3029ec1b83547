package sim

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The phases of work.
const (
	phaseBefore = iota
	phaseDuring
	phaseAfter
)

var phaseNames = [...]string{phaseBefore: "before the faults", phaseDuring: "faults", phaseAfter: "after the faults"}

// shares of the operations that belong to the phases, in percent.
var shares = [...]int{phaseBefore: 15, phaseDuring: 70, phaseAfter: 15}

// quota returns how many operations of ops a worker does in a phase.
func quota(ops, workers, worker, phase int) int {
	from, to := 0, 0
	for i := range phase + 1 {
		from = to
		to += shares[i]
	}
	n := ops*to/100 - ops*from/100
	mine := n / workers
	if worker < n%workers {
		mine++
	}
	return mine
}

// work lets all workers do their operations of a phase while more runs in parallel; the
// phase is over when both have ended.
func (w *world) work(phase int, length time.Duration, more func() error) error {
	w.progress(phase, 0)
	over := make(chan struct{})
	var all sync.WaitGroup
	var err error
	all.Go(func() {
		defer close(over)
		if more != nil {
			err = more()
		}
	})
	for _, k := range w.workers {
		all.Go(func() { k.run(phase, length, over) })
	}
	all.Wait()
	if err == nil {
		err = context.Cause(w.ctx)
	}
	return err
}

// run does a worker's operations of a phase, spread over its length. A tenth of them is
// held back until what runs in parallel is over, so that a fault that waits for something
// to hit finds it.
func (k *worker) run(phase int, length time.Duration, over <-chan struct{}) {
	n := quota(k.w.plan.Workload.Ops, max(1, k.w.plan.Workload.Workers), k.n, phase)
	if n == 0 {
		return
	}
	begin := time.Now()
	gap := length / time.Duration(n)
	burst := 0
	for i := range n {
		if burst--; burst < 0 {
			burst = k.rng.IntN(max(1, k.w.plan.Workload.Burst))
			// The idle time before the burst makes up for its fast operations.
			target := begin.Add(gap*time.Duration(i) + exponential(k.rng, gap))
			if sleep(k.ctx, time.Until(target)) != nil {
				return
			}
		} else if sleep(k.ctx, exponential(k.rng, 300*time.Microsecond)) != nil {
			return
		}
		if i >= n-n/10 && !k.hold(over) {
			return
		}
		if k.one() != nil {
			return
		}
	}
}

// hold waits for over, but not for long. It reports false when the run ends.
func (k *worker) hold(over <-chan struct{}) bool {
	t := time.NewTimer(time.Until(after(k.ctx, exponential(k.rng, 500*time.Millisecond))))
	defer t.Stop()
	select {
	case <-over:
		// All workers are released at the same instant; each continues at its own.
		return sleep(k.ctx, exponential(k.rng, time.Millisecond)) == nil
	case <-t.C:
		return true
	case <-k.ctx.Done():
		return false
	}
}

// one does one operation, once there is a process to do it.
func (k *worker) one() error {
	kind := choose(k.rng, k.w.plan.Workload.weights())
	for {
		p, waited, err := k.slot.live(k.ctx)
		if err != nil {
			return err
		}
		held, err := k.slot.pauses.Pass(k.ctx)
		if err != nil {
			return err
		}
		if waited || held || p.crashed.Load() {
			// Workers that waited for the same thing continue one by one.
			if err := sleep(k.ctx, exponential(k.rng, time.Millisecond)); err != nil {
				return err
			}
			continue
		}
		k.w.progress(k.w.currentPhase(), 1)
		k.do(k.ctx, p, kind)
		return nil
	}
}

func (w *world) currentPhase() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase
}

// openAll opens the plan's clients, each at its own instant.
func (w *world) openAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.plan.Phases.Converge, errors.New("the clients could not open in time"))
	defer cancel()
	errs := make(chan error, len(w.slots))
	for _, s := range w.slots {
		r := stream(w.plan.Seed, "start", s.n)
		d := time.Duration(s.n)*100*time.Microsecond + time.Duration(r.Int64N(int64(time.Millisecond)))
		go func() {
			err := sleep(inLane(ctx, slotLane(s.n)), d)
			if err == nil {
				err = s.open(ctx)
			}
			errs <- err
		}()
	}
	var err error
	for range w.slots {
		err = errors.Join(err, <-errs)
	}
	return err
}
