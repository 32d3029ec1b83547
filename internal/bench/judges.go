package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// simulator runs "kvsim bench" and takes its numbers over. They are held against
// what is aimed at, not against a yardstick: there is none but the clock. So the best
// round decides.
func (b *bench) simulator(ctx context.Context, kvsim string) error {
	if kvsim == "" || !b.wants("simulator") {
		return nil
	}
	virtual := row{
		ID: "virtual-seeds", What: "worlds of W in the virtual engine, an hour and core",
		Unit: "seeds", Limit: 20_000, AtLeast: true, Best: true,
	}
	speed := row{
		ID: "virtual-speed", What: "simulated time over wall time, virtual engine, a core",
		Unit: "times", Limit: 300, AtLeast: true, Best: true,
	}
	speedCPU := row{ID: "virtual-speed-cpu", What: "simulated time over processor time, virtual engine", Unit: "times"}
	checked := row{ID: "virtual-checked", What: "operations checked in a second and core, virtual engine", Unit: "/s"}
	exact := row{
		ID: "exact-seeds", What: "worlds of W in the exact engine, an hour and core",
		Unit: "seeds", Limit: 1000, AtLeast: true, Best: true,
	}
	for range b.rounds {
		cmd := exec.CommandContext(ctx, kvsim, "bench", "--json", "--engine", "virtual", "--seeds", "40")
		lines, err := benchLines(cmd)
		if err != nil {
			return err
		}
		for _, l := range lines {
			virtual.addValue(l.SeedsPerHour)
			speed.addValue(l.Speed)
			if l.SeedsPerCPU > 0 {
				speedCPU.addValue(l.Speed * l.SeedsPerCPU / l.SeedsPerHour)
			}
			checked.addValue(l.Checks)
		}
	}
	exactCPU := row{ID: "exact-seeds-cpu", What: "worlds of W in the exact engine, an hour of processor time", Unit: "seeds"}
	for range exactRounds {
		lines, err := benchLines(exec.CommandContext(ctx, kvsim, "bench", "--json", "--engine", "exact", "--seeds", "5"))
		if err != nil {
			return err
		}
		for _, l := range lines {
			exact.addValue(l.SeedsPerHour)
			if l.SeedsPerCPU > 0 {
				exactCPU.addValue(l.SeedsPerCPU)
			}
		}
	}
	for _, r := range []row{virtual, speed, speedCPU, checked, exact, exactCPU} {
		if len(r.Values) > 0 {
			b.row(r)
		}
	}
	return nil
}

// exactRounds is how often the exact engine is measured: a round takes ten seconds.
const exactRounds = 3

// benchLine is what is taken from a line of kvsim bench --json.
type benchLine struct {
	SeedsPerHour float64 `json:"seeds_per_hour_per_core"`
	SeedsPerCPU  float64 `json:"seeds_per_cpu_hour"` // 0 where processor time is not known
	Speed        float64 `json:"simulated_over_wall_per_core"`
	Checks       float64 `json:"checked_operations_per_second_per_core"`
}

func benchLines(cmd *exec.Cmd) ([]benchLine, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	var lines []benchLine
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var l benchLine
		if err := dec.Decode(&l); err != nil {
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		if l.SeedsPerHour <= 0 {
			return nil, fmt.Errorf("%s: no seeds an hour in its output", cmd)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// judges runs the benchmarks of the checkers, which have the histories.
func (b *bench) judges(ctx context.Context) error {
	if !b.wants("judges") {
		return nil
	}
	witness := row{ID: "witness-100000", What: "log witness on 100,000 operations", Unit: "s", Limit: 1}
	porcupine := row{ID: "porcupine-w", What: "porcupine on a history of W's size", Unit: "ms", Limit: 100}
	var out []byte
	// A pattern with a slash leaves out a benchmark that has no parts.
	for _, pattern := range []string{"^BenchmarkWitness$/^100000$", "^BenchmarkPorcupineW$"} {
		part, err := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench="+pattern,
			"-benchtime=3x", "-count="+strconv.Itoa(b.rounds), "github.com/kvsim/kvsim/linearizability").CombinedOutput()
		if err != nil {
			return fmt.Errorf("benchmarks of the judges: %w\n%s", err, part)
		}
		out = append(out, part...)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		name, ns, ok := benchmarkLine(lines.Text())
		switch {
		case !ok:
		case strings.HasPrefix(name, "BenchmarkWitness/100000"):
			witness.addValue(ns / 1e9)
		case strings.HasPrefix(name, "BenchmarkPorcupineW"):
			porcupine.addValue(ns / 1e6)
		}
	}
	for _, r := range []row{witness, porcupine} {
		if len(r.Values) == 0 {
			return fmt.Errorf("benchmarks of the judges: no line for %s in:\n%s", r.ID, out)
		}
		b.row(r)
	}
	return nil
}

// benchmarkLine takes name and ns/op out of a line of go test -bench.
func benchmarkLine(line string) (name string, ns float64, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || f[3] != "ns/op" {
		return "", 0, false
	}
	ns, err := strconv.ParseFloat(f[2], 64)
	return f[0], ns, err == nil
}
