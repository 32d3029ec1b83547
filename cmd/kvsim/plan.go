package main

import (
	"context"
	"flag"
	"fmt"
	"io"
)

var planCommand = command{
	name:  "plan",
	short: "print the plan that a scenario makes of a seed",
	long: `
A plan has everything that a world depends on: what it is made of, what its clients
do, and which faults happen when. It is text that can be edited and run:

  kvsim plan --scenario lag --seed 7 > lag.plan
  kvsim run --plan lag.plan

For a range of seeds, all plans are printed, one after the other. With --plan, the
file is read, checked, and printed in the form in which kvsim writes it.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var worlds worldFlags
		worlds.declare(fs)
		return func(ctx context.Context, args []string, stdin io.Reader, stdout, _ io.Writer) error {
			if err := noArgs(args); err != nil {
				return err
			}
			source, err := worlds.source(ctx, stdin)
			if err != nil {
				return err
			}
			seeds := worlds.seeds
			if !seeds.set {
				seeds = seedRange{from: 1, to: 1, set: true}
				if source.hasSeed {
					seeds.from, seeds.to = source.seed, source.seed
				}
			}
			next := seedsOf(seeds)
			for seed, ok := next(); ok && ctx.Err() == nil; seed, ok = next() {
				p, err := source.plan(seed)
				if err != nil {
					return err
				}
				fmt.Fprint(stdout, p.String())
				if seed != seeds.to {
					fmt.Fprintln(stdout)
				}
			}
			return context.Cause(ctx)
		}
	},
}
