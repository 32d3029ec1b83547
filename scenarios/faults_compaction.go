package scenarios

import (
	"slices"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// absentWhileCompacted keeps a client from the log for around as long as tombstones
// are kept, and compacts meanwhile.
func (d *draw) absentWhileCompacted() {
	d.absent()
	f := d.p.Faults[len(d.p.Faults)-1]
	d.add(sim.Compact{Every: d.between(100*ms, 500*ms), Span: sim.Span{From: f.Begins(), For: 2 * d.p.World.Tombstones}})
}

// uncompacted lets a broker lead whose cleaner is behind, half of the time while clients open.
func (d *draw) uncompacted() {
	if d.p.World.Brokers < 2 {
		return
	}
	f := sim.UncompactedLeader{Back: d.IntN(2) == 0, Span: d.span(300*ms, 3000*ms)}
	if d.IntN(2) == 0 {
		at := f.From + d.between(0, f.For)
		if f.Back { // while they read, those that have compacted lead again
			at = f.From + f.For - d.between(5*ms, 60*ms)
		}
		d.openDuring(at)
	}
	d.add(f)
}

// compactedByOne compacts the log at the leader, and lets another broker lead that has not. Half of
// the time a client was away for so long that it rereads what that one has.
func (d *draw) compactedByOne() {
	f := sim.UncompactedLeader{Back: d.IntN(2) == 0, Span: d.span(500*ms, 4000*ms)}
	f.From += 600 * ms
	d.add(sim.Compact{Every: d.between(50*ms, 300*ms), Span: sim.Span{From: f.From - 600*ms, For: 500 * ms}})
	if d.IntN(2) == 0 {
		kept := min(d.p.World.Tombstones, 8*time.Second)
		away := sim.Span{From: max(0, f.From-kept), For: kept + d.between(100*ms, 500*ms)}
		d.add(sim.Lag{Client: d.client(), Span: away})
	}
	d.add(f)
}

// rereadWhileCompacted keeps a client from the log for so long that it rereads it, at a leader that
// has not compacted it, and does so while the client reads.
func (d *draw) rereadWhileCompacted() {
	if d.p.World.Brokers < 2 {
		return
	}
	d.p.World.Tombstones, d.p.World.FetchBytes = d.between(2000*ms, 2500*ms), 1500
	d.p.Faults = slices.DeleteFunc(d.p.Faults, func(f sim.Fault) bool { return f.Kind() == sim.Compact{}.Kind() })
	away := sim.Span{From: d.between(1000*ms, 3000*ms), For: d.p.World.Tombstones + 500*ms}
	d.add(sim.Compact{Every: 100 * ms, Span: sim.Span{For: away.From - 200*ms}})
	d.add(sim.Lag{Client: d.client(), Span: away})
	d.add(sim.UncompactedLeader{Span: sim.Span{From: away.From + 200*ms, For: away.For - 200*ms + d.between(10*ms, 150*ms)}})
}

// lagWhileCompacted lets a client fall behind, and compacts what it has not read.
func (d *draw) lagWhileCompacted() {
	f := sim.Lag{Client: d.client(), Span: d.span(700*ms, 3000*ms)}
	d.add(f)
	d.add(sim.Compact{Every: d.between(50*ms, 300*ms), Span: sim.Span{From: f.From, For: f.For + 200*ms}})
}
