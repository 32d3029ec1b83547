package sim

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	lin "github.com/kvsim/kvsim/linearizability"
)

// ErrHarness matches, in errors.Is, the error of a run in which the harness itself failed:
// it says nothing about the store.
var ErrHarness = errors.New("the harness failed")

// Run carries out a plan and judges what was observed.
//
// Time is whatever package time says at the place where Run is called, so in a
// testing/synctest bubble a run of minutes takes milliseconds; there equal
// plans give equal histories. Run leaves nothing behind: when it returns its
// brokers, clients and goroutines have ended.
//
// The error is nil if the run took place, however it ended. It is an ErrPlan
// for a plan that makes no sense, the cause of ctx when that ended, and else an
// ErrHarness: then the outcome, if there is one, tells what could be judged.
func Run(ctx context.Context, p Plan, env Env) (*Outcome, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	sum := sha256.New()
	hashed := bufio.NewWriterSize(sum, 64<<10)
	out := io.Writer(hashed)
	if env.History != nil {
		out = io.MultiWriter(hashed, env.History)
	}
	w, err := newWorld(ctx, p, env, out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHarness, err)
	}
	err = w.live()
	cause := context.Cause(w.ctx)
	w.close()
	if err == nil {
		err = w.rec.Err()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("%w: %w", ErrHarness, err)
	}
	_ = hashed.Flush() // into a hash
	o := w.outcome(ctx, hex.EncodeToString(sum.Sum(nil)))
	if ctx.Err() != nil && o.Status != lin.Violated {
		return nil, context.Cause(ctx)
	}
	if o.Status == lin.HarnessFailure {
		return o, fmt.Errorf("%w: %w", ErrHarness, o.Verdict.Err())
	}
	return o, nil
}

// live runs the phases of the plan.
func (w *world) live() error {
	ph := &w.plan.Phases
	if err := w.openAll(w.ctx); err != nil {
		return err
	}
	if err := w.work(phaseBefore, ph.Before, nil); err != nil {
		return err
	}
	if err := w.work(phaseDuring, ph.Faults, w.timeline); err != nil {
		return err
	}
	if err := w.kill(); err != nil {
		return err
	}
	if err := w.work(phaseAfter, ph.After, nil); err != nil {
		return err
	}
	return w.converge()
}
