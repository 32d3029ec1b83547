package scenarios

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// A draw is a plan in the making, with the generator that it is drawn from.
type draw struct {
	*rand.Rand
	p sim.Plan
}

func newDraw(name string, seed uint64, k Knobs) *draw {
	h := fnv.New64a()
	h.Write([]byte(name))
	d := &draw{Rand: rand.New(rand.NewPCG(seed, h.Sum64())), p: defaults()}
	d.p.Scenario, d.p.Seed = name, seed
	if k.Clients > 0 {
		d.p.World.Clients = k.Clients
	}
	if k.Ops > 0 {
		d.p.Workload.Ops = k.Ops
	}
	if k.Brokers > 0 {
		d.p.World.Brokers = k.Brokers
	}
	return d
}

// finish sets floors that the plan can reach. Knobs can make a world as small as one client
// with one operation. It then proves little, but that is what the caller asked for.
func (d *draw) finish() sim.Plan {
	d.keepHostileAway()
	l, f := &d.p.Workload, &d.p.Floors
	writes := float64(l.Put+l.Delete+l.Batch) / float64(max(1, l.Put+l.Delete+l.Batch+l.Get+l.Range+l.BarrierGet+l.BarrierRange+l.Sync+l.Wait+l.Reopen))
	expected := float64(l.Ops*(d.p.World.Clients-d.p.Phases.DeadClients)) * writes
	f.Before = min(f.Before, int(expected*0.05))
	f.During = min(f.During, int(expected*0.1))
	f.After = min(f.After, d.p.World.Clients-d.p.Phases.DeadClients)
	return d.p
}

func (d *draw) add(f sim.Fault) { d.p.Faults = append(d.p.Faults, f) }

// between draws a duration in whole milliseconds, for a plan that reads well.
func (d *draw) between(low, high time.Duration) time.Duration {
	l, h := low.Milliseconds(), high.Milliseconds()
	return time.Duration(l+d.Int64N(h-l+1)) * time.Millisecond
}

// span draws when a fault is active: it begins in the first three quarters of
// the phase.
func (d *draw) span(low, high time.Duration) sim.Span {
	return sim.Span{From: d.from(), For: d.between(low, high)}
}

func (d *draw) from() time.Duration { return d.between(0, d.p.Phases.Faults*3/4) }

// once draws the time of a fault that happens at one instant.
func (d *draw) once() sim.Span { return sim.Span{From: d.from()} }

func (d *draw) client() string { return "c" + strconv.Itoa(1+d.IntN(d.p.World.Clients)) }

// anyClient draws a client, or all of them.
func (d *draw) anyClient() string {
	if d.IntN(4) == 0 {
		return ""
	}
	return d.client()
}

// broker draws a broker; the leader, which matters most, is most likely.
func (d *draw) broker() string {
	if d.IntN(2) == 0 {
		return "leader"
	}
	return strconv.Itoa(d.IntN(d.p.World.Brokers))
}

func (d *draw) dir() string { return [...]string{"", "to-broker", "to-client"}[d.IntN(3)] }

// times calls fn from low to high times.
func (d *draw) times(low, high int, fn func()) {
	for range low + d.IntN(high-low+1) {
		fn()
	}
}
