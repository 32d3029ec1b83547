package scenarios

import (
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
// has not compacted it, and does so while the client reads, a little at a time.
func (d *draw) rereadWhileCompacted() {
	w, l := &d.p.World, &d.p.Workload
	if w.Brokers < 2 {
		return
	}
	w.Tombstones, w.FetchBytes, w.LatencyMean = d.between(2000*ms, 2500*ms), 1000, 3*ms
	l.Keys, l.Zipf, l.Value, l.Burst, l.Workers = 18, 0, 512, 1, 2
	d.p.Phases.Faults, d.p.Faults = 20*time.Second, nil
	at := d.between(1000*ms, 3000*ms)
	d.add(sim.Compact{Every: 100 * ms, Span: sim.Span{For: at - 200*ms}})
	for range 3 {
		away := sim.Lag{Client: d.client(), Span: sim.Span{From: at, For: w.Tombstones + 500*ms}}
		d.add(away)
		if d.IntN(2) == 0 { // it rereads the log, and is away again before it gets to where it was
			away.From += away.For + d.between(20*ms, 80*ms)
			d.add(away)
		}
		f := sim.UncompactedLeader{Span: sim.Span{From: away.From + 200*ms, For: away.For - 200*ms + d.between(10*ms, 150*ms)}}
		d.add(f)
		at = f.From + f.For + 200*ms
	}
}

// lagWhileCompacted lets a client fall behind, and compacts what it has not read.
func (d *draw) lagWhileCompacted() {
	f := sim.Lag{Client: d.client(), Span: d.span(700*ms, 3000*ms)}
	d.add(f)
	d.add(sim.Compact{Every: d.between(50*ms, 300*ms), Span: sim.Span{From: f.From, For: f.For + 200*ms}})
}

// betweenCopies makes clients read the log at a leader that still has tombstones which the next one
// removed long ago, and changes the leader meanwhile. Many keys are deleted and not set again.
func (d *draw) betweenCopies() {
	w, l := &d.p.World, &d.p.Workload
	if w.Brokers < 2 {
		return
	}
	w.Tombstones, w.FetchBytes, w.LatencyMean = d.between(1500*ms, 2500*ms), 1000, 3*ms
	l.Keys, l.Zipf, l.Value, l.Delete = 120, 0, 512, l.Put
	d.p.Faults = nil
	at := 2*w.Tombstones + d.between(500*ms, 2500*ms)
	d.add(sim.Compact{Every: 100 * ms, Span: sim.Span{For: at}})
	for range 3 {
		f := sim.UncompactedLeader{Back: true, Span: sim.Span{From: at + d.between(100*ms, 400*ms), For: d.between(400*ms, 1500*ms)}}
		at = f.From + f.For
		begin := at - d.between(90*ms, 200*ms)
		d.openDuring(begin)
		switch d.IntN(3) {
		case 0:
			d.add(sim.Crash{Client: d.client(), Span: sim.Span{From: begin - 50*ms, For: 50 * ms}})
		case 1:
			away := w.Tombstones + 500*ms
			d.add(sim.Lag{Client: d.client(), Span: sim.Span{From: begin + 50*ms - away, For: away}})
		}
		d.add(f)
	}
}
