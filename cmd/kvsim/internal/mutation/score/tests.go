package score

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

// A suite is the test program of a package.
type suite struct{ dir, program string }

// A test is one test of a suite, measured without a mutant.
type test struct {
	suite   *suite
	name    string
	cpu     time.Duration
	reached []byte
}

// tests are all of them, cheapest first.
type tests struct {
	all []*test
	// failing are those that fail without a mutant. They say nothing.
	failing []string
}

// buildTests builds the woven test program of each package.
func (r *Run) buildTests(ctx context.Context) ([]*suite, error) {
	var suites []*suite
	for i, p := range r.Source.Packages {
		if !p.Tests {
			continue
		}
		s := &suite{dir: p.Dir, program: filepath.Join(r.Dir, fmt.Sprintf("%d.test", i))}
		if err := r.build(ctx, "test", "-c", "-vet=off", "-o", s.program, p.Path); err != nil {
			return nil, err
		}
		suites = append(suites, s)
	}
	return suites, nil
}

// build runs go build or go test -c with the woven source.
func (r *Run) build(ctx context.Context, command string, args ...string) error {
	args = append([]string{command, "-tags", r.Tags, "-overlay", r.woven.Overlay}, args...)
	cmd := procgroup.Command(ctx, "go", args...)
	cmd.Dir = r.Source.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// measureTests runs each test without a mutant.
func (r *Run) measureTests(ctx context.Context) (*tests, error) {
	suites, err := r.buildTests(ctx)
	if err != nil {
		return nil, err
	}
	var all []*test
	for _, s := range suites {
		listed, err := execute(ctx, s.dir, s.program, time.Minute, nil, "-test.list", ".")
		if err != nil || !listed.ok {
			return nil, fmt.Errorf("list the tests of %s: %w\n%s", s.dir, err, listed.output)
		}
		for name := range strings.FieldsSeq(listed.output) {
			if regexp.MustCompile(`^(Test|Example|Fuzz)`).MatchString(name) {
				all = append(all, &test{suite: s, name: name})
			}
		}
	}
	r.say("%d tests, each run without a mutant", len(all))
	var mu sync.Mutex
	measured := &tests{}
	err = together(ctx, r.Jobs, all, func(ctx context.Context, t *test) error {
		ok, err := r.measureTest(ctx, t)
		mu.Lock()
		defer mu.Unlock()
		if ok {
			measured.all = append(measured.all, t)
		} else {
			measured.failing = append(measured.failing, filepath.Base(t.suite.dir)+"."+t.name)
		}
		return err
	})
	slices.SortFunc(measured.all, func(a, b *test) int {
		return cmp.Or(cmp.Compare(a.cpu, b.cpu), cmp.Compare(a.suite.dir, b.suite.dir), cmp.Compare(a.name, b.name))
	})
	slices.Sort(measured.failing)
	return measured, err
}

// measureTest runs one test without a mutant. It reports whether it passes.
func (r *Run) measureTest(ctx context.Context, t *test) (bool, error) {
	name, err := reachFile(r.Dir, len(r.woven.Mutants))
	if err != nil {
		return false, err
	}
	done, err := execute(ctx, t.suite.dir, t.suite.program, 5*time.Minute,
		[]string{mutation.EnvReached + "=" + name}, "-test.short", "-test.run", pattern([]*test{t}))
	if err != nil {
		return false, err
	}
	t.cpu = done.cpu
	t.reached, err = readReached(name)
	return done.ok, err
}

// pattern matches the names of tests.
func pattern(all []*test) string {
	var names []string
	for _, t := range all {
		names = append(names, regexp.QuoteMeta(t.name))
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// judge runs the tests that reach a mutant until one fails.
func (t *tests) judge(ctx context.Context, m *mutation.Mutant) (*Verdict, error) {
	var reach []*test
	for _, one := range t.all {
		if one.reached[m.ID()] != 0 {
			reach = append(reach, one)
		}
	}
	v := &Verdict{Reached: len(reach)}
	for _, part := range portions(reach) {
		usual := time.Duration(0)
		for _, one := range part {
			usual += one.cpu
		}
		s := part[0].suite
		wall := leastWall + 2*slower*usual
		done, err := execute(ctx, s.dir, s.program, wall+5*time.Second, environment(m.ID(), usual),
			"-test.short", "-test.failfast", "-test.timeout", wall.String(), "-test.run", pattern(part))
		if err != nil {
			return nil, err
		}
		v.Ran += len(part)
		v.CPU += done.cpu.Seconds()
		if !done.ok {
			v.Killed, v.By = true, done.culprit()
			return v, nil
		}
	}
	return v, nil
}

// portions cuts tests, cheapest first, into what is run in one process: a few that take a moment
// together, then ten times as many, and then all others. A process runs tests in the order of
// their source, so the cheap ones of each portion may run behind the others.
func portions(all []*test) [][]*test {
	var cut [][]*test
	budget := 300 * time.Millisecond
	for len(all) > 0 {
		n, sum := 0, time.Duration(0)
		for n < len(all) && (n == 0 || sum+all[n].cpu <= budget) {
			sum += all[n].cpu
			n++
		}
		bySuite := map[*suite]int{}
		for _, t := range all[:n] {
			at, ok := bySuite[t.suite]
			if !ok {
				at = len(cut)
				bySuite[t.suite] = at
				cut = append(cut, nil)
			}
			cut[at] = append(cut[at], t)
		}
		all = all[n:]
		budget *= 10
	}
	return cut
}
