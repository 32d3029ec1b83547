package scenarios

import (
	"strconv"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// producers makes brokers forget their producers, half of the time right after an answer to
// a producer was lost.
func producers(d *draw) {
	d.forgetOften()
	d.times(1, 4, d.loseAnswerToWrite)
	d.times(0, 2, d.failProduce)
	if d.p.World.Brokers > 1 {
		d.times(0, 2, d.moveLeader)
	}
	d.times(0, 1, d.restart)
	d.times(0, 1, d.abandon)
	// A client looks into the log for a write that was not answered: that fails, too.
	looks := []func(){d.failFetch, d.throttle, d.silence}
	d.times(0, 3, func() { looks[d.IntN(len(looks))]() })
	d.times(0, 2, d.removeBeforeLook)
	if d.IntN(3) == 0 {
		d.removeForgotten()
	}
	if d.IntN(2) == 0 {
		d.times(1, 3, d.lookAtLess)
	}
}

// answers makes brokers give rare answers: stale, throttled, refused.
func answers(d *draw) {
	all := []func(){d.stale, d.stale, d.throttle, d.failFetch, d.withhold}
	d.times(3, 7, func() { all[d.IntN(len(all))]() })
	if d.p.World.Brokers > 1 {
		d.times(0, 2, d.moveLeader)
	}
	d.times(0, 1, d.reset)
	d.times(0, 1, d.herd)
	if d.IntN(4) == 0 {
		d.withholdFromRereaders()
	}
	if d.IntN(2) == 0 {
		d.withholdUntilRestart()
	}
	if d.IntN(2) == 0 {
		d.staleTwice()
	}
}

func rights(d *draw) {
	d.impatient()
	d.times(1, 3, d.revoke)
	d.times(1, 3, d.changePassword)
	d.times(0, 2, d.reset)
	d.times(0, 1, d.crash)
	d.times(0, 1, d.restart)
}

func settings(d *draw) {
	d.impatient()
	if d.IntN(2) == 0 {
		d.p.World.MaxMessage, d.p.Workload.Value = []int{1500, 3000}[d.IntN(2)], 4096
	}
	d.times(2, 5, d.alter)
	if d.p.World.Brokers > 2 && d.IntN(2) == 0 {
		d.p.World.MinInSync = 2
		d.times(1, 2, d.restart)
	}
	if d.p.World.Brokers > 1 {
		d.times(0, 2, d.belowMinimum)
	}
	d.times(0, 1, d.compact)
	d.times(0, 1, d.crash)
	if d.IntN(2) == 0 {
		d.readLittle()
		d.add(sim.AlterTopic{Config: "max.message.bytes", Value: "65536", Span: d.span(1500*ms, 4000*ms)})
	}
}

// readLittle makes clients read answers that are hardly larger than the largest record batch, and
// write values that would not fit one.
func (d *draw) readLittle() {
	d.p.World.MaxMessage = []int{1500, 3000}[d.IntN(2)]
	d.p.World.ReadBytes = d.p.World.MaxMessage + 1000 + d.IntN(500)
	d.p.Workload.Value = 8192
}

// outage stops the brokers for longer than callers wait and writes may take. Writes that
// were given up must not arrive after later ones.
func outage(d *draw) {
	d.p.Workload.Timeout = d.between(800*ms, 2500*ms)
	d.p.World.DeliveryTimeout = d.between(1000*ms, 5000*ms)
	d.times(1, 3, func() { d.add(sim.RestartAll{Span: d.span(1000*ms, 6000*ms)}) })
	d.times(0, 2, func() { d.add(sim.Stall{Dir: d.dir(), Span: d.span(1000*ms, 6000*ms)}) })
	d.times(0, 2, func() { d.add(sim.BlackHole{Client: d.client(), Dir: d.dir(), Span: d.span(1000*ms, 6000*ms)}) })
	d.times(0, 2, d.silence)
	d.times(0, 2, d.slowBroker)
	d.times(0, 1, d.forgetOften)
}

// hostile makes others write batches that no client can take, and leaders answer in a way that makes
// clients ask again immediately.
func hostile(d *draw) {
	d.impatient()
	d.times(2, 3, d.hostileBatch)
	d.times(1, 2, d.haste)
	d.times(0, 1, d.crash)
	d.times(0, 1, d.compact)
	d.smallFetches()
	if d.IntN(2) == 0 {
		d.comeBehindRemoved()
	}
}

// quotas makes clients exceed quotas, for longer than a fetch may take too.
func quotas(d *draw) {
	d.p.World.Tombstones = time.Minute // or clients reread the log because they were away
	d.impatient()
	d.times(1, 3, d.throttle)
	d.times(1, 2, func() {
		d.add(sim.Throttle{API: [...]string{"fetch", "produce", ""}[d.IntN(3)], Delay: d.between(2500*ms, 5000*ms), Span: d.span(6000*ms, 12_000*ms)})
	})
	d.times(0, 1, d.crash)
}

// impatient makes callers give up, half of the time, before faults are over.
func (d *draw) impatient() {
	if d.IntN(2) == 0 {
		d.p.Workload.Timeout = d.between(600*ms, 2000*ms)
	}
}

// forget makes brokers forget the producers, once in a plan, because the first of two such
// faults may affect no producer.
func (d *draw) forget() {
	for _, f := range d.p.Faults {
		if f.Kind() == (sim.ForgetProducers{}).Kind() {
			return
		}
	}
	if d.IntN(2) == 0 {
		d.forgetOften()
		d.loseAnswerToWrite()
		return
	}
	f := sim.ForgetProducers{Mode: d.forgetMode(), Span: d.span(500*ms, 3000*ms)}
	if f.Elections = d.p.World.Brokers > 1 && d.IntN(2) == 0; f.Elections {
		d.add(sim.MoveLeader{Span: sim.Span{From: f.From + d.between(50*ms, f.For-50*ms)}})
		d.loseAnswerToWrite()
	}
	d.add(f)
}

func (d *draw) forgetMode() string { return [...]string{"accept", "refuse", "deny"}[d.IntN(3)] }

// forgetOften makes brokers forget again and again, so that it happens between a write and
// its next try.
func (d *draw) forgetOften() {
	at := d.between(0, d.p.Phases.Faults/4)
	d.add(sim.ForgetProducers{
		Mode: d.forgetMode(), Every: d.between(20*ms, 1500*ms), Span: sim.Span{From: at, For: d.p.Phases.Faults - at},
	})
}

func (d *draw) loseAnswerToWrite() {
	d.add(sim.LoseAnswer{Client: d.anyClient(), API: "produce", Count: 1 + d.IntN(3), Span: d.span(500*ms, 2500*ms)})
}

// lookAtLess loses the answers to a client's writes while leaders show less than their log has, so
// that the client can't see where it looks for them.
func (d *draw) lookAtLess() {
	at := d.span(800*ms, 1800*ms)
	d.add(sim.LoseAnswer{Client: d.client(), API: "produce", Count: 1 + d.IntN(2), Span: at})
	d.add(sim.OlderEnds{Back: 1 + d.IntN(8), Span: at})
	if d.p.World.Brokers > 1 {
		d.add(sim.MoveLeader{Span: sim.Span{From: at.From + d.between(50*ms, 400*ms)}})
	}
}

// removeBeforeLook loses the answers to a client's writes, and removes records before the
// client can look for them in the log.
func (d *draw) removeBeforeLook() {
	hole := sim.BlackHole{Client: d.client(), Dir: "to-client", Span: d.span(700*ms, 2500*ms)}
	d.add(hole)
	at := hole.From + d.between(hole.For/2, hole.For)
	if d.IntN(2) == 0 {
		d.add(sim.DeleteRecords{Keep: d.IntN(4), Span: sim.Span{From: at}})
		return
	}
	d.add(sim.Compact{Every: d.between(50*ms, 200*ms), Span: sim.Span{From: at, For: d.between(300*ms, 800*ms)}})
}

// removeForgotten removes records before clients can look for them, when brokers forget producers so
// often that they accept whatever is sent again. With few keys, others supersede what is looked for.
func (d *draw) removeForgotten() {
	for i, f := range d.p.Faults {
		if f, ok := f.(sim.ForgetProducers); ok {
			f.Mode, f.Every = "accept", d.between(20*ms, 100*ms)
			d.p.Faults[i] = f
		}
	}
	d.p.Workload.Keys = 4
	d.p.World.RequestTimeout = time.Second
	d.times(2, 4, d.removeBeforeLook)
}

func (d *draw) stale() {
	knows := []string{"unknown", "other-id", "partitions", "election"}
	f := sim.StaleMetadata{Knows: knows[d.IntN(len(knows))], Span: d.span(300*ms, 4000*ms)}
	if d.IntN(3) > 0 && d.p.World.Brokers > 1 {
		f.Broker = d.broker()
	} else if f.For /= 3; f.For > 1200*ms { // what all brokers say for longer is believed
		f.For = 1200 * ms
	}
	if d.IntN(2) == 0 {
		f.Count = 1 + d.IntN(6)
	}
	d.add(f)
}

// staleTwice makes all brokers deny the topic twice, each time for too short to be believed. In
// between they are right, and a client, or each of them, can't hear it. The time from the first denial
// to the last would be long enough.
func (d *draw) staleTwice() {
	knows := [...]string{"unknown", "other-id"}[d.IntN(2)]
	first := sim.Span{From: d.between(0, d.p.Phases.Faults/2), For: d.between(800*ms, 1100*ms)}
	deaf := sim.Span{From: first.From + first.For - d.between(50*ms, 150*ms), For: d.between(2700*ms, 3200*ms)}
	second := sim.Span{From: deaf.From + deaf.For - d.between(50*ms, 150*ms), For: d.between(1000*ms, 1300*ms)}
	after := sim.Span{From: deaf.From + deaf.For + 10*ms} // what a connection lost, it does not get later
	d.add(sim.StaleMetadata{Knows: knows, Span: first})
	switch client := d.client(); d.IntN(4) {
	case 0:
		d.add(sim.BlackHole{Client: client, Span: deaf})
		d.add(sim.Reset{Client: client, Span: after})
	case 1:
		d.add(sim.Pause{Client: client, Span: deaf})
	case 2:
		d.add(sim.Silence{Span: deaf})
		d.add(sim.Reset{Span: after})
	default:
		d.add(sim.RestartAll{Span: deaf})
	}
	d.add(sim.StaleMetadata{Knows: knows, Span: second})
}

// withhold makes leaders withhold records, half of the time for longer than it takes to be
// believed. Where tombstones stay for long, a client that believes it goes on; otherwise it
// may have missed some, and rereads the log.
func (d *draw) withhold() {
	if d.IntN(3) > 0 {
		d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	}
	d.add(sim.WithholdRecords{Span: d.span(300*ms, 5000*ms)})
}

// withholdFromRereaders keeps all clients from the log for so long that they reread it, and then
// makes leaders withhold records for longer than it takes to be believed.
func (d *draw) withholdFromRereaders() {
	d.p.World.Tombstones = 8 * time.Second
	away := sim.Silence{Span: sim.Span{From: d.between(0, d.p.Phases.Faults/2), For: d.between(1000*ms, 4000*ms)}}
	d.add(away)
	d.add(sim.WithholdRecords{Span: sim.Span{From: away.From + away.For, For: d.between(4000*ms, 7000*ms)}})
}

// withholdUntilRestart makes leaders withhold records for long enough to be believed. Then the leader
// is down: the next one has the records, but clients may not hear immediately how long tombstones stay.
func (d *draw) withholdUntilRestart() {
	d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	f := sim.WithholdRecords{Span: d.span(3500*ms, 5500*ms)}
	d.add(f)
	down := sim.Span{From: f.From + f.For + d.between(0, 500*ms), For: d.between(500*ms, 2000*ms)}
	d.add(sim.Restart{Broker: "leader", Move: d.p.World.Brokers > 1, Span: down})
}

// silence makes brokers accept connections and say nothing.
func (d *draw) silence() {
	d.add(sim.Silence{Broker: [...]string{"", "leader"}[d.IntN(2)], Span: d.span(300*ms, 4000*ms)})
}

func (d *draw) throttle() {
	f := sim.Throttle{API: [...]string{"fetch", "fetch", "produce", "list-offsets", ""}[d.IntN(5)], Delay: d.between(1*ms, 800*ms), Span: d.span(300*ms, 2500*ms)}
	if d.IntN(2) == 0 {
		f.Count = 1 + d.IntN(20)
	}
	d.add(f)
}

func (d *draw) hostileBatch() {
	f := sim.HostileBatch{Does: [...]string{"inflate", "claim"}[d.IntN(2)], Span: d.span(300*ms, 4000*ms)}
	if f.Does == "inflate" && d.IntN(2) == 0 {
		f.Removed = "compact"
	}
	d.add(f)
}

// comeBehindRemoved lets a client come to a batch that it can't take when compaction has removed all
// that an earlier leader had written last: the records that superseded it are behind the batch. That
// stays for a while.
func (d *draw) comeBehindRemoved() {
	d.p.World.Tombstones = 15 * time.Second
	l := &d.p.Workload
	l.Keys, l.Workers, l.Timeout = 4, 4, d.between(600*ms, 1200*ms)
	late := sim.Lag{Client: d.client(), Span: d.span(1500*ms, 3000*ms)}
	d.add(late)
	d.add(sim.Compact{Every: d.between(50*ms, 200*ms), Span: late.Span})
	if d.p.World.Brokers > 1 {
		d.add(sim.MoveLeader{Span: sim.Span{From: late.From + d.between(50*ms, 300*ms)}})
	}
	after := d.between(300*ms, 700*ms)
	d.add(sim.HostileBatch{Does: "claim", Span: sim.Span{From: late.From + after, For: late.For - after + d.between(500*ms, 1500*ms)}})
}

// keepHostileAway makes hostile batches be deleted where they would come back after compaction.
func (d *draw) keepHostileAway() {
	back := d.has(sim.UncompactedLeader{}.Kind())
	for i, f := range d.p.Faults {
		if h, ok := f.(sim.HostileBatch); ok && back {
			h.Removed = ""
			d.p.Faults[i] = h
		}
	}
}

// haste makes leaders let fetches not wait, or name older ends: for less long than tombstones stay, as
// a client then takes an older end for the end.
func (d *draw) haste() {
	if d.IntN(2) == 0 {
		d.add(sim.AnswerAtOnce{Span: d.span(1000*ms, 5000*ms)})
		return
	}
	d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	d.add(sim.OlderEnds{Back: 1 + d.IntN(8), Span: d.span(500*ms, 4000*ms)})
}

func (d *draw) failFetch() {
	errs := []string{
		"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_ID",
		"OFFSET_OUT_OF_RANGE", "KAFKA_STORAGE_ERROR", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "OFFSET_NOT_AVAILABLE",
	}
	f := sim.FailFetch{Error: errs[d.IntN(len(errs))], Span: d.span(200*ms, 2500*ms)}
	if d.IntN(2) == 0 {
		f.Count = 1 + d.IntN(12)
	}
	d.add(f)
}

func (d *draw) belowMinimum() { d.add(sim.BelowMinimum{Span: d.span(200*ms, 4000*ms)}) }

func (d *draw) revoke() {
	d.add(sim.Revoke{Client: d.client(), Right: [...]string{"read", "write", "all"}[d.IntN(3)], Span: d.span(200*ms, 3500*ms)})
}

func (d *draw) changePassword() {
	d.add(sim.ChangePassword{Client: d.client(), Span: d.span(200*ms, 3500*ms)})
}

func (d *draw) alter() {
	f := sim.AlterTopic{Span: d.span(500*ms, 5000*ms)}
	switch d.IntN(4) {
	case 0:
		f.Config, f.Value = "max.message.bytes", strconv.Itoa([]int{1000, 1500, 4096, 1 << 16, 8 << 20}[d.IntN(5)])
	case 1:
		f.Config, f.Value = "delete.retention.ms", strconv.FormatInt(d.between(1200*ms, 10*time.Second).Milliseconds(), 10)
	case 2:
		f.Config, f.Value = "cleanup.policy", [...]string{"delete", "compact,delete"}[d.IntN(2)]
	default:
		f.Config, f.Value = "min.insync.replicas", strconv.Itoa(1+d.IntN(d.p.World.Brokers+1))
	}
	d.add(f)
}
