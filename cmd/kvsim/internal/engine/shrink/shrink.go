package shrink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// DefaultTries is the default of Options.Tries.
const DefaultTries = 64

// ErrNotReproduced says that the plan to shrink does not fail.
var ErrNotReproduced = errors.New("the world does not fail again")

// Options are the options of Shrink. Run and Fails are required.
type Options struct {
	// Run runs a plan. It is called concurrently.
	Run func(ctx context.Context, p sim.Plan) (*world.Result, error)
	// Fails reports whether a result is the failure that the plan must keep.
	Fails func(*world.Result) bool
	// Jobs is how many worlds run at the same time, at least 1.
	Jobs int
	// Tries is how many seeds a candidate is tried with in the end, when nothing is
	// found with fewer. 0 means DefaultTries.
	Tries int
	// Stop reports whether the budget is used up after the given number of worlds.
	// It is called between worlds, and when Run fails, because the caller may end
	// Run's context when the budget is used up. Nil means no budget.
	Stop func(runs int) bool
	// Progress, if not nil, is called after each step that made the plan smaller,
	// by the goroutine that called Shrink.
	Progress func(what string, p sim.Plan, runs int)
}

// A Report is the outcome of Shrink.
type Report struct {
	// Plan is the smallest plan that failed, and Result its result.
	Plan   sim.Plan
	Result *world.Result
	// Runs is the number of worlds, Steps the number of those that made the plan
	// smaller.
	Runs, Steps int
	// Minimal says that no smaller candidate fails. Otherwise the budget was used
	// up.
	Minimal bool
}

// Shrink makes a plan small. It returns ErrNotReproduced if the plan itself does not fail. If
// ctx ends, it returns an error that matches that of ctx and, if the plan has failed at least
// once, a report with the smallest plan so far.
func Shrink(ctx context.Context, p sim.Plan, opts Options) (*Report, error) {
	s := &shrinker{opts: opts, tries: 1}
	s.opts.Jobs = max(1, opts.Jobs)
	s.opts.Tries = cmp.Or(s.opts.Tries, DefaultTries)
	// The floors say how much a world must do to count as held. A small world may
	// do less, and a violation does not depend on them.
	p.Floors = sim.Floors{}
	found, err := s.first(ctx, slices.Values([]attempt{{plan: p}}))
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNotReproduced
	}
	s.report.Plan, s.report.Result = found.plan, found.result
	for {
		smaller, err := s.round(ctx)
		switch {
		case errors.Is(err, errBudget):
			return &s.report, nil
		case err != nil && ctx.Err() != nil:
			return &s.report, err
		case err != nil:
			return nil, err
		case smaller:
		case s.tries < s.opts.Tries:
			s.tries = min(8*s.tries, s.opts.Tries)
		default:
			s.report.Minimal = true
			return &s.report, nil
		}
	}
}

// errBudget says that Stop returned true.
var errBudget = errors.New("the budget is used up")

type shrinker struct {
	opts   Options
	tries  int
	report Report
}

// An attempt is a plan and its result.
type attempt struct {
	what   string
	plan   sim.Plan
	result *world.Result
}

// round lets each pass make the plan as small as it can. It reports whether any made it
// smaller.
func (s *shrinker) round(ctx context.Context) (bool, error) {
	progress := false
	for _, pass := range passes {
		for {
			found, err := s.try(ctx, pass(s.report.Plan))
			if err != nil {
				return progress, err
			}
			if !found {
				break
			}
			progress = true
		}
	}
	return progress, nil
}

// try runs the candidates, and makes the first one that fails the new plan.
func (s *shrinker) try(ctx context.Context, candidates iter.Seq[candidate]) (bool, error) {
	found, err := s.first(ctx, func(yield func(attempt) bool) {
		for c := range candidates {
			if c.plan.Validate() != nil {
				continue
			}
			for i := range s.tries {
				p := c.plan
				p.Seed += uint64(i)
				if !yield(attempt{what: c.what, plan: p}) {
					return
				}
			}
		}
	})
	if found == nil || err != nil {
		return false, err
	}
	s.report.Plan, s.report.Result = found.plan, found.result
	s.report.Steps++
	if s.opts.Progress != nil {
		s.opts.Progress(found.what, found.plan, s.report.Runs)
	}
	return true, nil
}

// first runs attempts, as many at the same time as there are jobs, and returns the first one, in their
// order, that fails. It waits for those that run at the same time, so that the same plan always
// shrinks in the same way.
func (s *shrinker) first(ctx context.Context, attempts iter.Seq[attempt]) (*attempt, error) {
	next, stop := iter.Pull(attempts)
	defer stop()
	for {
		var group []attempt
		for len(group) < s.opts.Jobs {
			a, ok := next()
			if !ok {
				break
			}
			group = append(group, a)
		}
		if len(group) == 0 {
			return nil, nil
		}
		if s.opts.Stop != nil && s.report.Runs > 0 && s.opts.Stop(s.report.Runs) {
			return nil, errBudget
		}
		errs := make([]error, len(group))
		var wg sync.WaitGroup
		for i := range group {
			wg.Go(func() { group[i].result, errs[i] = s.opts.Run(ctx, group[i].plan) })
		}
		wg.Wait()
		s.report.Runs += len(group)
		for i := range group {
			if errs[i] != nil && s.opts.Stop != nil && s.report.Result != nil && s.opts.Stop(s.report.Runs) {
				return nil, errBudget
			}
			if errs[i] != nil {
				return nil, fmt.Errorf("shrink: %w", errs[i])
			}
			if s.opts.Fails(group[i].result) {
				return &group[i], nil
			}
		}
	}
}
