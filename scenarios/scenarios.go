// Package scenarios holds the named plans of kvsim. A scenario draws a plan from
// a seed: which faults, when, how long and how hard.
//
//	s, err := scenarios.Find("lag")
//	...
//	outcome, err := sim.Run(ctx, s.Plan(7, scenarios.Knobs{}), sim.Env{})
package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// ErrUnknown matches the error of Find in errors.Is.
var ErrUnknown = errors.New("there is no such scenario")

// Knobs override choices of a scenario. 0 leaves the choice to the scenario.
type Knobs struct {
	// Clients is the number of clients.
	Clients int
	// Ops is the number of operations of each client.
	Ops int
	// Brokers is the number of brokers.
	Brokers int
}

// A Scenario draws plans.
type Scenario struct {
	Name        string
	Description string
	// Plan draws the plan of a seed. Equal arguments give equal plans.
	Plan func(seed uint64, k Knobs) sim.Plan
}

// All returns the scenarios in the order in which they should be listed.
func All() []Scenario {
	out := make([]Scenario, len(all))
	for i, s := range all {
		out[i] = Scenario{Name: s.name, Description: s.description, Plan: func(seed uint64, k Knobs) sim.Plan {
			d := newDraw(s.name, seed, k)
			s.draw(d)
			return d.finish()
		}}
	}
	return out
}

// Find returns the scenario with the given name. If there is none, the error lists the names.
func Find(name string) (Scenario, error) {
	var names []string
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("%w: %q: choose one of %s", ErrUnknown, name, strings.Join(names, ", "))
}

var all = []struct {
	name        string
	description string
	draw        func(d *draw)
}{
	{"steady", "no faults: everything has to hold without them, too", func(*draw) {}},
	{"lag", "what clients fetch is delayed, for one client or for several at a time, and then comes in a burst", lag},
	{"restart", "brokers restart with their data: the leader, another one, all of them together, one after the other", restart},
	{"compaction", "the log is compacted while clients read, write, lag and open, and tombstones expire", compaction},
	{"absence", "clients are cut off, pause or store slowly for longer than tombstones are kept, while the log is compacted", absence},
	{"crash", "clients crash with writes under way and start again with empty memory", crash},
	{"network", "requests and answers are lost, connections reset in mid-frame, links stall, slow down and swallow", network},
	{"leader", "the leadership moves in mid-write, and brokers refuse writes before and after they appended them", leader},
	{"transactions", "other programs write in transactions that stay open, are committed or aborted, and write records without a key", transactions},
	{"herd", "many clients open at the same time while the log is written and compacted", herd},
	{"storage", "the clients' own storages and hooks are slow or fail, and clients pause", slowClients},
	{"data-loss", "the log loses its tail in an unclean election, and its oldest records by deletion", dataLoss},
	{"unclean", "the log loses its tail again and again, and clients are slow to store the lost records and to learn of the loss", unclean},
	{"recreate", "the topic is deleted and created again, empty", recreate},
	{"growth", "the topic gets more partitions while clients write, leaders move and brokers refuse", growth},
	{"producers", "brokers lose answers to writes and forget producers, and accept, refuse or deny what these send next", producers},
	{"answers", "brokers answer with old metadata, throttle fetches and refuse them", answers},
	{"protocol", "brokers answer requests with error codes, any that Kafka may give, before they have acted or afterwards", protocol},
	{"hostile", "other programs write batches that no client can take, and leaders do not let fetches wait or name older ends of the log", hostile},
	{"quotas", "clients exceed quotas of bytes and of requests, for a moment and for seconds", quotas},
	{"rights", "clients lose the right to read or to write, and their passwords change", rights},
	{"settings", "the topic's settings change while clients run, and replicas fall out of sync", settings},
	{"outage", "brokers and links are down for longer than callers wait for their writes", outage},
	{"liveness", "some clients and a broker die and stay dead: all others have to go on and converge", liveness},
	{"forms", "clients call every method in every form, have storages and options of every kind, and are closed and opened again", everyForm},
	{"everything", "each seed draws which of all faults it uses, and how hard they are", everything},
}

// defaults returns the plan that scenarios start from.
func defaults() sim.Plan {
	return sim.Plan{
		World: sim.World{
			Clients: 5, Brokers: 3,
			LatencyMin: 100 * time.Microsecond, LatencyMean: 400 * time.Microsecond, LatencyMax: 20 * time.Millisecond,
			Tombstones: 4 * time.Second, RequestTimeout: 2 * time.Second,
		},
		Workload: sim.Workload{
			Ops: 200, Workers: 1, Keys: 36, Zipf: 0.9, Value: 1024, Burst: 6, Timeout: 5 * time.Second,
			Put: 30, Delete: 8, Batch: 8, Get: 30, Range: 8, BarrierGet: 5, BarrierRange: 2, Sync: 3, Wait: 6,
		},
		Phases: sim.Phases{
			Before: 2 * time.Second, Faults: 30 * time.Second, After: 3 * time.Second,
			Converge: 2 * time.Minute, Patience: 30 * time.Second,
		},
		Floors: sim.Floors{Before: 10, During: 20, After: 10, Hits: 1},
	}
}
