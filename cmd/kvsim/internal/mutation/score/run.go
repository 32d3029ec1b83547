package score

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
)

// A Tier is one kind of thing that can kill a mutant.
type Tier string

// The tiers, cheapest first.
const (
	// Tests are the tests of the packages that have mutants.
	Tests Tier = "tests"
	// Seeds are worlds.
	Seeds Tier = "seeds"
)

// A Run runs mutants.
type Run struct {
	Source  *mutation.Source
	Mutants []*mutation.Mutant
	// Tags are those of the build.
	Tags  string
	Tiers []Tier
	// Each says to run each tier for each mutant, also when another one killed it, so that the
	// tiers can be compared.
	Each bool
	// Worlds are those of the tier Seeds, and Program is the main package that runs them.
	Worlds  []World
	Program string
	// Results is the name of the result file.
	Results string
	// Dir is for what is built.
	Dir  string
	Jobs int
	// Progress is told how far it is, a line at a time, and Every how often.
	Progress io.Writer
	Every    time.Duration

	woven    *mutation.Woven
	comparer *mutation.Comparer
	tests    *tests
	worlds   *worlds
}

func (r *Run) say(format string, args ...any) {
	fmt.Fprintf(r.Progress, "kvsim: "+format+"\n", args...)
}

// has reports whether a tier is run.
func (r *Run) has(t Tier) bool {
	return slices.Contains(r.Tiers, t)
}

// Do runs the mutants that have no result yet. It returns the results of all, in their order.
func (r *Run) Do(ctx context.Context) ([]*Result, error) {
	head, err := r.header(ctx)
	if err != nil {
		return nil, err
	}
	file, aside, err := openResults(r.Results, head)
	if err != nil {
		return nil, err
	}
	defer file.file.Close()
	if aside != "" {
		r.say("the source or the settings have changed since %s was written: it is %s now", r.Results, aside)
	}
	var todo []*mutation.Mutant
	for _, m := range r.Mutants {
		if file.known[m.Key()] == nil {
			todo = append(todo, m)
		}
	}
	if done := len(r.Mutants) - len(todo); done > 0 {
		r.say("%d of %d mutants have a result in %s", done, len(r.Mutants), r.Results)
	}
	if len(todo) > 0 {
		if err := r.prepare(ctx, todo, file); err != nil {
			return nil, err
		}
		todo = slices.DeleteFunc(todo, func(m *mutation.Mutant) bool { return slices.Contains(r.woven.Refused, m) })
		if err := r.judge(ctx, todo, file); err != nil {
			return nil, err
		}
	}
	var results []*Result
	for _, m := range r.Mutants {
		results = append(results, file.known[m.Key()])
	}
	return results, nil
}

// header is what results depend on.
func (r *Run) header(ctx context.Context) (header, error) {
	var patterns []string
	for _, p := range r.Source.Packages {
		patterns = append(patterns, p.Path)
	}
	h := header{Format: 1, Tiers: r.Tiers, Each: r.Each, Machine: runtime.Version()}
	if r.has(Seeds) {
		patterns = append(patterns, r.Program)
		plans := sha256.New()
		for _, w := range r.Worlds {
			fmt.Fprintf(plans, "%s %d\n%s\n", w.Scenario, w.Job.Seed, w.Job.Plan)
		}
		h.Worlds = hex.EncodeToString(plans.Sum(nil))[:16]
	}
	var err error
	h.Source, err = r.Source.Digest(ctx, patterns...)
	return h, err
}

// prepare weaves mutants in, builds, and measures without a mutant.
func (r *Run) prepare(ctx context.Context, todo []*mutation.Mutant, file *resultFile) error {
	var err error
	if r.woven, err = r.Source.Weave(todo, r.Dir); err != nil {
		return err
	}
	for _, m := range r.woven.Refused {
		if err := file.add(resultOf(m, Refused)); err != nil {
			return err
		}
	}
	if r.comparer, err = r.Source.NewComparer(r.Dir); err != nil {
		return err
	}
	r.say("%d mutants are woven in; building", len(r.woven.Mutants))
	var failing []string
	if r.has(Tests) {
		if r.tests, err = r.measureTests(ctx); err != nil {
			return err
		}
		failing = append(failing, r.tests.failing...)
	}
	if r.has(Seeds) {
		if r.worlds, err = r.measureWorlds(ctx); err != nil {
			return err
		}
		failing = append(failing, r.worlds.failing...)
	}
	if len(failing) > 0 {
		r.say("left out, for they fail without a mutant: %s", strings.Join(failing, ", "))
	}
	return nil
}

// resultOf returns a result without a verdict.
func resultOf(m *mutation.Mutant, s State) *Result {
	return &Result{
		Key: m.Key(), Package: m.Package, File: m.File, Line: m.Line, Func: m.Func,
		Rule: string(m.Rule), From: m.From, To: m.To, State: s,
	}
}

// judge runs mutants.
func (r *Run) judge(ctx context.Context, all []*mutation.Mutant, file *resultFile) error {
	var mu sync.Mutex
	done, killed, said, start := 0, 0, time.Now(), time.Now()
	return together(ctx, r.Jobs, all, func(ctx context.Context, m *mutation.Mutant) error {
		result, err := r.one(ctx, m)
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.Key(), err)
		}
		if err := file.add(result); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if done++; result.Killed() {
			killed++
		}
		if time.Since(said) >= r.Every || done == len(all) {
			said = time.Now()
			r.say("%d of %d mutants, %d killed, %v", done, len(all), killed, time.Since(start).Round(time.Second))
		}
		return nil
	})
}

// one runs a mutant.
func (r *Run) one(ctx context.Context, m *mutation.Mutant) (*Result, error) {
	result := resultOf(m, Made)
	var err error
	if r.has(Tests) {
		if result.Tests, err = r.tests.judge(ctx, m); err != nil {
			return nil, err
		}
	}
	if r.has(Seeds) && (r.Each || !result.Killed()) {
		if result.Seeds, err = r.worlds.judge(ctx, m); err != nil {
			return nil, err
		}
	}
	if result.Killed() { // then it is not the same code
		return result, nil
	}
	same, err := r.comparer.Same(ctx, m)
	if same {
		result.State = SameCode
	}
	return result, err
}

// together calls do for each item, n at a time, until one fails.
func together[T any](ctx context.Context, n int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan T)
	errs := make(chan error, n)
	for range n {
		go func() {
			var failed error
			for item := range next {
				if failed == nil {
					if failed = do(ctx, item); failed != nil {
						cancel()
					}
				}
			}
			errs <- failed
		}()
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		next <- item
	}
	close(next)
	var all []error
	for range n {
		if err := <-errs; err != nil {
			all = append(all, err)
		}
	}
	if len(all) == 0 {
		return context.Cause(ctx)
	}
	// The first one made the others end.
	for _, err := range all {
		if !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return all[0]
}

// TempDir makes a directory for a Run. Tests run in it, so it is not below the module.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "kvsim-mutate-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}
