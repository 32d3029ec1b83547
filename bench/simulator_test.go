package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// kvsimEnv names the kvsim command whose bench gives the simulator's rows.
const kvsimEnv = "KVSIM_BENCH_COMMAND"

// BenchmarkSimulator runs kvsim bench on the first seeds. Its numbers depend on which
// seeds those are: ten are as heavy as forty on the average, five are not.
func BenchmarkSimulator(b *testing.B) {
	kvsim := os.Getenv(kvsimEnv)
	if kvsim == "" {
		b.Skip(kvsimEnv + " names no kvsim command")
	}
	for _, engine := range []struct {
		name  string
		seeds int
	}{{"virtual", 40}, {"exact", 10}} {
		b.Run("engine="+engine.name, func(b *testing.B) {
			all := tally{}
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), kvsim, "bench", "--json", "--engine", engine.name, "--seeds", strconv.Itoa(engine.seeds))
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					b.Fatalf("%s: %v", cmd, err)
				}
				if err := all.simulated(out); err != nil {
					b.Fatalf("%s: %v", cmd, err)
				}
			}
			all.report(b)
		})
	}
}

// simulated notes what a line of kvsim bench --json says.
func (t tally) simulated(line []byte) error {
	var l struct {
		SeedsPerHour float64 `json:"seeds_per_hour_per_core"`
		SeedsPerCPU  float64 `json:"seeds_per_cpu_hour"` // 0 where processor time is not known
		Speed        float64 `json:"simulated_over_wall_per_core"`
		Checks       float64 `json:"checked_operations_per_second_per_core"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return err
	}
	t.add("seeds/h", l.SeedsPerHour)
	t.add("simulated-s/s", l.Speed)
	t.add("checks/s", l.Checks)
	if l.SeedsPerCPU > 0 {
		t.add("seeds/cpu-h", l.SeedsPerCPU)
		t.add("simulated-s/cpu-s", l.Speed*l.SeedsPerCPU/l.SeedsPerHour)
	}
	return nil
}
