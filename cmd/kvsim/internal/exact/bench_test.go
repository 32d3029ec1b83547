package exact

import (
	"context"
	"io"
	"os"
	"testing"
)

// BenchmarkBuildUnchanged measures what an unchanged guest costs a new process: the go
// command checks the sources, and machine code comes from the cache.
func BenchmarkBuildUnchanged(b *testing.B) {
	guestFor(b, "kafkaworld", SchedulerRandom)
	for b.Loop() {
		g, err := Build(context.Background(), BuildOptions{Package: "./testdata/kafkaworld"})
		if err != nil {
			b.Fatal(err)
		}
		g.Close()
	}
}

// BenchmarkCompile measures what a new guest costs, without the go command: adding the
// code that counts steps, and compiling to machine code.
func BenchmarkCompile(b *testing.B) {
	if testing.Short() {
		b.Skip("builds a guest; not with -short")
	}
	module, err := buildModule(b.Context(), BuildOptions{Package: "./testdata/kafkaworld", Scheduler: SchedulerRandom, Go: "go"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("meter", func(b *testing.B) {
		b.SetBytes(int64(len(module)))
		for b.Loop() {
			if _, err := meter(module); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, cache := range []string{"cold", "warm"} {
		b.Run(cache, func(b *testing.B) {
			warm := b.TempDir()
			if cache == "warm" {
				g, err := Load(b.Context(), module, LoadOptions{CacheDir: warm})
				if err != nil {
					b.Fatal(err)
				}
				g.Close()
			}
			for b.Loop() {
				dir := warm
				if cache == "cold" {
					dir = b.TempDir()
				}
				g, err := Load(b.Context(), module, LoadOptions{CacheDir: dir})
				if err != nil {
					b.Fatal(err)
				}
				g.Close()
			}
		})
	}
}

// BenchmarkStart measures an instance that starts, prints its usage and ends.
func BenchmarkStart(b *testing.B) {
	g := guestFor(b, "kafkaworld", SchedulerRandom)
	for b.Loop() {
		run(b, g, RunOptions{Args: []string{"-h"}})
	}
}

// BenchmarkKafkaWorld measures a world of 3 brokers and 4 clients with 400 puts, each
// delivered once. It reports the seeds that one core runs in an hour.
func BenchmarkKafkaWorld(b *testing.B) {
	g := guestFor(b, "kafkaworld", SchedulerRandom)
	for _, size := range []struct{ name, clients, puts string }{
		{"400 puts", "4", "100"},
		{"4000 puts", "4", "1000"},
	} {
		b.Run(size.name, func(b *testing.B) {
			var seed, steps, memory uint64
			for b.Loop() {
				got := run(b, g, RunOptions{Seed: seed, Args: []string{"-clients", size.clients, "-puts", size.puts}})
				seed++
				steps += got.Steps
				memory = max(memory, got.Memory)
			}
			b.ReportMetric(3600*float64(b.N)/b.Elapsed().Seconds(), "seeds/h")
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds()/1e6, "Msteps/s")
			b.ReportMetric(float64(memory>>20), "MB")
		})
	}
}

// BenchmarkKafkaWorldInParallel runs worlds on all cores.
func BenchmarkKafkaWorldInParallel(b *testing.B) {
	g := guestFor(b, "kafkaworld", SchedulerRandom)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := g.Run(b.Context(), RunOptions{Args: []string{"-clients", "4", "-puts", "100"}, Stdout: io.Discard, Stderr: os.Stderr})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(3600*float64(b.N)/b.Elapsed().Seconds(), "seeds/h")
}

// BenchmarkGarbage allocates 600 MB and collects none of it.
func BenchmarkGarbage(b *testing.B) {
	g := guestFor(b, "guest", SchedulerRandom)
	for b.Loop() {
		run(b, g, RunOptions{Args: []string{"garbage"}})
	}
}

// BenchmarkSpin measures the cost of a step in the smallest possible loop.
func BenchmarkSpin(b *testing.B) {
	g := guestFor(b, "guest", SchedulerRandom)
	const steps = 100_000_000
	for b.Loop() {
		g.Run(b.Context(), RunOptions{Args: []string{"spin"}, MaxSteps: steps})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/steps, "ns/step")
}
