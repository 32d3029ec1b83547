package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutants"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
	"github.com/kvsim/kvsim/scenarios"
)

var mutateCommand = command{
	name:   "mutate",
	cleans: true,
	args:   "[MUTANT ...]",
	short:  "plant bugs into the store and see whether the judges find them",
	long: `
Each mutant is a small patch of the store's source, with which workers are built.
The first seed whose world fails one of the checks that are meant to find the mutant
kills it. The store without a patch runs the same seeds, or the first of them, and
must hold. Run this in the source of the module.

With --all, nobody picks the mutants: rules make them of the whole store, or of
--package, and tests and worlds run against them until something fails. The table says
how many tests alone kill, seeds alone, and both. --seeds is then the number of worlds of
the scenario everything (default 40), behind which one of each other scenario comes, and
--seed is what --sample depends on. docs/mutation.md explains the rules.
`,
	flags: func(c *cli, fs *flag.FlagSet) execFunc {
		m := &mutator{}
		fs.IntVar(&m.campaigns, "campaigns", 5, "the `number` of campaigns, each with other seeds, that have to find a mutant")
		fs.IntVar(&m.seeds, "seeds", 0, "the `number` of seeds after which a campaign gives up on a mutant; 0 means 100, with --all 40")
		fs.IntVar(&m.clean, "clean", 0, "the `number` of seeds that the store without a bug runs in each scenario; 0 means all seeds of a campaign")
		fs.IntVar(&m.jobs, "jobs", 0, "the `number` of worlds that run at the same time; 0 means one on each core")
		fs.Uint64Var(&m.first, "seed", 1, "the first `seed`")
		fs.BoolVar(&m.json, "json", false, "print a line of JSON for each mutant")
		fs.BoolVar(&m.list, "list", false, "list the mutants and build nothing")
		m.all.declare(fs)
		return m.exec
	},
}

// seedsOfCampaign is the default of --seeds without --all.
const seedsOfCampaign = 100

// A mutator carries out one "kvsim mutate".
type mutator struct {
	campaigns, seeds, clean, jobs int
	first                         uint64
	json, list                    bool
	all                           allFlags

	root, dir string
	stderr    io.Writer
}

// A mutantResult is the verdict on a mutant.
type mutantResult struct {
	Name string `json:"name"`
	Bug  string `json:"bug"`

	// Killed is how many of the Campaigns found the mutant.
	Killed    int `json:"killed"`
	Campaigns int `json:"campaigns"`

	// Seeds and Seconds are medians over the campaigns: what it took to find the
	// mutant, including the world that did.
	Seeds   int     `json:"seeds"`
	Seconds float64 `json:"seconds"`

	// Check is the check that caught it in the first campaign.
	Check string `json:"check,omitempty"`

	// Example is the first seed that found it.
	Example uint64 `json:"seed,omitempty"`
}

func (m *mutator) exec(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	m.stderr = stderr
	if m.all.all {
		if err := noArgs(args); err != nil {
			return err
		}
		m.seeds = cmp.Or(m.seeds, seedsOfAll)
		return m.everything(ctx, stdout, stderr)
	}
	if m.all != (allFlags{results: resultFile}) {
		return usagef("there is a flag that only --all has: kvsim help mutate says which")
	}
	m.seeds = cmp.Or(m.seeds, seedsOfCampaign)
	chosen, err := m.choose(args)
	if err != nil {
		return err
	}
	if m.list {
		longest := 0
		for _, mu := range chosen {
			longest = max(longest, len(mu.Name))
		}
		for _, mu := range chosen {
			fmt.Fprintf(stdout, "%-*s  %s\n", longest, mu.Name, mu.Bug)
		}
		return nil
	}
	if m.root, err = moduleRoot(ctx); err != nil {
		return err
	}
	if m.dir, err = os.MkdirTemp("", "kvsim-mutate-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)

	var results []mutantResult
	for i, mu := range chosen {
		fmt.Fprintf(stderr, "kvsim: mutant %d of %d: %s\n", i+1, len(chosen), mu.Name)
		res, err := m.hunt(ctx, mu)
		if err != nil {
			return err
		}
		results = append(results, res)
		if m.json {
			if err := json.NewEncoder(stdout).Encode(res); err != nil {
				return err
			}
		}
	}
	accused, clean, err := m.control(ctx, chosen)
	if err != nil {
		return err
	}
	return m.report(stdout, results, accused, clean)
}

// choose returns the mutants with the given names, or all if there are no names.
func (m *mutator) choose(names []string) ([]mutants.Mutant, error) {
	if m.campaigns < 1 || m.seeds < 1 {
		return nil, usagef("--campaigns and --seeds have to be 1 at least")
	}
	if m.clean < 0 || m.clean > m.seeds {
		return nil, usagef("--clean has to be between 0 and --seeds, which is %d", m.seeds)
	}
	m.clean = cmp.Or(m.clean, m.seeds)
	if len(names) == 0 {
		return mutants.All(), nil
	}
	var chosen []mutants.Mutant
	for _, name := range names {
		mu, err := mutants.Find(name)
		if err != nil {
			return nil, usagef("%v", err)
		}
		chosen = append(chosen, mu)
	}
	return chosen, nil
}

// moduleRoot returns the directory of kvsim's source.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the source of kvsim: go list -m: %w", err)
	}
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if path != "github.com/kvsim/kvsim" {
		return "", fmt.Errorf("this is module %s: run mutate in a checkout of github.com/kvsim/kvsim, whose source it patches", path)
	}
	return dir, nil
}

// build builds kvsim with a mutant's edits and returns the path of the program.
func (m *mutator) build(ctx context.Context, mu mutants.Mutant) (string, error) {
	overlay, err := mu.Overlay(m.root, m.dir)
	if err != nil {
		return "", err
	}
	program := filepath.Join(m.dir, "kvsim-"+mu.Name)
	cmd := procgroup.Command(ctx, "go", "build", "-tags", engine.InvariantsTag, "-overlay", overlay, "-o", program, "./cmd/kvsim")
	cmd.Dir = m.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mutant %s does not build: %w\n%s", mu.Name, err, out)
	}
	return program, nil
}

// hunt runs campaigns against one mutant.
func (m *mutator) hunt(ctx context.Context, mu mutants.Mutant) (mutantResult, error) {
	res := mutantResult{Name: mu.Name, Bug: mu.Bug, Campaigns: m.campaigns}
	program, err := m.build(ctx, mu)
	if err != nil {
		return res, err
	}
	defer os.Remove(program)
	v, err := engine.NewVirtual(engine.VirtualOptions{Jobs: m.jobs, Program: program})
	if err != nil {
		return res, err
	}
	defer v.Close()
	var seeds []int
	var seconds []float64
	for n := range m.campaigns {
		start := time.Now()
		first := m.firstSeed(n)
		seed, check, err := m.campaign(ctx, v, mu, first)
		if err != nil {
			return res, err
		}
		if check == "" {
			seeds, seconds = append(seeds, m.seeds), append(seconds, time.Since(start).Seconds())
			continue
		}
		if res.Killed++; res.Check == "" {
			res.Check, res.Example = check, seed
		}
		seeds, seconds = append(seeds, int(seed-first)+1), append(seconds, time.Since(start).Seconds())
	}
	slices.Sort(seeds)
	slices.Sort(seconds)
	res.Seeds, res.Seconds = seeds[len(seeds)/2], seconds[len(seconds)/2]
	return res, nil
}

// firstSeed returns the first seed of campaign n.
func (m *mutator) firstSeed(n int) uint64 { return m.first + uint64(n)*1_000_000 }

// campaign runs worlds until one fails a check that the mutant names. It returns the lowest
// such seed of those that ran, and the check. If there is none, the store may have found
// out by itself that something is wrong: then it returns the first such seed, and
// engine.ReasonInvariant. A mutant that names that as its check is not run any further.
func (m *mutator) campaign(ctx context.Context, v *engine.Virtual, mu mutants.Mutant, first uint64) (uint64, string, error) {
	noticed, by := uint64(0), ""
	for at := 0; at < m.seeds; at += v.Jobs() {
		results, err := m.together(ctx, v, mu.Scenario, first+uint64(at), min(v.Jobs(), m.seeds-at))
		if err != nil {
			return 0, "", err
		}
		for _, r := range results {
			if check := caught(mu, r); check != "" {
				return r.Seed, check, nil
			}
			if by == "" && r.Reason().Name == engine.ReasonInvariant {
				noticed, by = r.Seed, engine.ReasonInvariant
			}
		}
	}
	return noticed, by, nil
}

// together runs n worlds at the same time.
func (m *mutator) together(ctx context.Context, v *engine.Virtual, scenario string, first uint64, n int) ([]*world.Result, error) {
	s, err := scenarios.Find(scenario)
	if err != nil {
		return nil, err
	}
	results, errs := make([]*world.Result, n), make([]error, n)
	done := make(chan struct{})
	for i := range n {
		go func() {
			seed := first + uint64(i)
			results[i], errs[i] = v.Run(ctx, world.Job{Seed: seed, Plan: s.Plan(seed, scenarios.Knobs{}).String()})
			done <- struct{}{}
		}()
	}
	for range n {
		<-done
	}
	return results, errors.Join(errs...)
}

// caught returns the check that a world failed and that the mutant names, or "".
func caught(mu mutants.Mutant, r *world.Result) string {
	if r.Reason().Name == engine.ReasonInvariant && slices.Contains(mu.Checks, engine.ReasonInvariant) {
		return engine.ReasonInvariant
	}
	if r.Status != world.Violated {
		return ""
	}
	for _, want := range mu.Checks {
		if slices.ContainsFunc(r.Reasons, func(reason world.Reason) bool { return reason.Name == string(want) }) {
			return string(want)
		}
	}
	return ""
}

// control runs the store without a bug, with the first seeds of the campaigns, in every
// scenario that was used. It returns the accusations, which are false, and how many worlds ran.
func (m *mutator) control(ctx context.Context, chosen []mutants.Mutant) (accused []string, worlds int, err error) {
	v, err := engine.NewVirtual(engine.VirtualOptions{Jobs: m.jobs})
	if err != nil {
		return nil, 0, err
	}
	defer v.Close()
	var names []string
	for _, mu := range chosen {
		names = append(names, mu.Scenario)
	}
	slices.Sort(names)
	for _, scenario := range slices.Compact(names) {
		fmt.Fprintf(m.stderr, "kvsim: the store without a bug: %s\n", scenario)
		for n := range m.campaigns {
			for at := 0; at < m.clean; at += v.Jobs() {
				results, err := m.together(ctx, v, scenario, m.firstSeed(n)+uint64(at), min(v.Jobs(), m.clean-at))
				if err != nil {
					return nil, worlds, err
				}
				worlds += len(results)
				for _, r := range results {
					if r.Status == world.Violated || r.Status == world.Broken {
						accused = append(accused, fmt.Sprintf("scenario %s, seed %d: %s", scenario, r.Seed, r.Reasons[0].Text))
					}
				}
			}
		}
	}
	return accused, worlds, nil
}

// report prints the table and returns the error that sets the exit code.
func (m *mutator) report(stdout io.Writer, results []mutantResult, accused []string, clean int) error {
	survived, longest := 0, len("mutant")
	for _, r := range results {
		longest = max(longest, len(r.Name))
	}
	if !m.json {
		fmt.Fprintf(stdout, "%-*s %-7s %6s %8s  %s\n", longest, "mutant", "killed", "seeds", "seconds", "caught by")
	}
	for _, r := range results {
		if r.Killed < r.Campaigns {
			survived++
		}
		if m.json {
			continue
		}
		by := cmp.Or(r.Check, "nobody")
		fmt.Fprintf(stdout, "%-*s %3d/%-3d %6d %8.2f  %s\n", longest, r.Name, r.Killed, r.Campaigns, r.Seeds, r.Seconds, by)
	}
	for _, a := range accused {
		fmt.Fprintf(m.stderr, "kvsim: a check failed on the store without a bug: %s\n", a)
	}
	if !m.json {
		fmt.Fprintf(stdout, "\n%d of %s killed in every campaign of at most %s; medians over %s\n", len(results)-survived, plural(len(results), "mutant"), plural(m.seeds, "seed"), plural(m.campaigns, "campaign"))
		fmt.Fprintf(stdout, "the store without a bug: %s, %d accused\n", plural(clean, "world"), len(accused))
	}
	if survived > 0 || len(accused) > 0 {
		return exitError(exitViolation)
	}
	return nil
}
