package score

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
)

// A World is a world to run mutants in.
type World struct {
	Scenario string
	Job      world.Job
}

// worlds are those that hold without a mutant, in their order.
type worlds struct {
	program string
	all     []*measuredWorld
	failing []string
}

// A measuredWorld is a world measured without a mutant.
type measuredWorld struct {
	World
	// place counts from 1, with the worlds that do not hold.
	place   int
	cpu     time.Duration
	reached []byte
	ok      bool
	why     string
}

// measureWorlds builds the woven program and runs each world without a mutant.
func (r *Run) measureWorlds(ctx context.Context) (*worlds, error) {
	w := &worlds{program: filepath.Join(r.Dir, "woven")}
	if err := r.build(ctx, "build", "-o", w.program, r.Program); err != nil {
		return nil, err
	}
	var all []*measuredWorld
	for i, one := range r.Worlds {
		all = append(all, &measuredWorld{World: one, place: i + 1})
	}
	r.say("%d worlds, each run without a mutant", len(all))
	err := together(ctx, r.Jobs, all, func(ctx context.Context, one *measuredWorld) error {
		return r.measureWorld(ctx, w.program, one)
	})
	for _, one := range all {
		if one.ok {
			w.all = append(w.all, one)
		} else {
			w.failing = append(w.failing, fmt.Sprintf("%s %d (%s)", one.Scenario, one.Job.Seed, one.why))
		}
	}
	return w, err
}

// measureWorld runs a world in a worker of its own.
func (r *Run) measureWorld(ctx context.Context, program string, one *measuredWorld) error {
	name, err := reachFile(r.Dir, len(r.woven.Mutants))
	if err != nil {
		return err
	}
	v, err := engine.NewVirtual(engine.VirtualOptions{Jobs: 1, Program: program, Env: []string{mutation.EnvReached + "=" + name}})
	if err != nil {
		return err
	}
	defer v.Close()
	result, err := v.Run(ctx, one.Job)
	if err != nil {
		return err
	}
	one.cpu, one.ok, one.why = result.CPU, !failed(result), result.Reason().Name
	one.reached, err = readReached(name)
	return err
}

// failed reports whether a world would be reported as a failure.
func failed(r *world.Result) bool { return r.Status == world.Violated || r.Status == world.Broken }

// judge runs the worlds that reach a mutant until one fails.
func (w *worlds) judge(ctx context.Context, m *mutation.Mutant) (*Verdict, error) {
	var reach []*measuredWorld
	usual := time.Duration(0)
	for _, one := range w.all {
		if one.reached[m.ID()] != 0 {
			reach = append(reach, one)
			usual += one.cpu
		}
	}
	v := &Verdict{Reached: len(reach)}
	if len(reach) == 0 {
		return v, nil
	}
	e, err := engine.NewVirtual(engine.VirtualOptions{Jobs: 1, Program: w.program, Env: environment(m.ID(), usual), JudgeLimit: time.Minute})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	for _, one := range reach {
		result, err := e.Run(ctx, one.Job)
		if err != nil {
			return nil, err
		}
		v.Ran++
		if result.CPU == 0 { // the worker is gone, and with it what it took
			result.CPU = min(result.Wall, leastCPU+slower*usual)
		}
		v.CPU += result.CPU.Seconds()
		if failed(result) {
			v.Killed, v.By = true, result.Reason().Name
			v.Worlds, v.Scenario, v.Seed = one.place, one.Scenario, one.Job.Seed
			return v, nil
		}
	}
	return v, nil
}
