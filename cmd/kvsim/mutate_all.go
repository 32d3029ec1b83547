package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation/score"
	"github.com/kvsim/kvsim/scenarios"
)

const (
	// storePackages are those that kvsim mutate --all makes mutants of.
	storePackages = "github.com/kvsim/kvsim/kvstore/..."
	// invariantPackage checks the store, and is no part of it.
	invariantPackage = "/kvstore/internal/invariant"
	// explainedFile is where survivors of this module are explained.
	explainedFile = "build/mutation/explained.txt"
	// resultFile is the default of --results.
	resultFile = "kvsim-out/mutation.jsonl"
	// seedsOfAll is the default of --seeds with --all.
	seedsOfAll = 40
)

// allFlags are the flags of kvsim mutate --all.
type allFlags struct {
	all, each, markdown, fresh   bool
	sample                       int
	only, packages, tiers, shard string
	results, explained           string
	atLeast                      float64
}

func (a *allFlags) declare(fs *flag.FlagSet) {
	fs.BoolVar(&a.all, "all", false, "make mutants by rule, of every package of the store, and run tests and worlds against them")
	fs.IntVar(&a.sample, "sample", 0, "with --all: draw this `number` of mutants, by --seed; 0 means all")
	fs.StringVar(&a.only, "only", "", "with --all: only mutants whose key matches the `regexp`")
	fs.StringVar(&a.packages, "package", "", "with --all: mutants of these `packages` of your module, as for the go command, with commas between them (default: the store, "+storePackages+")")
	fs.StringVar(&a.tiers, "tiers", "", "with --all: what runs against each mutant, cheapest first: `tests`, seeds or tests,seeds (default: both for the store, tests for --package)")
	fs.BoolVar(&a.each, "each", false, "with --all: run the seeds also against mutants that tests killed, to compare the two")
	fs.StringVar(&a.shard, "shard", "", "with --all: only a part of the mutants, such as `2/8` on the second of eight machines")
	fs.StringVar(&a.results, "results", resultFile, "with --all: the `file` for results; what it has is not run again")
	fs.BoolVar(&a.fresh, "fresh", false, "with --all: forget what the result file has")
	fs.StringVar(&a.explained, "explained", "", "with --all: the `file` that says why survivors can't be killed (default: "+explainedFile+" of the module, if there is one)")
	fs.BoolVar(&a.markdown, "markdown", false, "with --all: print the tables as Markdown")
	fs.Float64Var(&a.atLeast, "at-least", 0, "with --all: exit with code 1 if fewer of a `hundred` mutants are killed, of those that can be")
}

// everything carries out kvsim mutate --all.
func (m *mutator) everything(ctx context.Context, stdout, stderr io.Writer) error {
	choice, tiers, err := m.chooseAll()
	if err != nil {
		return err
	}
	source, err := mutation.Load(ctx, ".", engine.InvariantsTag, m.patterns()...)
	if err != nil {
		return err
	}
	if slices.Contains(tiers, score.Seeds) && source.Module != "github.com/kvsim/kvsim" {
		return usagef("worlds run kvsim, and not module %s: use --tiers tests", source.Module)
	}
	source.Packages = slices.DeleteFunc(source.Packages, func(p *mutation.Package) bool { return strings.HasSuffix(p.Path, invariantPackage) })
	made := source.Find()
	explained, err := m.explanations(source, made, stderr)
	if err != nil {
		return err
	}
	chosen := choice.Of(made)
	if m.list {
		for _, mu := range chosen {
			fmt.Fprintf(stdout, "%s:%d: %s\n", mu.File, mu.Line, mu.Key())
		}
		return nil
	}
	fmt.Fprintf(stderr, "kvsim: %d of %s\n", len(chosen), plural(len(made), "mutant"))
	results, err := m.score(ctx, source, chosen, tiers)
	if err != nil {
		return err
	}
	table := score.NewTable(results, explained, source.Module)
	table.Print(stdout, m.all.markdown)
	if got := table.Score(); got < m.all.atLeast {
		fmt.Fprintf(stderr, "kvsim: %.1f %% are killed, less than %v %%\n", got, m.all.atLeast)
		return exitError(exitViolation)
	}
	return nil
}

// chooseAll reads the flags that choose mutants and tiers.
func (m *mutator) chooseAll() (choice mutation.Choice, tiers []score.Tier, err error) {
	a := &m.all
	if a.sample < 0 || m.seeds < 0 || m.jobs < 0 {
		return choice, nil, usagef("--sample, --seeds and --jobs can't be negative")
	}
	choice.Sample, choice.Seed = a.sample, m.first
	if a.only != "" {
		if choice.Only, err = regexp.Compile(a.only); err != nil {
			return choice, nil, usagef("--only: %v", err)
		}
	}
	if a.shard != "" {
		if choice.Shard, choice.Shards, err = mutation.ParseShard(a.shard); err != nil {
			return choice, nil, usagef("--shard: %v", err)
		}
	}
	names := a.tiers
	switch {
	case names == "" && a.packages == "":
		names = "tests,seeds"
	case names == "":
		names = "tests"
	}
	for name := range strings.SplitSeq(names, ",") {
		tier := score.Tier(name)
		if tier != score.Tests && tier != score.Seeds || slices.Contains(tiers, tier) {
			return choice, nil, usagef("--tiers %s: use tests, seeds or tests,seeds", names)
		}
		tiers = append(tiers, tier)
	}
	slices.SortFunc(tiers, func(x, y score.Tier) int { return strings.Compare(string(y), string(x)) })
	return choice, tiers, nil
}

// patterns returns the packages to make mutants of.
func (m *mutator) patterns() []string {
	if m.all.packages == "" {
		return []string{storePackages}
	}
	return strings.Split(m.all.packages, ",")
}

// explanations reads why survivors can't be killed, and tells of those that are no mutants any
// more. Packages that are not looked at are not told of.
func (m *mutator) explanations(source *mutation.Source, made []*mutation.Mutant, stderr io.Writer) (mutation.Explained, error) {
	name := m.all.explained
	if name == "" {
		name = filepath.Join(source.Root, explainedFile)
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && m.all.explained == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	explained, err := mutation.ParseExplained(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if m.all.packages == "" {
		for _, key := range explained.Stale(made) {
			fmt.Fprintf(stderr, "kvsim: %s explains what is no mutant any more: %s\n", name, key)
		}
	}
	return explained, nil
}

// score runs the mutants.
func (m *mutator) score(ctx context.Context, source *mutation.Source, chosen []*mutation.Mutant, tiers []score.Tier) ([]*score.Result, error) {
	dir, err := score.TempDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if m.all.fresh {
		if err := os.Remove(m.all.results); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	jobs := m.jobs
	if jobs == 0 {
		jobs = runtime.NumCPU()
	}
	run := &score.Run{
		Source: source, Mutants: chosen, Tags: engine.InvariantsTag, Tiers: tiers, Each: m.all.each, Program: "./cmd/kvsim",
		Results: m.all.results, Dir: dir, Jobs: jobs, Progress: m.stderr, Every: progressEvery,
	}
	if slices.Contains(tiers, score.Seeds) {
		if run.Worlds, err = worldsOfAll(m.seeds); err != nil {
			return nil, err
		}
	}
	return run.Do(ctx)
}

// worldsOfAll returns the worlds that run against a mutant: so many of the scenario everything,
// and then one of each other scenario.
func worldsOfAll(seeds int) ([]score.World, error) {
	var all []score.World
	add := func(s scenarios.Scenario, seed uint64) {
		all = append(all, score.World{Scenario: s.Name, Job: world.Job{Seed: seed, Plan: s.Plan(seed, scenarios.Knobs{}).String()}})
	}
	everything, err := scenarios.Find("everything")
	if err != nil {
		return nil, err
	}
	for seed := range uint64(seeds) {
		add(everything, seed+1)
	}
	for _, s := range scenarios.All() {
		if s.Name != everything.Name {
			add(s, 1)
		}
	}
	return all, nil
}
