package sim

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Names of the reasons when a client sent more than necessary.
const (
	trafficName = "changed-limit-costs-few-requests"
	budgetName  = "few-requests-without-progress"
	quotaName   = "quota-costs-no-other-requests"
)

// learning is how many more produce requests than writes a client may send while a limit
// changes: one or two are refused before it has heard, and their records are sent again.
const learning = 6

// A tally counts what a process sends while something changes.
type tally struct {
	w        *world
	p        *process
	begun    time.Time
	writes   int64
	asks     int64
	rebuilds int64
	requests *simnet.Effect
}

// The requests that are counted.
const (
	produce  = int16(kmsg.Produce)
	metadata = int16(kmsg.Metadata)
)

// tallies begins one of a kind of requests for each client of the plan that is open.
func (w *world) tallies(key int16) (all []*tally) {
	for _, s := range w.slots {
		p := s.openProcess()
		if p == nil {
			continue
		}
		t := linksOf(s.name)
		t.Dir, t.Keys = simnet.ToBroker, []int16{key}
		all = append(all, &tally{w, p, time.Now(), s.writes.Load(), s.asks.Load(), p.client.Status().Rebuilds, w.net.Count(t)})
	}
	return all
}

// judge ends a tally and checks that there was at most one request for each write, and a
// few more. A process is judged only if it was there all the time, and nothing else made it
// retry.
func (t *tally) judge() {
	t.requests.Undo()
	s, w := t.p.slot, t.w
	_, disturbed := w.holds.since(s.name, time.Now(), w.recovery(), func(hold) bool { return true })
	if s.openProcess() != t.p || disturbed || w.held(t.begun) || w.plan.repeats() {
		return
	}
	// Each worker may have had one under way at the start.
	writes := int(s.writes.Load()-t.writes) + max(1, w.plan.Workload.Workers)
	if n := t.requests.Hits(); n > writes+learning {
		w.findings.add(trafficName, "%s sent %d produce requests for at most %d writes between %v and %v, while %s changed",
			s.name, n, writes, t.begun.Sub(w.start), time.Since(w.start), settingMessage)
	}
}

// held reports whether anything has blocked a client since a moment.
func (w *world) held(from time.Time) bool {
	w.holds.mu.Lock()
	defer w.holds.mu.Unlock()
	return slices.ContainsFunc(w.holds.all, func(h hold) bool { return !h.idle && (h.to.IsZero() || h.to.After(from)) })
}

// repeats reports whether the plan has a fault that makes clients send writes again without
// blocking them.
func (p *Plan) repeats() bool {
	for _, f := range p.Faults {
		switch f.(type) {
		case ForgetProducers, GrowPartitions:
			return true
		}
	}
	return false
}
