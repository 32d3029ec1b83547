package main

import (
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/internal/engine/world"
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
		// The third run of a seed that was there to warm up is the second that
		// counts.
		if seed == 2 && runs[seed] == 3 {
			r.Hash = "another"
		}
		return r, nil
	})
	// Ten worlds on two cores in a second of the clock.
	kvsim(t, c, "", "bench", "--engine", "virtual", "--seeds", "10", "--twice").want(t, said{stdout: `W: scenario everything, 5 clients, 200 operations each, 3 brokers
engine    worlds  jobs  seeds/hour/core  simulated/wall  checked ops/s/core    seeds/CPU hour   held
virtual       10     2           18,000             61x               5,000            36,000     10
         9 of 10 seeds gave the same history twice, to the byte
         different: seeds [2]
`})
}
