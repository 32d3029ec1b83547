package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/shrink"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// regressionsDir is where regression tests go in this module.
const regressionsDir = "scenarios/regressions"

var shrinkCommand = command{
	name:   "shrink",
	cleans: true,
	args:   "CAPSULE",
	short:  "find the smallest plan that still fails in the same way",
	long: `
Faults, clients and operations are removed and durations shortened, as long as the
same check fails, in the engine that found the failure. The small plan and a Go test
that runs it are written to ` + regressionsDir + ` if there is such a directory, and
otherwise to the capsule. After an interruption that is the smallest plan so far.
`,
	flags: func(c *cli, fs *flag.FlagSet) execFunc {
		s := &shrinkRun{cli: c}
		fs.IntVar(&s.jobs, "jobs", 0, "the `number` of worlds that run at the same time (default: one on each core)")
		fs.DurationVar(&s.length, "for", 2*time.Minute, "the `duration` after which shrinking stops, with the smallest plan so far")
		fs.IntVar(&s.runs, "runs", 20_000, "the `number` of worlds after which shrinking stops, with the smallest plan so far")
		fs.IntVar(&s.tries, "tries", shrink.DefaultTries, "the `number` of seeds with which each smaller plan is tried")
		fs.StringVar(&s.check, "check", "", "the `name` of the check that smaller plans have to fail (default: the first that failed)")
		fs.StringVar(&s.kafka, "kafka", "", "what the world ran on, named again if it ran on Kafka: `testcontainers` or brokers as host:port,host:port")
		fs.StringVar(&s.out, "out", "", "the `directory` for the small plan and its test")
		return s.exec
	},
}

// A shrinkRun carries out one "kvsim shrink".
type shrinkRun struct {
	cli    *cli
	jobs   int
	length time.Duration
	runs   int
	tries  int
	check  string
	kafka  string
	out    string
}

func (s *shrinkRun) exec(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	if len(args) != 1 {
		return usagef("name one capsule, such as %s/%s", defaultOut, capsuleLatest)
	}
	if s.length <= 0 || s.runs <= 0 || s.tries <= 0 || s.jobs < 0 {
		return usagef("--for, --runs and --tries have to be above 0, and --jobs must not be negative")
	}
	c, err := readCapsule(args[0])
	if err != nil {
		return err
	}
	if c.result.Status != world.Violated && c.result.Status != world.Broken {
		fmt.Fprintf(stderr, "kvsim: shrink: %s\n", nothingToShrink(c))
		return exitError(exitUsage)
	}
	on, err := c.info.engine(s.kafka)
	if err != nil {
		return err
	}
	s.check = cmp.Or(s.check, c.result.Reason().Name)
	if !failedFor(&c.result, s.check) {
		return usagef("--check %s: that check did not fail in %s, see its %s", s.check, c.dir, capsuleVerdict)
	}
	p, err := parsePlan(c.dir, c.plan)
	if err != nil {
		return err
	}
	report, err := s.shrink(ctx, c, p, on, stderr)
	if errors.Is(err, shrink.ErrNotReproduced) {
		fmt.Fprintf(stderr, "kvsim: shrink: %v: in this build the world of %s no longer ends with %s\n", err, c.dir, s.check)
		return exitError(exitInconclusive)
	}
	if report != nil {
		err = errors.Join(err, s.write(c, p, on, report, ctx.Err() != nil, stdout))
	}
	return err
}

// nothingToShrink says why the capsule of a world that did not fail can't be shrunk. The flags
// are right, so help about them would not help.
func nothingToShrink(c *capsule) string {
	what := "held"
	if c.result.Status != world.Held {
		what = "was " + c.result.Status.String()
	}
	return fmt.Sprintf("the world of %s %s: there is no failure that a smaller plan could keep. "+
		"Name a capsule of a violation or of a failure of the harness; %q runs this one again", c.dir, what, "kvsim replay "+c.dir)
}

// shrink runs the reduction in the capsule's engine.
func (s *shrinkRun) shrink(ctx context.Context, c *capsule, p sim.Plan, on engineOptions, stderr io.Writer) (*shrink.Report, error) {
	on.jobs, on.brokers = s.jobs, p.World.Brokers
	eng, err := s.cli.engines(ctx, on, stderr)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	// A world that hangs must not outlast the budget.
	limited, cancel := context.WithTimeout(ctx, s.length)
	defer cancel()
	fmt.Fprintf(stderr, "shrinking %s while it still ends with %s: %s\n", c.dir, c.result.Status, s.check)
	return shrink.Shrink(ctx, p, shrink.Options{
		Jobs: eng.Jobs(), Tries: s.tries,
		Run: func(_ context.Context, p sim.Plan) (*world.Result, error) {
			return eng.Run(limited, world.Job{Seed: p.Seed, Plan: p.String()})
		},
		Fails: func(r *world.Result) bool {
			return r.Status == c.result.Status && failedFor(r, s.check)
		},
		Stop: func(runs int) bool { return runs >= s.runs || ctx.Err() == nil && limited.Err() != nil },
		Progress: func(what string, p sim.Plan, runs int) {
			fmt.Fprintf(stderr, "%6d runs: %-50s now %s\n", runs, what, sizeOf(p))
		},
	})
}

// write writes the files, and prints the sizes of the plan before and after.
func (s *shrinkRun) write(c *capsule, before sim.Plan, on engineOptions, report *shrink.Report, interrupted bool, stdout io.Writer) error {
	dir := s.out
	if dir == "" {
		dir = c.dir
		if info, err := os.Stat(regressionsDir); err == nil && info.IsDir() {
			dir = regressionsDir
		}
	}
	reason := report.Result.Reason()
	for _, r := range report.Result.Reasons {
		if r.Name == s.check {
			reason = r
			break
		}
	}
	name := regressionName(report.Plan, reason)
	test, err := regressionTest(report.Plan, c.info.Command, reason)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return usagef("--out: %w", err)
	}
	plan := filepath.Join(dir, name+".plan")
	file := filepath.Join(dir, name+"_test.go")
	err = errors.Join(writeData(plan, shared, []byte(report.Plan.String())), writeData(file, shared, test))
	if err != nil {
		return fmt.Errorf("write the small plan: %w", err)
	}
	fmt.Fprintf(stdout, "before     %s\nafter      %s\n", sizeOf(before), sizeOf(report.Plan))
	left := "nothing more can be taken away"
	switch {
	case interrupted:
		left = "it was interrupted"
	case !report.Minimal:
		left = "the budget was used up: give more with --for and --runs"
	}
	fmt.Fprintf(stdout, "runs       %s, %s smaller: %s\n", count(report.Runs), plural(report.Steps, "step"), left)
	fmt.Fprintf(stdout, "fails      %s: %s\n\n%s\n", reason.Name, indent(reason.Text, "           "), report.Plan)
	fmt.Fprintf(stdout, "plan       %s\ntest       %s\nrun        kvsim run --plan %s%s\n", plan, file, quoteArg(plan), on.flags())
	return nil
}

// failedFor reports whether a result has a reason of the given name.
func failedFor(r *world.Result, name string) bool {
	return slices.ContainsFunc(r.Reasons, func(x world.Reason) bool { return x.Name == name })
}

// sizeOf says how large a plan is.
func sizeOf(p sim.Plan) string {
	return fmt.Sprintf("%s with %s each, %s, %s, %v of faults",
		plural(p.World.Clients, "client"), plural(p.Workload.Ops, "operation"),
		plural(p.World.Brokers, "broker"), plural(len(p.Faults), "fault"), p.Phases.Faults)
}
