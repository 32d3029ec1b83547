package sim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// BenchmarkWorld runs the reference workload: 5 clients, 3 brokers, 200
// operations a client, all faults, one seed after the other.
func BenchmarkWorld(b *testing.B) {
	for _, name := range []string{"steady", "everything"} {
		s, err := scenarios.Find(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			var simulated time.Duration
			ops := 0
			for i := range b.N {
				p := s.Plan(uint64(i), scenarios.Knobs{})
				bubble(b, func(t *testing.T) {
					o, err := sim.Run(t.Context(), p, sim.Env{})
					if err != nil {
						b.Fatal(err)
					}
					simulated += o.Simulated
					ops += len(o.History.Ops)
				})
			}
			wall := b.Elapsed()
			b.ReportMetric(simulated.Seconds()/wall.Seconds(), "simulated/wall")
			b.ReportMetric(float64(b.N)*3600/wall.Seconds(), "seeds/h")
			b.ReportMetric(float64(ops)/wall.Seconds(), "ops/s")
		})
	}
}

// bubble runs fn in a synctest bubble, which wants a *testing.T.
func bubble(b *testing.B, fn func(*testing.T)) {
	b.Helper()
	ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "bubble", F: func(t *testing.T) { synctest.Test(t, fn) },
	}})
	if !ok {
		b.Fatal("the bubble failed")
	}
}
