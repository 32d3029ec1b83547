package sim

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// errBlind is the error of an operation that is not judged.
var errBlind = errors.New("brokers withheld records for so long that the client may believe that there are none")

// blind reports whether a process may believe that there are no records where brokers have
// withheld some: they did so for as long as it takes to be believed, and the process has
// shown no write of its own since. To show one it must have been given everything before
// it.
func (w *world) blind(p *process) bool {
	return slices.ContainsFunc(w.withheld.stretches(w.recovery()), func(s stretch) bool {
		return s.to.After(p.sees()) && s.to.Sub(s.from) >= topicGoneAfter
	})
}

// withholdings are the times in which brokers withheld records.
type withholdings struct {
	mu  sync.Mutex
	all []*withholding // in the order in which they began
}

type withholding struct {
	stretch            // to is zero while it lasts
	hits    func() int // how often a client was given nothing
}

// A stretch is a period, here one with breaks that are too short to count.
type stretch struct{ from, to time.Time }

// begin notes the start of a period. The returned function notes its end.
func (w *withholdings) begin(from time.Time, hits func() int) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := &withholding{stretch: stretch{from: from}, hits: hits}
	w.all = append(w.all, x)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		x.to = time.Now()
	}
}

// stretches returns the periods, up to now, in which a client was given nothing. A break
// shorter than least is ignored: no client may have asked for anything in it.
func (w *withholdings) stretches(least time.Duration) (out []stretch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.all {
		if x.hits() == 0 {
			continue
		}
		s := x.stretch
		if s.to.IsZero() {
			s.to = time.Now()
		}
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

// sees returns since when the process is known to have been given all records: the call of
// its last write that it has shown, or else its start.
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
