package main

import (
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

func TestBenchDividesByTheTimeOfTheCores(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs := make(map[uint64]int)
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		runs[seed]++
		r := fakeResult(seed, world.Held)
		r.CPU = 100 * time.Millisecond
		// Seeds 1 and 2 also run once to warm up. Then each seed is measured, and
		// then run twice to compare the histories.
		if seed == 2 && runs[seed] == 4 {
			r.Hash = "another"
		}
		if seed == 5 && runs[seed] == 3 {
			r.Output = "a line more\n"
		}
		return r, nil
	})
	// By the clock, ten worlds take one second on two cores.
	kvsim(t, c, "", "bench", "--engine", "virtual", "--seeds", "10", "--twice").want(t, said{stdout: `W: scenario everything, 5 clients, 200 operations each, 3 brokers
engine    worlds  jobs  seeds/hour/core  simulated/wall  checked ops/s/core    seeds/CPU hour   held
virtual       10     2           18,000             61x               5,000            36,000     10
         9 of 10 seeds gave the same history twice, to the nanosecond; 9 the same log
         different histories: seeds [2]
         different logs: seeds [5]
         seed 2, history, line 2:
           - 
           + with another
         seed 5, log, line 2:
           - 
           + a line more
`})
}
