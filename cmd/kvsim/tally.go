package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// sometimesSeeds is the number of seeds from which on a campaign of the scenario everything must
// have seen each of the sometimes at least once.
const sometimesSeeds = 200

// A tally adds up the results of a campaign.
type tally struct {
	Scenario string `json:"scenario"`
	Engine   string `json:"engine"`
	Jobs     int    `json:"jobs"`
	First    uint64 `json:"first_seed"`
	Last     uint64 `json:"last_seed"`

	Worlds       int              `json:"worlds"`
	Held         int              `json:"held"`
	Violations   int              `json:"violations"`
	Inconclusive int              `json:"inconclusive"`
	Broken       int              `json:"harness_failures"`
	Operations   world.Operations `json:"operations"`
	Records      int              `json:"records"`
	Simulated    time.Duration    `json:"simulated_ns"`
	Elapsed      time.Duration    `json:"elapsed_ns"`
	// CPU is the processor time of the workers, 0 if it is not known.
	CPU time.Duration `json:"cpu_ns,omitempty"`

	// Down is how long clients did not serve writes, all together, and Explained how much of that the
	// plans explain.
	Down      time.Duration `json:"down_ns"`
	Explained time.Duration `json:"explained_ns"`

	Faults    []*faultTally     `json:"faults"`
	Sometimes []*sometimesTally `json:"sometimes"`
	Answers   []*answerTally    `json:"answers,omitempty"`
	Failures  []*failureTally   `json:"failures"`
	Status    world.Status      `json:"status"`
	// Interrupted says that not all worlds were run, because a signal ended the
	// run. Status is that of the worlds that ran.
	Interrupted bool `json:"interrupted"`
}

// A faultTally adds up one kind of fault.
type faultTally struct {
	Kind      string `json:"kind"`
	Planned   int    `json:"planned"`
	Effective int    `json:"bit"`
	Hits      int    `json:"hits"`
}

// A sometimesTally adds up one thing that should happen now and then.
type sometimesTally struct {
	Name   string `json:"name"`
	Worlds int    `json:"worlds"`
	Times  int    `json:"times"`
}

// An answerTally adds up one error code that brokers may answer to a request.
type answerTally struct {
	Name   string `json:"name"`
	Worlds int    `json:"worlds"`
	Times  int    `json:"times"`
}

// A failureTally is a group of worlds that failed for the same reason.
type failureTally struct {
	Status   world.Status `json:"status"`
	Reason   string       `json:"reason"`
	Worlds   int          `json:"worlds"`
	Smallest uint64       `json:"smallest_seed"`
	Text     string       `json:"text"`
	Capsule  string       `json:"capsule,omitempty"`
	Replay   string       `json:"replay"`
}

// newTally returns an empty tally, with all the sometimes at zero.
func newTally(scenario, engine string, jobs int, sometimes []string) *tally {
	t := &tally{Scenario: scenario, Engine: engine, Jobs: jobs, Faults: []*faultTally{}, Failures: []*failureTally{}}
	for _, name := range sometimes {
		t.Sometimes = append(t.Sometimes, &sometimesTally{Name: name})
	}
	return t
}

// add counts a result. If the result is a failure, it returns the group of that failure.
func (t *tally) add(r *world.Result) *failureTally {
	if t.Worlds == 0 {
		t.First = r.Seed
	}
	t.Last = r.Seed
	t.Worlds++
	t.Operations.Total += r.Operations.Total
	t.Operations.OK += r.Operations.OK
	t.Operations.Failed += r.Operations.Failed
	t.Operations.Unknown += r.Operations.Unknown
	t.Operations.Acknowledged += r.Operations.Acknowledged
	t.Records += r.Records
	t.Simulated += r.Simulated
	t.CPU += r.CPU
	down, explained := r.Downtime()
	t.Down += down
	t.Explained += explained
	for _, f := range r.Faults {
		t.fault(f)
	}
	for _, s := range t.Sometimes {
		if n := r.Sometimes[s.Name]; n > 0 {
			s.Worlds++
			s.Times += n
		}
	}
	t.answers(r.Answers)
	switch r.Status {
	case world.Held:
		t.Held++
		return nil
	case world.Inconclusive:
		t.Inconclusive++
	case world.Violated:
		t.Violations++
	case world.Broken:
		t.Broken++
	}
	return t.failure(r)
}

func (t *tally) fault(f world.FaultResult) {
	i, found := slices.BinarySearchFunc(t.Faults, f.Kind, func(x *faultTally, kind string) int { return cmp.Compare(x.Kind, kind) })
	if !found {
		t.Faults = slices.Insert(t.Faults, i, &faultTally{Kind: f.Kind})
	}
	t.Faults[i].Planned++
	t.Faults[i].Hits += f.Hits
	if f.Hits > 0 {
		t.Faults[i].Effective++
	}
}

// answers counts the error codes that brokers answered. A campaign in which they answer none has no table
// of them.
func (t *tally) answers(got map[string]int) {
	if len(got) > 0 && t.Answers == nil {
		for _, c := range sim.AnswerCells() {
			t.Answers = append(t.Answers, &answerTally{Name: c.Name})
		}
	}
	for _, a := range t.Answers {
		if n := got[a.Name]; n > 0 {
			a.Worlds++
			a.Times += n
		}
	}
}

// unseen returns the error codes that no client was given, and how many there are.
func (t *tally) unseen() (names []string, all int) {
	for _, a := range t.Answers {
		if a.Times == 0 {
			names = append(names, a.Name)
		}
	}
	return names, len(t.Answers)
}

func (t *tally) failure(r *world.Result) *failureTally {
	reason := r.Reason()
	for _, g := range t.Failures {
		if g.Status == r.Status && g.Reason == reason.Name {
			g.Worlds++
			return g
		}
	}
	g := &failureTally{Status: r.Status, Reason: reason.Name, Worlds: 1, Smallest: r.Seed, Text: reason.Text}
	t.Failures = append(t.Failures, g)
	return g
}

// finish sets the status of the campaign, from its worst world, the number of inconclusive worlds,
// and the sometimes that never happened.
func (t *tally) finish(elapsed time.Duration, allowedPercent float64) {
	t.Elapsed = elapsed
	slices.SortStableFunc(t.Failures, func(a, b *failureTally) int {
		return cmp.Or(cmp.Compare(rank(b.Status), rank(a.Status)), cmp.Compare(b.Worlds, a.Worlds))
	})
	switch {
	case t.Violations > 0:
		t.Status = world.Violated
	case t.Broken > 0:
		t.Status = world.Broken
	case float64(t.Inconclusive)*100 > allowedPercent*float64(t.Worlds), len(t.never()) > 0, t.Inconclusive == t.Worlds:
		t.Status = world.Inconclusive
	default:
		t.Status = world.Held
	}
}

// rank orders statuses so that a violation counts as worse than a failure of the harness.
func rank(s world.Status) int {
	switch s {
	case world.Violated:
		return 3
	case world.Broken:
		return 2
	case world.Inconclusive:
		return 1
	case world.Held:
	}
	return 0
}

// seen returns the sometimes to print: all of them in a campaign that must have seen them,
// otherwise those that happened.
func (t *tally) seen() []*sometimesTally {
	if t.Scenario == defaultScenario && t.Worlds >= sometimesSeeds {
		return t.Sometimes
	}
	return slices.DeleteFunc(slices.Clone(t.Sometimes), func(s *sometimesTally) bool { return s.Times == 0 })
}

// never returns the sometimes that should have happened in a campaign of this size but did not.
// Only campaigns of the scenario everything must have seen them.
func (t *tally) never() []string {
	if t.Scenario != defaultScenario || t.Worlds < sometimesSeeds {
		return nil
	}
	var names []string
	for _, s := range t.Sometimes {
		if s.Times == 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// perHour returns how many worlds would run in an hour on all cores.
func (t *tally) perHour() float64 {
	if t.Elapsed <= 0 {
		return 0
	}
	return float64(t.Worlds) / t.Elapsed.Hours()
}
