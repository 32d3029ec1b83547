package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

const (
	// defaultOut is where capsules go.
	defaultOut = "kvsim-out"
	// defaultSeeds is what "kvsim run" runs without --seed.
	defaultSeeds = "1..20"
	// progressEvery is the time between two reports of the progress of a long run.
	progressEvery = 5 * time.Second
	// capsulesPerReason is how many capsules a campaign writes for worlds that
	// fail for the same reason.
	capsulesPerReason = 3
)

var runCommand = command{
	name:   "run",
	cleans: true,
	short:  "run worlds and judge them",
	long: `
Without --seed, seeds ` + defaultSeeds + ` of the scenario ` + defaultScenario + ` run. A world that fails leaves a
capsule, a directory with its plan, its history, the verdict and the command line
that repeats it.
`,
	flags: func(c *cli, fs *flag.FlagSet) execFunc {
		r := &runner{cli: c}
		r.worlds.declare(fs)
		r.engine.declare(fs)
		fs.DurationVar(&r.length, "for", 0, "run one seed after the other for a `duration` such as 10m, from --seed on, or else from a seed taken from the clock")
		fs.StringVar(&r.out, "out", defaultOut, "the `directory` that gets a capsule for each world that fails")
		fs.BoolVar(&r.keep, "keep", false, "leave a capsule for every world, even if it held")
		fs.Float64Var(&r.allowed, "allow-inconclusive", 1, "the `percentage` of worlds that may be inconclusive in a run that holds")
		fs.IntVar(&r.conclusive, "conclusive", 0, "with --for, end when this `number` of worlds could be judged; the run holds if at least one held and none failed")
		fs.BoolVar(&r.json, "json", false, "print a line of JSON for each world, and one for the whole run")
		fs.BoolVar(&r.verbose, "v", false, "print every fault and every check of each world, and keep what clients and brokers log in the capsules")
		return r.exec
	},
}

// A runner carries out one "kvsim run".
type runner struct {
	cli     *cli
	worlds  worldFlags
	engine  engineOptions
	length  time.Duration
	out     string
	keep    bool
	allowed float64
	// conclusive is how many worlds that could be judged are enough; 0 means that
	// the time alone decides.
	conclusive int
	json       bool
	verbose    bool

	command        string
	started        time.Time
	tally          *tally
	capsules       map[*failureTally]int
	last           *ran // the last world, for the summary of a single world
	capsule        string
	stdout, stderr io.Writer
}

func (r *runner) exec(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := r.validate(args); err != nil {
		return err
	}
	source, err := r.worlds.source(ctx, stdin)
	if err != nil {
		return err
	}
	return r.runSource(ctx, source, stdout, stderr)
}

func (r *runner) validate(args []string) error {
	if err := noArgs(args); err != nil {
		return err
	}
	switch {
	case r.length < 0:
		return usagef("--for %v is negative", r.length)
	case !(r.allowed >= 0 && r.allowed <= 100): // it may be NaN
		return usagef("--allow-inconclusive %v is not from 0 to 100", r.allowed)
	case r.conclusive < 0:
		return usagef("--conclusive %d is negative", r.conclusive)
	case r.conclusive > 0 && r.length == 0:
		return usagef("--conclusive %d needs --for, which says when to give up", r.conclusive)
	case r.length > 0 && r.worlds.seeds.set && r.worlds.seeds.from != r.worlds.seeds.to:
		return usagef("--for starts at one seed: give --seed %d, or leave --for out", r.worlds.seeds.from)
	case r.out == "":
		return usagef("--out is empty: name a directory")
	}
	if r.worlds.knobs.Brokers > 0 && r.engine.existing() {
		return usagef("--brokers-count %d: --kafka %s names the brokers, so leave --brokers-count out", r.worlds.knobs.Brokers, r.engine.kafka)
	}
	return r.engine.validate()
}

// runSource runs the worlds of a source and prints the summary.
func (r *runner) runSource(ctx context.Context, source planSource, stdout, stderr io.Writer) (err error) {
	r.stdout, r.stderr = stdout, stderr
	r.engine.brokers = source.brokers
	eng, err := r.cli.engines(ctx, r.engine, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	source = onBrokers(source, eng, stderr)
	scratch, made, err := r.scratch()
	if err != nil {
		return err
	}
	defer func() {
		_ = os.RemoveAll(scratch)
		if made {
			_ = os.Remove(r.out) // unless there is a capsule in it
		}
	}()
	r.started = r.cli.now()
	r.tally = newTally(source.scenario, eng.Name(), eng.Jobs(), r.cli.sometimes)
	r.capsules = make(map[*failureTally]int)
	next, total := r.seeds(source)
	r.command = r.commandLine(source)
	progress := r.reportProgress(total)
	c := &campaign{engine: eng, source: source, next: next, dir: scratch, logs: r.verbose || total == 1}
	if r.conclusive > 0 {
		c.enough = enough(r.conclusive)
		r.allowed = 100
	}
	err = c.run(ctx, func(x ran) error {
		defer progress.step(r.tally)
		return r.take(ctx, x)
	})
	progress.stop()
	if err != nil && ctx.Err() == nil {
		return err
	}
	r.tally.Interrupted = err != nil
	r.tally.finish(r.cli.now().Sub(r.started), r.allowed)
	return errors.Join(r.summarise(), r.githubSummary(), err, r.exit())
}

// enough returns a function that gets each result and reports whether n worlds could be judged
// by then. One goroutine at a time may call it.
func enough(n int) func(*world.Result) bool {
	return func(res *world.Result) bool {
		if res.Status != world.Inconclusive {
			n--
		}
		return n <= 0
	}
}

// exit returns the error that sets the exit code. If the run was interrupted, that is the exit
// code, unless the run had found something worse by then. An inconclusive run is not worse.
func (r *runner) exit() error {
	if s := r.tally.Status; r.tally.Interrupted && (s == world.Held || s == world.Inconclusive) {
		return exitError(exitInterrupted)
	}
	return exitOf(r.tally.Status)
}

// seeds returns the seeds to run, and how many there are, 0 if that is not known.
func (r *runner) seeds(source planSource) (next func() (uint64, bool), total uint64) {
	seeds := r.worlds.seeds
	switch {
	case r.length > 0 && seeds.set:
		return seedsFor(seeds.from, r.cli.now, r.length), 0
	case r.length > 0:
		return seedsFor(uint64(r.cli.now().UnixMilli())*1000, r.cli.now, r.length), 0
	case seeds.set:
	case source.hasSeed:
		seeds = seedRange{from: source.seed, to: source.seed, set: true}
	default:
		if err := seeds.Set(defaultSeeds); err != nil {
			panic(err) // a constant
		}
	}
	return seedsOf(seeds), seeds.count()
}

// scratch makes the directory for the histories of worlds that run. It is in
// the directory of the capsules, so that a history can be moved to one.
func (r *runner) scratch() (dir string, made bool, err error) {
	_, err = os.Stat(r.out)
	made = os.IsNotExist(err)
	if err := os.MkdirAll(r.out, 0o777); err != nil {
		return "", false, usagef("--out: %w", err)
	}
	if err := freeLatest(r.out); err != nil {
		return "", false, usagef("--out: %w", err)
	}
	dir, err = os.MkdirTemp(r.out, ".running-*")
	if err != nil {
		return "", false, usagef("--out: %w", err)
	}
	return dir, made, nil
}

// commandLine returns the command line that runs the worlds again, without the seed.
func (r *runner) commandLine(source planSource) string {
	return "kvsim run " + source.flags + r.engine.flags()
}

// take counts a world. It writes a capsule if the world failed (at most capsulesPerReason for each
// reason) or if all are kept, and prints the world if the flags ask for that.
func (r *runner) take(ctx context.Context, x ran) error {
	r.last = &x
	group := r.tally.add(x.result)
	replay := fmt.Sprintf("%s --seed %d", r.command, x.job.Seed)
	capsule := ""
	if group != nil && r.capsules[group] < capsulesPerReason || r.keep {
		var err error
		capsule, err = writeCapsule(ctx, r.out, r.started, x, capsuleHeader{
			Seed: x.job.Seed, Scenario: r.tally.Scenario, Engine: r.engine.name, Scheduler: r.engine.scheduler, Kafka: r.engine.kafka,
			Command: replay, Versions: readVersions(),
		})
		if err != nil {
			return err
		}
		replay = "kvsim replay " + quoteArg(capsule)
	}
	r.capsule = capsule
	if group != nil {
		r.capsules[group]++
		if group.Replay == "" {
			group.Capsule, group.Replay = capsule, replay
		}
	}
	if r.json {
		return json.NewEncoder(r.stdout).Encode(worldLine{x.result, r.tally.Scenario, r.tally.Engine, capsule, replay})
	}
	if r.verbose {
		writeWorld(r.stdout, x, true)
		fmt.Fprintln(r.stdout)
	} else if group != nil && group.Worlds == 1 {
		fmt.Fprintf(r.stderr, "seed %d: %s: %s\n", x.result.Seed, x.result.Status, x.result.Reason().Text)
	}
	return nil
}

// worldLine is a world in the output of --json.
type worldLine struct {
	*world.Result
	Scenario string `json:"scenario"`
	Engine   string `json:"engine"`
	Capsule  string `json:"capsule,omitempty"`
	Replay   string `json:"replay"`
}

// summarise prints what was done.
func (r *runner) summarise() error {
	if r.json {
		return json.NewEncoder(r.stdout).Encode(struct {
			Campaign *tally `json:"campaign"`
		}{r.tally})
	}
	if r.tally.Worlds == 1 && !r.tally.Interrupted {
		if !r.verbose {
			writeWorld(r.stdout, *r.last, false)
		}
		writeEnd(r.stdout, r.tally, r.capsule)
		return nil
	}
	writeCampaign(r.stdout, r.tally)
	return nil
}

// githubSummary appends the summary to the page of a GitHub workflow's step.
func (r *runner) githubSummary() error {
	name := r.cli.getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Clean(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("write GITHUB_STEP_SUMMARY: %w", err)
	}
	writeMarkdown(f, r.tally)
	return f.Close()
}
