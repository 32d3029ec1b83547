package scenarios

import (
	"slices"
	"strings"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// protocol makes brokers answer with what the table of error codes has.
func protocol(d *draw) {
	d.impatient()
	if d.IntN(2) == 0 {
		d.p.Workload.Workers = 2
	}
	d.times(3, 7, d.answer)
	if d.p.World.Brokers > 1 {
		d.times(0, 2, d.moveLeader)
	}
	d.times(0, 1, d.crash)
	d.times(0, 1, d.reset)
	d.times(0, 1, d.loseAnswerToWrite)
	d.times(0, 1, d.compact)
	if d.IntN(3) == 0 {
		d.absentAfterDenial()
	}
}

// absentAfterDenial lets a client that opens hear once that it may not see the topic's settings, and then
// keeps it from the log for longer than tombstones are kept.
func (d *draw) absentAfterDenial() {
	l := &d.p.Workload
	l.Keys, l.Delete, l.Range, l.Zipf = 120, 3*l.Delete, 3*l.Range, 0.5
	d.p.World.Tombstones = d.between(1200*ms, 2000*ms)
	client, at := d.client(), d.between(d.p.Phases.Faults/2, d.p.Phases.Faults*2/3) // few are written again afterwards
	d.add(sim.Answer{Client: client, API: "describe-configs", Error: "TOPIC_AUTHORIZATION_FAILED", Count: 1, Span: sim.Span{From: at, For: 3 * time.Second}})
	d.add(sim.Crash{Client: client, Span: sim.Span{From: at + 50*ms, For: 10 * ms}})
	d.add(sim.Compact{Every: d.between(100*ms, 300*ms), Span: sim.Span{From: at, For: 14 * time.Second}})
	d.add(sim.Lag{Client: client, Span: sim.Span{From: at + d.between(1500*ms, 3000*ms), For: d.between(4000*ms, 7000*ms)}})
}

// answer makes brokers answer with an error code that is drawn from the table, and lets something happen
// that makes clients send the request, if they rarely do.
func (d *draw) answer() { d.answerFrom(sim.AnswerCells()) }

// answerBeside is answer for plans with all other faults, of which some keep an opening from getting as
// far as to create the topic.
func (d *draw) answerBeside() {
	d.answerFrom(slices.DeleteFunc(sim.AnswerCells(), func(c sim.AnswerCell) bool { return d.answerOf(c).API == "create-topics" }))
}

func (d *draw) answerFrom(cells []sim.AnswerCell) {
	f := d.answerOf(cells[d.IntN(len(cells))])
	if d.IntN(2) == 0 {
		f.Count = 1 + d.IntN(8)
	}
	if d.IntN(3) > 0 {
		f.Client = d.client()
	}
	if d.IntN(4) == 0 {
		f.Throttle = d.between(1*ms, 300*ms)
	}
	f.Span = d.span(200*ms, 3000*ms)
	d.provoked(&f)
	d.add(f)
}

func (d *draw) answerOf(c sim.AnswerCell) sim.Answer {
	f, err := sim.ParseFault(c.Fault)
	if err != nil {
		panic(err) // the table is a part of the program
	}
	return f.(sim.Answer)
}

// provoked adds what makes clients send the requests that the fault is about.
func (d *draw) provoked(f *sim.Answer) {
	inside := func() time.Duration { return f.From + d.between(20*ms, f.For/2) }
	switch f.API {
	case "metadata":
		// What all brokers say for longer than 1.2 seconds is believed.
		if strings.HasPrefix(f.Error, "UNKNOWN_TOPIC") {
			f.For = min(f.For, 1200*ms)
		}
	case "init-producer-id", "offset-for-leader-epoch":
		// A new leader makes clients ask where the epoch of the last one ended, and take another producer.
		if d.p.World.Brokers > 1 {
			d.add(sim.MoveLeader{Span: sim.Span{From: inside()}})
		} else {
			d.add(sim.Restart{Broker: "leader", Span: sim.Span{From: inside(), For: 20 * ms}})
		}
	case "describe-configs":
		f.Client = d.client()
		d.add(sim.Crash{Client: f.Client, Span: sim.Span{From: inside(), For: 10 * ms}})
	case "create-topics":
		// A client that opens and hears from all brokers that there is no such topic creates it.
		f.Client, f.Count = d.client(), 0
		f.For = max(f.For, 2500*ms)
		d.add(sim.StaleMetadata{Knows: "unknown", Span: sim.Span{From: f.From + 10*ms, For: 1200 * ms}})
		d.add(sim.Crash{Client: f.Client, Span: sim.Span{From: f.From + d.between(50*ms, 200*ms), For: 10 * ms}})
	case "api-versions", "sasl-handshake", "sasl-authenticate":
		if !slices.ContainsFunc(d.p.Faults, func(x sim.Fault) bool { return x.Kind() == sim.Reset{}.Kind() }) {
			d.add(sim.Reset{Client: f.Client, Span: sim.Span{From: inside()}})
		}
	}
}
