package sim

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// trafficName names the reason of a world in which a client that follows a changed limit
// sent more than it has to.
const trafficName = "changed-limit-costs-few-requests"

// learning is how many more produce requests than writes a client may send while a
// limit changes: one or two are refused before it has heard, and what they had goes
// again.
const learning = 6

// A tally counts what a process sends while something changes.
type tally struct {
	w        *world
	p        *process
	begun    time.Time
	writes   int64
	requests *simnet.Fault
}

// tallies begins one for each client of the plan that is open.
func (w *world) tallies() (all []*tally, err error) {
	for _, s := range w.slots {
		p := s.openProcess()
		if p == nil {
			continue
		}
		t := linksOf(s.name)
		t.Dir, t.Keys = simnet.ToBroker, []int16{int16(kmsg.Produce)}
		counter, err := w.net.Delay(t, simnet.Latency{}) // a delay of nothing counts
		if err != nil {
			return all, err
		}
		all = append(all, &tally{w, p, time.Now(), s.writes.Load(), counter})
	}
	return all, nil
}

// judge ends a tally and asks that there was at most one request for each write, and few
// more. Only a process is judged that was there all the time, and that nothing else made
// try again.
func (t *tally) judge() {
	t.requests.Undo()
	s, w := t.p.slot, t.w
	_, disturbed := w.holds.since(s.name, time.Now(), w.recovery(), func(hold) bool { return true })
	if s.openProcess() != t.p || disturbed || w.held(t.begun) || w.plan.repeats() {
		return
	}
	// Of those that were under way at the start each worker has one.
	writes := int(s.writes.Load()-t.writes) + max(1, w.plan.Workload.Workers)
	if n := t.requests.Hits(); n > writes+learning {
		w.findings.add(trafficName, "%s sent %d produce requests for at most %d writes between %v and %v, while %s changed",
			s.name, n, writes, t.begun.Sub(w.start), time.Since(w.start), settingMessage)
	}
}

// held reports whether anything has held a client up since a moment.
func (w *world) held(from time.Time) bool {
	w.holds.mu.Lock()
	defer w.holds.mu.Unlock()
	for _, h := range w.holds.all {
		if h.to.IsZero() || h.to.After(from) {
			return true
		}
	}
	return false
}

// repeats reports whether the plan has what makes clients send writes again and holds
// nobody up.
func (p *Plan) repeats() bool {
	for _, f := range p.Faults {
		switch f.(type) {
		case ForgetProducers, GrowPartitions:
			return true
		}
	}
	return false
}
