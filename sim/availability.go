package sim

import (
	"slices"
	"sync"
	"time"
)

// Availability says how long a client did not serve writes.
type Availability struct {
	Client string `json:"client"`
	// Down is the time in which the client had no process, or a write was under way that failed or
	// took longer than a client needs whose brokers are well. Writes that are too large do not count.
	Down time.Duration `json:"down_ns"`
	// Explained is how much of Down there was a fault in the client's way, or had been so shortly
	// before that the client may not have recovered.
	Explained time.Duration `json:"explained_ns"`
}

// downtime is the time in which a client did not serve writes.
type downtime struct {
	mu  sync.Mutex
	all []period
	// absent is since when there is no process, zero if there is one or the client is dead.
	absent time.Time
}

func (d *downtime) add(from, to time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, period{from, to})
}

// open notes whether there is a process from now on.
func (d *downtime) open(is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !d.absent.IsZero() {
		d.all = append(d.all, period{d.absent, now})
	}
	d.absent = time.Time{}
	if !is {
		d.absent = now
	}
}

// notServed notes how long a write took that was not served in time.
func (o *operation) notServed(err error) {
	if soon := time.Since(o.begun) <= o.w.promptly(); !o.p.crashed.Load() && !o.served(err) && (!soon || !legitimate(err)) {
		o.slot.downtime.add(o.begun, time.Now())
	}
}

// availability returns that of each client of the plan, until now. Where time is not virtual, nobody
// knows how long a write may take.
func (w *world) availability() (out []Availability) {
	if w.env.LateTap {
		return nil
	}
	for _, s := range w.slots {
		s.downtime.mu.Lock()
		down := slices.Clone(s.downtime.all)
		s.downtime.mu.Unlock()
		out = append(out, Availability{s.name, length(down), length(overlap(down, w.holds.periods(s.name, w.afterwards)))})
	}
	return out
}

// periods returns when something was in the way of a client, with the time to recover.
func (h *holds) periods(client string, recovery func(Fault) time.Duration) (out []period) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, x := range h.all {
		if x.client != "" && x.client != client {
			continue
		}
		to := now
		if !x.to.IsZero() {
			to = x.to.Add(recovery(x.fault))
		}
		out = append(out, period{x.from, to})
	}
	return out
}

// union returns the periods in order, those that overlap or touch as one. All of them have an end.
func union(all []period) (out []period) {
	for _, x := range slices.SortedFunc(slices.Values(all), func(a, b period) int { return a.from.Compare(b.from) }) {
		if n := len(out); n > 0 && !x.from.After(out[n-1].to) {
			if x.to.After(out[n-1].to) {
				out[n-1].to = x.to
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// overlap returns the parts of some periods that are in others.
func overlap(some, others []period) (out []period) {
	others = union(others)
	for _, a := range union(some) {
		for _, b := range others {
			from, to := a.from, a.to
			if b.from.After(from) {
				from = b.from
			}
			if b.to.Before(to) {
				to = b.to
			}
			if from.Before(to) {
				out = append(out, period{from, to})
			}
		}
	}
	return out
}

// length is how long periods are together.
func length(all []period) (sum time.Duration) {
	for _, x := range union(all) {
		sum += x.to.Sub(x.from)
	}
	return sum
}
