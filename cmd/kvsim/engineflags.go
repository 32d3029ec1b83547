package main

import (
	"context"
	"flag"
	"io"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

// engineOptions says which engine runs the worlds, and how.
type engineOptions struct {
	// name is virtual, exact or real.
	name string
	// jobs is how many worlds run at the same time; 0 means one on each core.
	jobs int
	// scheduler is the scheduler of the exact engine; empty means the random one.
	scheduler string
	// kafka says what the real engine runs on: empty means kfake; otherwise it is
	// testcontainers, or addresses of brokers.
	kafka string
	// brokers is the number of containers; 0 means 1.
	brokers int
}

func (o *engineOptions) declare(fs *flag.FlagSet) {
	fs.StringVar(&o.name, "engine", "virtual", "what runs the worlds: `virtual`, exact or real")
	fs.IntVar(&o.jobs, "jobs", 0, "the `number` of worlds that run at the same time (default: one on each core)")
	fs.StringVar(&o.kafka, "kafka", "", "what the real engine runs on: `testcontainers` or brokers as host:port,host:port (default: kfake, in this process)")
	fs.StringVar(&o.scheduler, "scheduler", "", "the order of goroutines in the exact engine: `random` or stock")
}

func (o *engineOptions) validate() error {
	switch o.name {
	case "virtual", "real":
		if o.scheduler != "" {
			return usagef("--scheduler is for --engine exact only: the %s engine has Go's own scheduler", o.name)
		}
	case "exact":
	default:
		return usagef("there is no engine %q: use virtual, exact or real", o.name)
	}
	switch exact.Scheduler(o.scheduler) {
	case "", exact.SchedulerRandom, exact.SchedulerStock:
	default:
		return usagef("there is no scheduler %q: use random or stock", o.scheduler)
	}
	if o.kafka != "" {
		if _, err := o.addrs(); err != nil {
			return err
		}
		if o.name != "real" {
			return usagef("--kafka %s needs --engine real: the %s engine has brokers of its own", o.kafka, o.name)
		}
	}
	if o.jobs < 0 {
		return usagef("--jobs %d is negative: leave it out for one on each core", o.jobs)
	}
	if o.name == "real" && o.jobs > 1 {
		return usagef("--jobs %d: worlds in real time run one after the other, because they would disturb each other", o.jobs)
	}
	return nil
}

// flags returns the flags that make the same choice on the command line, none for the
// default.
func (o *engineOptions) flags() string {
	if o.name == "virtual" {
		return ""
	}
	s := " --engine " + o.name
	if o.scheduler != "" {
		s += " --scheduler " + o.scheduler
	}
	if o.kafka != "" {
		s += " --kafka " + quoteArg(o.kafka)
	}
	return s
}

// startEngine is the cli.engines that users get.
func startEngine(ctx context.Context, o engineOptions, progress io.Writer) (engine.Engine, error) {
	switch o.name {
	case "exact":
		return engine.NewExact(ctx, engine.ExactOptions{
			Jobs: o.jobs, Scheduler: exact.Scheduler(o.scheduler), Progress: progress,
		})
	case "real":
		return startReal(ctx, o, progress)
	}
	return engine.NewVirtual(engine.VirtualOptions{Jobs: o.jobs})
}
