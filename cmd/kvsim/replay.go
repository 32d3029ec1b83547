package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kvsim/kvsim/sim"
)

var replayCommand = command{
	name:   "replay",
	cleans: true,
	args:   "CAPSULE|SEED",
	short:  "run a world again, from its capsule or its seed",
	long: `
A capsule runs in the engine that found it, and the histories are compared: in
the exact engine they are the same to the byte, in the virtual engine they nearly
always are. If the world ran on Kafka, give --kafka again: a capsule alone never
makes kvsim connect anywhere. A seed gives the same world of --scenario as in
kvsim run.

Everything is printed, as with kvsim run -v. If the world fails, it leaves another
capsule, with the log of its clients and brokers.
`,
	flags: func(c *cli, fs *flag.FlagSet) execFunc {
		r := &runner{cli: c, verbose: true, allowed: 1}
		r.worlds.declare(fs)
		r.engine.declare(fs)
		fs.StringVar(&r.out, "out", defaultOut, "the `directory` that gets a capsule if the world fails")
		fs.BoolVar(&r.keep, "keep", false, "leave a capsule even if the world held")
		fs.BoolVar(&r.json, "json", false, "print JSON")
		return func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
			if len(args) != 1 {
				return usagef("name one capsule, such as %s/%s, or one seed", defaultOut, capsuleLatest)
			}
			if seed, err := parseSeed(args[0]); err == nil {
				if r.worlds.seeds.set {
					return usagef("the seed is given twice, as --seed %v and as %d", &r.worlds.seeds, seed)
				}
				r.worlds.seeds = seedRange{from: seed, to: seed, set: true}
				return r.exec(ctx, nil, stdin, stdout, stderr)
			}
			given := make(map[string]bool)
			fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
			return r.replay(ctx, args[0], given, stdout, stderr)
		}
	},
}

// replay runs the world of a capsule. Flags on the command line replace what the capsule says
// about the engine.
func (r *runner) replay(ctx context.Context, dir string, given map[string]bool, stdout, stderr io.Writer) error {
	for _, name := range []string{"seed", "scenario", "clients", "ops", "brokers-count", "plan"} {
		if given[name] {
			return usagef("--%s is for a seed, and a capsule has its own plan: copy %s, edit the copy, and use kvsim run --plan", name, capsulePlan)
		}
	}
	c, err := readCapsule(dir)
	if err != nil {
		return err
	}
	if !given["engine"] {
		on, err := c.info.engine(r.engine.kafka)
		if err != nil {
			return err
		}
		if given["scheduler"] {
			on.scheduler = r.engine.scheduler
		}
		on.jobs = r.engine.jobs
		r.engine = on
	}
	if err := r.validate(nil); err != nil {
		return err
	}
	p, err := parsePlan(dir, c.plan)
	if err != nil {
		return err
	}
	r.worlds.seeds = seedRange{from: c.info.Seed, to: c.info.Seed, set: true}
	err = r.runSource(ctx, planSource{
		scenario: c.info.Scenario, brokers: p.World.Brokers, flags: "--plan " + quoteArg(c.dir+"/"+capsulePlan),
		plan: func(uint64) (sim.Plan, error) { return p, nil },
	}, stdout, stderr)
	var exit exitError
	if err != nil && !errors.As(err, &exit) || r.last == nil {
		return err
	}
	if !r.json {
		fmt.Fprintf(stdout, "  again      %s\n", r.again(c))
	}
	return err
}

// again compares the run with the original one, which the capsule is from.
func (r *runner) again(c *capsule) string {
	now := r.last.result
	versions := readVersions()
	switch {
	case now.Hash != "" && now.Hash == c.result.Hash && now.Status == c.result.Status:
		return "the same history, to the byte"
	case now.Status == c.result.Status && now.Reason().Name == c.result.Reason().Name:
		return "another history with the same outcome"
	case versions.Kvsim != c.info.Versions.Kvsim || versions.Go != c.info.Versions.Go:
		return fmt.Sprintf("another outcome: the capsule says %s, found by kvsim %s with %s, and this is kvsim %s with %s",
			c.result.Status, c.info.Versions.Kvsim, c.info.Versions.Go, versions.Kvsim, versions.Go)
	}
	return fmt.Sprintf("another outcome: the capsule says %s", c.result.Status)
}
