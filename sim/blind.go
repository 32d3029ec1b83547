package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// WithholdRecords makes leaders answer fetches without the records that there are, and
// without an error.
//
// What leaders say for as long as topicGoneAfter is believed: then a client takes the
// records for ones that compaction has removed, and what it says may lack them until
// it has asked again. That is not promised to be otherwise, so the operations of a
// client that may believe so are not judged; see blind. What it shows after its next
// write is.
type WithholdRecords struct {
	Broker string `plan:"broker"` // all if empty
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f WithholdRecords) Kind() string { return "withhold-records" }

// String implements Fault.
func (f WithholdRecords) String() string { return line(f.Kind(), &f) }

func (f WithholdRecords) check(*Plan) error { return f.mustLast() }

func (f WithholdRecords) start(_ context.Context, w *world) (*effect, error) {
	e, err := brokerFault(w.cluster.WithholdRecords(fakecluster.Withhold{Brokers: w.some(f.Broker), Count: f.Count}))
	return w.noting(sometimesWithheld, e), err
}

// errBlind is the error of an operation that is not judged.
var errBlind = errors.New("brokers withheld records for so long that the client may believe that there are none")

// blind reports whether a process may believe that there are no records where brokers
// have withheld some: they did so for as long as it takes to be believed, and the
// process has shown no write of its own since. To show one it has to have been given
// all that lies before it.
func (w *world) blind(p *process) bool {
	for _, s := range w.holds.stretches(w.recovery(), withholds) {
		if s.to.After(p.sees()) && s.to.Sub(s.from) >= topicGoneAfter {
			return true
		}
	}
	return false
}

func withholds(h hold) bool { _, ok := h.fault.(WithholdRecords); return ok }

// A stretch is a time in which something held clients up, with breaks that are too
// short to count.
type stretch struct{ from, to time.Time }

// stretches returns those of the holds that of accepts, up to now. A break shorter than
// least is none.
func (h *holds) stretches(least time.Duration, of func(hold) bool) []stretch {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []stretch
	for _, x := range h.all {
		if !of(x) {
			continue
		}
		s := stretch{x.from, x.to}
		if s.to.IsZero() {
			s.to = time.Now()
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.from.Compare(b.from) })
	var out []stretch
	for _, s := range all {
		if n := len(out); n > 0 && s.from.Sub(out[n-1].to) < least {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// sees returns since when the process is known to have been given all records: from the
// call of its last write that it has shown, or else from its begin.
func (p *process) sees() time.Time {
	p.slot.mu.Lock()
	defer p.slot.mu.Unlock()
	return p.sighted
}

// showed notes that the process has shown a write that was called at a moment.
func (p *process) showed(called time.Time) {
	p.slot.mu.Lock()
	defer p.slot.mu.Unlock()
	if called.After(p.sighted) {
		p.sighted = called
	}
}
