package shrink

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// A candidate is a plan that is smaller than the present one in one place. It need not be
// valid.
type candidate struct {
	what string
	plan sim.Plan
}

// A pass makes candidates, the smallest first. Those with other faults are made one by one,
// because a plan may have thousands of faults and each candidate has a list of its own.
type pass func(sim.Plan) iter.Seq[candidate]

// passes are ordered by how much they may save.
var passes = []pass{
	fewerFaults, listed(fewerClients), listed(fewerOps), listed(noDeaths), listed(plainWorkload), listed(fewerKinds),
	listed(fewerBrokers), listed(shorterPhases), smallerFaults,
}

// listed is a pass of few candidates.
func listed(list func(sim.Plan) []candidate) pass {
	return func(p sim.Plan) iter.Seq[candidate] { return slices.Values(list(p)) }
}

// fewerFaults leaves out all faults, halves of them, quarters, and so on.
func fewerFaults(p sim.Plan) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		n := len(p.Faults)
		for size := n; size > 0; size /= 2 {
			for from := 0; from < n; from += size {
				to := min(from+size, n)
				q := p
				q.Faults = slices.Concat(p.Faults[:from], p.Faults[to:])
				if !yield(candidate{fmt.Sprintf("%d of %d faults", len(q.Faults), n), q}) {
					return
				}
			}
		}
	}
}

// fewerClients lowers the number of clients. Faults of a client that is gone move to one that
// is left.
func fewerClients(p sim.Plan) []candidate {
	var out []candidate
	for _, n := range smaller(p.World.Clients, 1) {
		q := p
		q.World.Clients = n
		q.Phases.DeadClients = min(p.Phases.DeadClients, n-1)
		q.Faults = mapFaults(p.Faults, func(name, value string) string {
			if name != "client" || len(value) < 2 {
				return value
			}
			if i, err := strconv.Atoi(value[1:]); err == nil && i > n {
				return "c" + strconv.Itoa((i-1)%n+1)
			}
			return value
		})
		out = append(out, candidate{fmt.Sprintf("%d of %d clients", n, p.World.Clients), q})
	}
	return out
}

func fewerOps(p sim.Plan) []candidate {
	return lower(&p, &p.Workload.Ops, 1, "%d of %d operations a client")
}

func noDeaths(p sim.Plan) []candidate {
	var out []candidate
	if p.Phases.DeadClients > 0 {
		q := p
		q.Phases.DeadClients = 0
		out = append(out, candidate{"no client dies", q})
	}
	if p.Phases.DeadBroker != "" {
		q := p
		q.Phases.DeadBroker = ""
		out = append(out, candidate{"no broker dies", q})
	}
	return out
}

// plainWorkload removes what makes a workload hard.
func plainWorkload(p sim.Plan) []candidate {
	l := &p.Workload
	out := slices.Concat(
		lower(&p, &l.Workers, 1, "workers: %d of %d"),
		lower(&p, &l.Keys, 1, "keys: %d of %d"),
		lower(&p, &l.Burst, 1, "the longest burst: %d of %d"),
		lower(&p, &l.Value, 0, "bytes of the largest value: %d of %d"),
		lower(&p, &l.Forms, 0, "unusual operations: %d of %d in a hundred"),
		lower(&p, &p.World.Variants, 0, "unusual processes: %d of %d in a hundred"),
	)
	if old := l.Zipf; old != 0 {
		l.Zipf = 0
		out = append(out, candidate{"keys are chosen evenly", p})
		l.Zipf = old
	}
	if p.World.ReadBytes != 0 {
		p.World.ReadBytes = 0
		out = append(out, candidate{"clients read answers of any size", p})
	}
	return out
}

// fewerKinds removes kinds of operations from the workload.
func fewerKinds(p sim.Plan) []candidate {
	var out []candidate
	for _, k := range []struct {
		what   string
		weight *int
	}{
		{"reopen", &p.Workload.Reopen},
		{"batch", &p.Workload.Batch},
		{"range", &p.Workload.Range},
		{"barrier-range", &p.Workload.BarrierRange},
		{"barrier-get", &p.Workload.BarrierGet},
		{"wait", &p.Workload.Wait},
		{"sync", &p.Workload.Sync},
		{"delete", &p.Workload.Delete},
		{"get", &p.Workload.Get},
		{"put", &p.Workload.Put},
	} {
		if old := *k.weight; old != 0 {
			*k.weight = 0
			out = append(out, candidate{"no " + k.what, p})
			*k.weight = old
		}
	}
	return out
}

func fewerBrokers(p sim.Plan) []candidate {
	return lower(&p, &p.World.Brokers, 1, "%d of %d brokers")
}

func shorterPhases(p sim.Plan) []candidate {
	var out []candidate
	for _, s := range []struct {
		what string
		d    *time.Duration
	}{
		{"the phase before the faults", &p.Phases.Before},
		{"the phase of the faults", &p.Phases.Faults},
		{"the phase after the faults", &p.Phases.After},
		{"the patience of faults", &p.Phases.Patience},
	} {
		old := *s.d
		for _, d := range shorter(old) {
			*s.d = d
			out = append(out, candidate{fmt.Sprintf("%s: %v of %v", s.what, d, old), p})
		}
		*s.d = old
	}
	return out
}

// smallerFaults makes each duration and each number of a fault smaller.
func smallerFaults(p sim.Plan) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for i, f := range p.Faults {
			for _, text := range smallerTexts(f.String()) {
				g, err := sim.ParseFault(text)
				if err != nil {
					continue
				}
				q := p
				q.Faults = slices.Clone(p.Faults)
				q.Faults[i] = g
				if !yield(candidate{text, q}) {
					return
				}
			}
		}
	}
}

// smallerTexts returns lines that differ from a fault's line in one smaller value. Values that
// name a client or a broker are left alone.
func smallerTexts(line string) []string {
	words := strings.Split(line, " ")
	var out []string
	with := func(i int, word string) {
		changed := slices.Clone(words)
		changed[i] = word
		out = append(out, strings.Join(changed, " "))
	}
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "client" || name == "broker" {
			continue
		}
		if n, err := strconv.Atoi(value); err == nil {
			for _, m := range smaller(n, 1) {
				with(i, fmt.Sprintf("%s=%d", name, m))
			}
		} else if d, err := time.ParseDuration(value); err == nil {
			for _, e := range shorter(d) {
				with(i, fmt.Sprintf("%s=%v", name, e))
			}
		}
	}
	return out
}

// mapFaults changes the values of all faults. If a changed fault can't be parsed, the fault
// stays as it is.
func mapFaults(faults []sim.Fault, change func(name, value string) string) []sim.Fault {
	out := make([]sim.Fault, len(faults))
	for i, f := range faults {
		words := strings.Split(f.String(), " ")
		for j, word := range words {
			if name, value, ok := strings.Cut(word, "="); ok {
				words[j] = name + "=" + change(name, value)
			}
		}
		out[i] = f
		if g, err := sim.ParseFault(strings.Join(words, " ")); err == nil {
			out[i] = g
		}
	}
	return out
}

// lower returns plans that differ from p in one number, which is at least least. The text has
// the new number and the old one.
func lower(p *sim.Plan, number *int, least int, text string) []candidate {
	var out []candidate
	old := *number
	for _, n := range smaller(old, least) {
		*number = n
		out = append(out, candidate{fmt.Sprintf(text, n, old), *p})
	}
	*number = old
	return out
}

// smaller returns a few numbers from least to below n, far apart at first.
func smaller(n, least int) []int {
	var out []int
	for gap := n - least; gap > 0; gap /= 2 {
		out = append(out, n-gap)
	}
	return out
}

// shorter returns durations below d that are worth trying.
func shorter(d time.Duration) []time.Duration {
	var out []time.Duration
	for _, e := range []time.Duration{0, d / 8, d / 2} {
		e = e.Round(time.Millisecond)
		if e < d && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}
