package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/kvsim/kvsim/scenarios"
)

// workloadW is the reference workload: all faults, 5 clients with 200 operations
// each, 3 brokers.
var workloadW = scenarios.Knobs{Clients: 5, Ops: 200, Brokers: 3}

var benchCommand = command{
	name:   "bench",
	cleans: true,
	short:  "measure how fast the engines run and judge the reference workload",
	long: `
The reference workload W is the scenario ` + defaultScenario + ` with 5 clients, 200 operations
each, on 3 brokers. Numbers for each core are those of all jobs, divided by the
number of jobs or of cores, whichever is smaller. Operations count as checked when
their world was judged; the time includes judging. On a machine that does other
work too, the seeds for an hour of processor time say more than the seeds for an
hour.
`,
	flags: func(c *cli, fs *flag.FlagSet) execFunc {
		b := &bencher{cli: c}
		fs.StringVar(&b.engines, "engine", "virtual,exact", "the `engines` to measure, with commas between them")
		fs.IntVar(&b.jobs, "jobs", 1, "the `number` of worlds that run at the same time; 0 means one on each core")
		fs.IntVar(&b.worlds, "seeds", 0, "the `number` of seeds for each engine (default: 100 for virtual, 5 for exact)")
		fs.BoolVar(&b.twice, "twice", false, "then run each seed twice more and compare histories and logs")
		fs.BoolVar(&b.json, "json", false, "print JSON lines")
		return b.exec
	},
}

// A bencher carries out one "kvsim bench".
type bencher struct {
	cli     *cli
	engines string
	jobs    int
	worlds  int
	twice   bool
	json    bool
}

// A benchLine has the measurements of one engine.
type benchLine struct {
	Engine       string        `json:"engine"`
	Worlds       int           `json:"worlds"`
	Jobs         int           `json:"jobs"`
	Elapsed      time.Duration `json:"elapsed_ns"`
	CPU          time.Duration `json:"cpu_ns"`
	SeedsPerCPU  float64       `json:"seeds_per_cpu_hour"`
	SeedsPerHour float64       `json:"seeds_per_hour_per_core"`
	Speed        float64       `json:"simulated_over_wall_per_core"`
	ChecksPerSec float64       `json:"checked_operations_per_second_per_core"`
	Held         int           `json:"held"`
	fidelity
}

func (b *bencher) exec(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	if err := noArgs(args); err != nil {
		return err
	}
	if b.worlds < 0 || b.jobs < 0 {
		return usagef("--seeds and --jobs must not be negative")
	}
	names := strings.Split(b.engines, ",")
	for _, name := range names {
		if err := (&engineOptions{name: name, jobs: b.jobs}).validate(); err != nil {
			return err
		}
	}
	if !b.json {
		fmt.Fprintf(stdout, "W: scenario %s, %d clients, %d operations each, %d brokers\n",
			defaultScenario, workloadW.Clients, workloadW.Ops, workloadW.Brokers)
		fmt.Fprintf(stdout, "%-8s %7s %5s %16s %15s %19s %17s %6s\n",
			"engine", "worlds", "jobs", "seeds/hour/core", "simulated/wall", "checked ops/s/core", "seeds/CPU hour", "held")
	}
	for _, name := range names {
		line, err := b.measure(ctx, name, stderr)
		if err != nil {
			return err
		}
		if err := b.print(line, stdout); err != nil {
			return err
		}
	}
	return nil
}

// measure measures one engine. It first runs one world for each job, to warm up.
func (b *bencher) measure(ctx context.Context, name string, stderr io.Writer) (*benchLine, error) {
	worlds := cmp.Or(b.worlds, map[string]int{"virtual": 100, "exact": 5, "real": 1}[name])
	worldsOf := worldFlags{knobs: workloadW}
	source, err := worldsOf.source(ctx, nil)
	if err != nil {
		return nil, err
	}
	eng, err := b.cli.engines(ctx, engineOptions{name: name, jobs: b.jobs}, stderr)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	dir, err := os.MkdirTemp("", "kvsim-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	run := func(n int, each func(ran) error) error {
		next := seedsOf(seedRange{from: 1, to: uint64(n), set: true})
		return (&campaign{engine: eng, source: source, next: next, dir: dir}).run(ctx, each)
	}
	if err := run(eng.Jobs(), func(ran) error { return nil }); err != nil {
		return nil, err
	}
	line := &benchLine{Engine: name, Jobs: eng.Jobs()}
	t := newTally(source.scenario, name, eng.Jobs(), nil)
	started, cpu := b.cli.now(), b.cli.cpu()
	err = run(worlds, func(x ran) error {
		t.add(x.result)
		return nil
	})
	if err != nil {
		return nil, err
	}
	line.Elapsed = b.cli.now().Sub(started)
	line.CPU = t.CPU + b.cli.cpu() - cpu
	line.rates(t, b.cli.cores)
	if b.twice {
		err = line.fidelity.run(ctx, eng, source, dir, worlds)
	}
	return line, err
}

// rates divides the work done by the time of the cores that did it.
func (l *benchLine) rates(t *tally, cores int) {
	l.Worlds, l.Held = t.Worlds, t.Held
	spent := l.Elapsed.Seconds() * float64(min(l.Jobs, cores))
	if spent > 0 {
		l.SeedsPerHour = float64(t.Worlds) / spent * time.Hour.Seconds()
		l.Speed = t.Simulated.Seconds() / spent
		l.ChecksPerSec = float64(t.Operations.Total) / spent
	}
	if l.CPU > 0 {
		l.SeedsPerCPU = float64(t.Worlds) / l.CPU.Hours()
	}
}

func (b *bencher) print(l *benchLine, stdout io.Writer) error {
	if b.json {
		return json.NewEncoder(stdout).Encode(l)
	}
	_, err := fmt.Fprintf(stdout, "%-8s %7s %5d %16s %14sx %19s %17s %6s\n", l.Engine, count(l.Worlds), l.Jobs,
		count(int(l.SeedsPerHour)), count(int(l.Speed)), count(int(l.ChecksPerSec)), count(int(l.SeedsPerCPU)), count(l.Held))
	if l.Twice > 0 {
		_, err = io.WriteString(stdout, l.fidelity.String())
	}
	return err
}
