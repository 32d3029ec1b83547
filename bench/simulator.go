package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// A simulator measures the engines with "kvsim bench". Its rows are held against what is
// aimed at, not against a yardstick: there is none but the clock. So the best round
// decides, and the rounds are spread over the whole run, since a machine that others use
// too is slow for minutes.
type simulator struct {
	kvsim string

	virtual, speed, speedCPU, checked, exact, exactCPU row
}

// exactRounds is how often the exact engine is measured: a round takes half a minute.
const exactRounds = minRounds

// Seeds of a round, the first ones. Ten are as heavy as forty on the average, five are not.
const (
	virtualSeeds = 40
	exactSeeds   = 10
)

func newSimulator(kvsim string) *simulator {
	return &simulator{
		kvsim: kvsim,
		virtual: row{
			ID: "virtual-seeds", What: "worlds of W in the virtual engine, an hour and core",
			Unit: "seeds", Limit: 20_000, AtLeast: true, Best: true,
		},
		speed: row{
			ID: "virtual-speed", What: "simulated time over wall time, virtual engine, a core",
			Unit: "times", Limit: 300, AtLeast: true, Best: true,
		},
		speedCPU: row{ID: "virtual-speed-cpu", What: "simulated time over processor time, virtual engine", Unit: "times"},
		checked:  row{ID: "virtual-checked", What: "operations checked in a second and core, virtual engine", Unit: "/s"},
		exact: row{
			ID: "exact-seeds", What: "worlds of W in the exact engine, an hour and core",
			Unit: "seeds", Limit: 1000, AtLeast: true, Best: true,
		},
		exactCPU: row{ID: "exact-seeds-cpu", What: "worlds of W in the exact engine, an hour of processor time", Unit: "seeds"},
	}
}

// rows are those that were measured.
func (s *simulator) rows() []row {
	var all []row
	for _, r := range []row{s.virtual, s.speed, s.speedCPU, s.checked, s.exact, s.exactCPU} {
		if len(r.Values) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// round measures both engines once, the exact one in the first rounds alone.
func (s *simulator) round(ctx context.Context) error {
	lines, err := s.bench(ctx, "virtual", virtualSeeds)
	if err != nil {
		return err
	}
	for _, l := range lines {
		s.virtual.addValue(l.SeedsPerHour)
		s.speed.addValue(l.Speed)
		if l.SeedsPerCPU > 0 {
			s.speedCPU.addValue(l.Speed * l.SeedsPerCPU / l.SeedsPerHour)
		}
		s.checked.addValue(l.Checks)
	}
	if len(s.exact.Values) >= exactRounds {
		return nil
	}
	if lines, err = s.bench(ctx, "exact", exactSeeds); err != nil {
		return err
	}
	for _, l := range lines {
		s.exact.addValue(l.SeedsPerHour)
		if l.SeedsPerCPU > 0 {
			s.exactCPU.addValue(l.SeedsPerCPU)
		}
	}
	return nil
}

func (s *simulator) bench(ctx context.Context, engine string, seeds int) ([]benchLine, error) {
	return benchLines(exec.CommandContext(ctx, s.kvsim, "bench", "--json", "--engine", engine, "--seeds", strconv.Itoa(seeds)))
}

// pause is between two groups of rows: a round of the simulator's.
func (b *bench) pause(ctx context.Context) error {
	if b.simulator == nil || len(b.simulator.virtual.Values) >= b.rounds {
		return nil
	}
	fmt.Fprintln(b.stderr, "bench: a round of the simulator")
	return b.simulator.round(ctx)
}

// endSimulator measures the rounds for which there was no pause, and adds the rows.
func (b *bench) endSimulator(ctx context.Context) error {
	if b.simulator == nil {
		return nil
	}
	for len(b.simulator.virtual.Values) < b.rounds {
		if err := b.pause(ctx); err != nil {
			return err
		}
	}
	for _, r := range b.simulator.rows() {
		b.row(r)
	}
	return nil
}

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
