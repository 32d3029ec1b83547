package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// defaultScenario is the scenario when none is named.
const defaultScenario = "everything"

// worldFlags has the flags that say which worlds to run.
type worldFlags struct {
	seeds    seedRange
	scenario string
	knobs    scenarios.Knobs
	plan     string
}

func (f *worldFlags) declare(fs *flag.FlagSet) {
	fs.Var(&f.seeds, "seed", "one `seed`, or a range such as 1..100")
	fs.StringVar(&f.scenario, "scenario", "", "the scenario to draw the worlds from, see kvsim list (default "+defaultScenario+")")
	fs.IntVar(&f.knobs.Clients, "clients", 0, "the `number` of clients (default: the scenario's own)")
	fs.IntVar(&f.knobs.Ops, "ops", 0, "the `number` of operations of each client (default: the scenario's own)")
	fs.IntVar(&f.knobs.Brokers, "brokers-count", 0, "the `number` of brokers (default: the scenario's own)")
	fs.StringVar(&f.plan, "plan", "", "run the plan in a `file` instead of a scenario; - is standard input")
}

// A planSource makes the plan for a seed.
type planSource struct {
	// scenario is the name of the scenario.
	scenario string
	// flags are the flags that make the same choice on the command line.
	flags string
	// seed is the seed in a plan file, if the source is one.
	seed    uint64
	hasSeed bool
	// brokers is the number of brokers that the flags ask for, or 0.
	brokers int
	// draw makes the plan for a seed with that many brokers. It is nil for a
	// plan file.
	draw func(seed uint64, brokers int) (sim.Plan, error)
	plan func(seed uint64) (sim.Plan, error)
}

// source returns the source of plans that the flags ask for.
func (f *worldFlags) source(ctx context.Context, stdin io.Reader) (planSource, error) {
	for _, k := range f.numbers() {
		switch {
		case k.value < 0:
			return planSource{}, usagef("--%s %d is negative: leave it out for the scenario's own number", k.flag, k.value)
		case k.value > k.most: // drawing such a plan would take long
			return planSource{}, usagef("--%s %d is more than the %d that a world may have", k.flag, k.value, k.most)
		}
	}
	if f.plan != "" {
		return f.planFile(ctx, stdin)
	}
	name := cmp.Or(f.scenario, defaultScenario)
	s, err := scenarios.Find(name)
	if err != nil {
		return planSource{}, &usageError{err: err}
	}
	draw := func(seed uint64, brokers int) (sim.Plan, error) {
		knobs := f.knobs
		knobs.Brokers = brokers
		p := s.Plan(seed, knobs)
		if err := p.Validate(); err != nil {
			return p, usagef("scenario %s with these numbers: %w", s.Name, err)
		}
		return p, nil
	}
	return planSource{
		scenario: s.Name, flags: f.String(), brokers: f.knobs.Brokers, draw: draw,
		plan: func(seed uint64) (sim.Plan, error) { return draw(seed, f.knobs.Brokers) },
	}, nil
}

func (f *worldFlags) planFile(ctx context.Context, stdin io.Reader) (planSource, error) {
	if f.scenario != "" || f.knobs != (scenarios.Knobs{}) {
		return planSource{}, usagef("--plan describes the whole world: leave out --scenario, --clients, --ops and --brokers-count, or edit the file")
	}
	text, err := readInput(ctx, f.plan, stdin, mostPlan)
	if ctx.Err() != nil {
		return planSource{}, err
	}
	if err != nil {
		return planSource{}, &usageError{err: fmt.Errorf("read the plan: %w", err)}
	}
	p, err := parsePlan(f.plan, string(text))
	if err != nil {
		return planSource{}, err
	}
	name := cmp.Or(p.Scenario, "plan")
	return planSource{
		scenario: name, flags: f.String(), seed: p.Seed, hasSeed: true, brokers: p.World.Brokers,
		plan: func(seed uint64) (sim.Plan, error) {
			q := p
			q.Seed = seed
			return q, nil
		},
	}, nil
}

// parsePlan reads and validates a plan.
func parsePlan(name, text string) (sim.Plan, error) {
	p, err := sim.ParsePlan(text)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", name, errors.Join(planMistake{err}))
	}
	return p, nil
}

// planMistake makes an error of package sim a world.ErrPlan without repeating its text.
type planMistake struct{ error }

func (e planMistake) Is(target error) bool { return target == world.ErrPlan }
func (e planMistake) Unwrap() error        { return e.error }

// String returns the flags that make the same choice.
func (f *worldFlags) String() string {
	if f.plan != "" {
		return "--plan " + quoteArg(f.plan)
	}
	name := cmp.Or(f.scenario, defaultScenario)
	var s strings.Builder
	s.WriteString("--scenario " + name)
	for _, k := range f.numbers() {
		if k.value != 0 {
			s.WriteString(" --" + k.flag + " " + strconv.Itoa(k.value))
		}
	}
	return s.String()
}

// A knob is a number of a scenario that a flag replaces unless it is 0.
type knob struct {
	flag        string
	value, most int
}

func (f *worldFlags) numbers() []knob {
	return []knob{
		{"clients", f.knobs.Clients, sim.MostClients},
		{"ops", f.knobs.Ops, sim.MostOps},
		{"brokers-count", f.knobs.Brokers, sim.MostBrokers},
	}
}

// readInput reads a file, or the input if the name is "-", of at most so many bytes. When ctx ends, it returns the cause.
// Reading the input or a pipe may block; it then continues in a goroutine that ends with the
// process.
func readInput(ctx context.Context, name string, stdin io.Reader, most int64) ([]byte, error) {
	type input struct {
		data []byte
		err  error
	}
	done := make(chan input, 1)
	go func() {
		var in input
		if name == "-" {
			in.data, in.err = readAll(stdin, "the input", most)
		} else {
			in.data, in.err = readFile(name, most)
		}
		done <- in
	}()
	select {
	case in := <-done:
		return in.data, in.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// quoteArg quotes an argument for a shell if that is needed.
func quoteArg(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
