package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
)

// AnswerAtOnce makes leaders answer fetches immediately, although there is nothing new. A client that
// does not slow itself down asks again and again.
type AnswerAtOnce struct {
	Broker string `plan:"broker"` // all if empty
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f AnswerAtOnce) Kind() string { return "answer-at-once" }

// String implements Fault.
func (f AnswerAtOnce) String() string { return line(f.Kind(), &f) }

func (f AnswerAtOnce) start(_ context.Context, w *world) (*effect, error) {
	return w.hasten(fakecluster.Haste{Brokers: w.some(f.Broker), Count: f.Count})
}

// hasten makes leaders of the world's topic answer immediately.
func (w *world) hasten(h fakecluster.Haste) (*effect, error) {
	h.Topic = w.cluster.Topic()
	e, err := brokerFault(w.cluster.AnswerAtOnce(h))
	return w.noting(sometimesHasty, e), err
}

// OlderEnds makes leaders answer fetches from near the end of the log as ones that have just been
// elected and have yet to hear of the newest high watermark: immediately, without what lies above an
// older one. A client that is further behind gets everything, so the ends go back and forth.
type OlderEnds struct {
	Broker string `plan:"broker"` // all if empty
	// Back is by how many offsets the ends lie back.
	Back  int `plan:"back"`
	Count int `plan:"count"`
	Span
}

// Kind implements Fault.
func (f OlderEnds) Kind() string { return "older-ends" }

// String implements Fault.
func (f OlderEnds) String() string { return line(f.Kind(), &f) }

func (f OlderEnds) check(p *Plan) error {
	kept := p.World.Tombstones
	switch {
	case f.Back < 1:
		return fmt.Errorf("back has to be 1 or more: it says how far back the ends lie")
	case kept > 0 && f.For > kept/2:
		return fmt.Errorf("for is %v, and has to be at most half of tombstones, %v: a client that takes an older end for the end for longer may miss deletions", f.For, kept)
	}
	return f.mustLast()
}

func (f OlderEnds) start(_ context.Context, w *world) (*effect, error) {
	return w.hasten(fakecluster.Haste{Brokers: w.some(f.Broker), Back: f.Back, Count: f.Count})
}

// mostMetadata is how many metadata requests a client may send while a quota lasts, besides one for
// each call that asks whether the topic is still the same.
const mostMetadata = 4

// judgingQuota judges, when the effect of a quota ends, whether clients asked brokers for other
// leaders because of it. A process is judged only if nothing else was in its way.
func (w *world) judgingQuota(e *effect) *effect {
	tallies := w.tallies(metadata)
	return e.ending(func() {
		for _, t := range tallies {
			t.judgeQuota()
		}
	})
}

// judgeQuota ends a tally of metadata requests.
func (t *tally) judgeQuota() {
	t.requests.Undo()
	s, w := t.p.slot, t.w
	_, disturbed := w.holds.since(s.name, time.Now(), w.recovery(), func(h hold) bool { return h.fault.Kind() != Throttle{}.Kind() })
	if s.openProcess() != t.p || disturbed || w.plan.grows() || w.plan.repeats() {
		return
	}
	if st := t.p.client.Status(); st.Rebuilds != t.rebuilds || st.State == kvstore.StateRebuilding {
		return // it looks whether the topic is the same
	}
	// Each worker may have had one under way at the start.
	calls := int(s.asks.Load()-t.asks) + max(1, w.plan.Workload.Workers)
	if n := t.requests.Hits(); n > calls+mostMetadata {
		w.findings.add(quotaName, "%s sent %d metadata requests, for %d calls, between %v and %v, because of a quota", s.name, n, calls, t.begun.Sub(w.start), time.Since(w.start))
	}
}
