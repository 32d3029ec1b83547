package scenarios

import (
	"slices"
	"strconv"
	"time"

	"github.com/kvsim/kvsim/sim"
)

const ms = time.Millisecond

func lag(d *draw) {
	d.times(3, 6, d.lag)
	d.smallFetches()
}

// smallFetches makes clients read the log in small pieces, half of the time. Tombstones then
// stay for long enough to read all of it.
func (d *draw) smallFetches() {
	if d.IntN(2) == 0 {
		d.p.World.FetchBytes = []int{4000, 16_000}[d.IntN(2)]
		d.p.World.Tombstones = max(d.p.World.Tombstones, 8*time.Second)
	}
}

func restart(d *draw) {
	d.times(2, 4, d.restart)
	d.restartAll()
	if d.p.World.Brokers > 1 && d.IntN(2) == 0 {
		d.rolling()
	}
}

func compaction(d *draw) {
	d.compact()
	d.times(1, 3, d.compact)
	d.times(1, 2, d.lag)
	d.times(1, 2, d.crash)
	// By then the first tombstones have expired.
	d.add(sim.Compact{Span: sim.Span{From: d.p.Phases.Faults - 2*time.Second, For: time.Second}})
	if d.IntN(2) == 0 {
		d.fallBehind()
	}
	d.times(0, 2, d.uncompacted)
	if d.IntN(4) == 0 {
		d.betweenCopies()
	}
}

// fallBehind makes clients wait for what they read only later, a little at a time, while
// compaction removes it.
func (d *draw) fallBehind() {
	l := &d.p.Workload
	l.Workers, l.Wait, l.BarrierRange = []int{2, 4}[d.IntN(2)], 3*l.Wait, 3*l.BarrierRange
	d.p.World.FetchBytes = []int{400, 1500}[d.IntN(2)]
	d.times(3, 6, d.lagWhileCompacted)
}

// absence keeps clients from the log for about as long as tombstones are kept: for less, so
// that they may read on, and for more, so that they must not.
func absence(d *draw) {
	l := &d.p.Workload
	l.Keys, l.Delete, l.Zipf = []int{12, 36, 120}[d.IntN(3)], 3*l.Delete, 0.5
	d.p.World.Tombstones = d.between(1200*ms, 4000*ms)
	d.add(sim.Compact{Every: d.between(100*ms, 500*ms), Span: sim.Span{For: d.p.Phases.Faults}})
	d.times(3, 6, d.absent)
	d.times(0, 2, d.openSlowly)
	d.times(0, 2, d.uncompacted)
	if d.IntN(4) == 0 {
		d.rereadWhileCompacted()
	}
}

// absent keeps a client from the log for up to three times as long as tombstones
// are kept, or 24 seconds: other faults on it have to outlast that.
func (d *draw) absent() {
	kept := min(d.p.World.Tombstones, 8*time.Second)
	s := d.span(kept/4, 3*kept)
	switch d.IntN(6) {
	case 0:
		d.add(sim.Pause{Client: d.client(), Span: s})
	case 1:
		d.add(sim.BlackHole{Client: d.client(), Dir: d.dir(), Span: s})
	case 2:
		d.add(sim.Stall{Client: d.client(), Dir: d.dir(), Span: s})
	case 3:
		d.add(sim.SlowStorage{Client: d.client(), Delay: d.between(kept/8, kept), Span: s})
	default:
		d.add(sim.Lag{Client: d.anyClient(), Span: s})
	}
}

// openSlowly makes a client start again while its storage is so slow that reading the log
// may take longer than tombstones are kept.
func (d *draw) openSlowly() {
	kept := d.p.World.Tombstones
	f := sim.Crash{Client: d.client(), Span: d.span(0, 500*ms)}
	d.add(f)
	d.add(sim.SlowStorage{Client: f.Client, Delay: d.between(kept/8, kept/2), Span: sim.Span{From: f.From, For: d.between(kept, 3*kept)}})
}

func crash(d *draw) { d.times(3, 7, d.crash) }

func network(d *draw) {
	all := []func(){d.loseRequest, d.loseAnswer, d.loseAnswer, d.cutFrame, d.reset, d.stall, d.latency, d.blackHole}
	d.times(4, 8, func() { all[d.IntN(len(all))]() })
}

func leader(d *draw) {
	d.p.World.Brokers = max(2, d.p.World.Brokers)
	d.times(2, 4, d.moveLeader)
	d.times(1, 3, d.failProduce)
	if d.IntN(2) == 0 {
		d.slowBroker()
	}
	if d.IntN(2) == 0 {
		d.compact()
		d.times(1, 2, d.uncompacted)
	}
}

func transactions(d *draw) {
	d.times(2, 5, d.transaction)
	d.times(1, 2, d.keyless)
	d.times(0, 2, d.compact)
	d.times(0, 1, d.compactUnderTransaction)
	d.times(1, 3, d.coordinator)
	d.times(0, 2, d.transactionsOfTwoLeaders)
	d.times(0, 1, d.abandon)
}

func herd(d *draw) {
	d.times(2, 3, d.herd)
	d.times(1, 2, d.compact)
}

func slowClients(d *draw) {
	d.times(1, 2, d.slowStorage)
	d.times(1, 2, d.failStorage)
	d.times(1, 2, d.slowHooks)
	d.times(1, 2, d.pause)
}

func dataLoss(d *draw) {
	d.times(1, 2, d.loseTail)
	d.times(0, 1, d.loseTailUnnoticed)
	d.times(0, 1, d.rebuildSlowly)
	d.times(0, 2, d.deleteRecords)
	d.times(0, 2, d.lag)
	d.times(0, 1, d.crash)
	if d.IntN(2) == 0 {
		d.loseTailBehindOlderEnd()
	}
	if d.IntN(2) == 0 {
		d.times(1, 3, d.deleteWhereTailWasLost)
	}
	if d.IntN(2) == 0 {
		d.times(2, 4, d.loseUnreadWrites)
	}
	if d.IntN(2) == 0 {
		d.times(1, 3, d.loseTailTwice)
	}
	if d.IntN(3) == 0 {
		d.times(1, 2, d.loseTailBehindOlderDecision)
	}
	if d.IntN(2) == 0 {
		d.times(3, 5, d.loseWriteWhileRereading)
	}
	if d.IntN(2) == 0 {
		d.times(1, 3, d.deleteInsideABatch)
	}
}

func unclean(d *draw) {
	l := &d.p.Workload
	l.Workers, l.Put = 2, 2*l.Put
	d.times(4, 6, d.loseTailUnstored)
	d.times(0, 2, d.loseTailUnnoticed)
	// A write in doubt is then below the offset where its client expects it, and the
	// remaining broker may not know its producer.
	if d.IntN(2) == 0 {
		d.forgetOften()
		d.times(2, 5, d.loseAnswerToWrite)
	} else {
		// The next batch of a client is appended where a write that it has not read was lost, and
		// ends behind it.
		l.Workers, l.Batch = 4, 6*l.Batch
		d.add(sim.ForgetProducers{Mode: "accept", Elections: true, Span: sim.Span{For: d.p.Phases.Faults}})
	}
}

func recreate(d *draw) {
	l := &d.p.Workload
	l.Workers, l.BarrierGet, l.BarrierRange = 3, 3*l.BarrierGet, 3*l.BarrierRange
	d.recreate()
	d.recreateUnnoticed()
	d.times(0, 2, d.lag)
	d.times(0, 1, d.crash)
}

// growth adds partitions to the topic while clients write. Meanwhile leaders move and brokers
// refuse writes, so that producers look at the topic again.
func growth(d *draw) {
	d.grow()
	d.times(0, 1, d.grow)
	if d.p.World.Brokers > 1 {
		d.times(0, 2, d.moveLeader)
	}
	d.times(0, 2, d.failProduce)
	d.times(0, 1, d.lag)
}

func liveness(d *draw) {
	d.p.World.Brokers = max(2, d.p.World.Brokers)
	d.p.Phases.DeadClients = min(1+d.IntN(2), d.p.World.Clients-1)
	d.p.Phases.DeadBroker = strconv.Itoa(d.IntN(d.p.World.Brokers))
	d.times(1, 2, d.restart)
	d.times(0, 2, d.crash)
	d.times(0, 2, d.lag)
}

// everything does swarm testing (Groce and others, 2012): plans that leave out most kinds of
// faults and have many of a few kinds find more bugs than plans with a few of every kind.
func everything(d *draw) {
	kinds := []func(){
		d.lag, d.pause, d.crash, d.herd, d.slowStorage, d.failStorage, d.slowHooks,
		d.latency, d.stall, d.blackHole, d.loseRequest, d.loseAnswer, d.cutFrame, d.reset,
		d.restart, d.restartAll, d.compact, d.transaction, d.compactUnderTransaction, d.coordinator, d.transactionsOfTwoLeaders, d.abandon, d.keyless, d.failProduce, d.slowBroker,
		d.loseTail, d.deleteRecords, d.recreate, d.grow,
		d.absentWhileCompacted, d.forget, d.stale, d.withhold, d.silence, d.throttle, d.haste, d.hostileBatch, d.failFetch, d.revoke, d.changePassword, d.alter, d.answerBeside,
	}
	if d.p.World.Brokers > 1 {
		kinds = append(kinds, d.rolling, d.moveLeader, d.belowMinimum, d.compactedByOne)
	}
	d.swarmWorkload()
	d.swarmWorld()
	n := 2 + d.IntN(6)
	for _, i := range d.Perm(len(kinds))[:n] {
		d.times(1, 3, kinds[i])
	}
	if d.IntN(4) == 0 && d.p.World.Brokers > 1 {
		d.p.Phases.DeadClients = min(d.IntN(2), d.p.World.Clients-1)
		d.p.Phases.DeadBroker = strconv.Itoa(d.IntN(d.p.World.Brokers))
	}
	d.smallFetches()
	if d.IntN(3) == 0 {
		d.times(1, 2, d.lagWhileCompacted)
	}
	if d.IntN(10) == 0 {
		d.deleteWhereTailWasLost()
	}
	if d.IntN(12) == 0 && !d.has(sim.HostileBatch{}.Kind()) {
		d.readLittle()
	}
	if d.IntN(2) == 0 {
		d.unusual(30, 40)
	}
}

// has reports whether the plan has a fault of the kind.
func (d *draw) has(kind string) bool {
	return slices.ContainsFunc(d.p.Faults, func(f sim.Fault) bool { return f.Kind() == kind })
}

// swarmWorkload draws what the clients do.
func (d *draw) swarmWorkload() {
	l := &d.p.Workload
	l.Keys = []int{6, 18, 36, 120}[d.IntN(4)]
	l.Zipf = []float64{0, 0.7, 1.1, 1.6}[d.IntN(4)]
	l.Burst = []int{1, 4, 12, 40}[d.IntN(4)]
	l.Value = []int{64, 512, 1024, 16 << 10}[d.IntN(4)]
	l.Workers = []int{1, 1, 2, 4}[d.IntN(4)]
	for _, w := range []*int{&l.Delete, &l.Batch, &l.Range, &l.BarrierGet, &l.BarrierRange, &l.Sync, &l.Wait} {
		*w = *w * d.IntN(4) / 2
	}
	w := &d.p.World
	w.LatencyMean = []time.Duration{500 * time.Microsecond, ms, 3 * ms}[d.IntN(3)]
}

// swarmWorld draws what the topic and the writes are like.
func (d *draw) swarmWorld() {
	w := &d.p.World
	w.Tombstones = []time.Duration{1200 * ms, 2500 * ms, 4000 * ms, 8000 * ms}[d.IntN(4)]
	w.DeliveryTimeout = []time.Duration{0, 0, 1500 * ms, 6000 * ms}[d.IntN(4)]
	if w.Brokers > 2 && d.IntN(4) == 0 {
		w.MinInSync = 2
	}
	if d.IntN(8) == 0 {
		w.MaxMessage = 3000
	}
}

func (d *draw) lag() { d.add(sim.Lag{Client: d.anyClient(), Span: d.span(300*ms, 3000*ms)}) }

func (d *draw) pause() { d.add(sim.Pause{Client: d.client(), Span: d.span(200*ms, 2500*ms)}) }

func (d *draw) crash() { d.add(sim.Crash{Client: d.client(), Span: d.span(0, 1500*ms)}) }

func (d *draw) herd() { d.add(sim.Herd{Readers: 3 + d.IntN(6), Span: d.once()}) }

func (d *draw) slowStorage() {
	d.add(sim.SlowStorage{Client: d.anyClient(), Delay: d.between(1*ms, 60*ms), Span: d.span(500*ms, 2500*ms)})
}

func (d *draw) failStorage() {
	f := sim.FailStorage{Client: d.anyClient(), Span: d.span(100*ms, 1500*ms)}
	if d.IntN(2) == 0 {
		f.Every, f.Span = 2+d.IntN(6), d.span(1000*ms, 4000*ms)
	}
	d.add(f)
}

func (d *draw) slowHooks() {
	f := sim.SlowHooks{Client: d.anyClient(), Delay: d.between(1*ms, 20*ms), Span: d.span(500*ms, 2500*ms)}
	if d.IntN(4) == 0 { // so slow that the client has to say so
		f.Delay = d.between(1050*ms, 2500*ms)
	}
	d.add(f)
}

func (d *draw) latency() {
	f := sim.Latency{Mean: d.between(2*ms, 80*ms), Dir: d.dir(), Span: d.span(500*ms, 3000*ms)}
	if d.IntN(2) == 0 {
		f.Client = d.client()
	} else {
		f.Broker = "leader"
	}
	d.add(f)
}

func (d *draw) stall() {
	d.add(sim.Stall{Client: d.anyClient(), Broker: [...]string{"", "leader"}[d.IntN(2)], Dir: d.dir(), Span: d.span(200*ms, 2500*ms)})
}

func (d *draw) blackHole() {
	d.add(sim.BlackHole{Client: d.client(), Dir: d.dir(), Span: d.span(500*ms, 2500*ms)})
}

// some draws the requests of a fault that takes effect a number of times. A broker answers
// all waiting fetches at one instant, in random order; so such a fault is limited to one
// client, in order to hit the same ones in each run.
func (d *draw) some() (client, api string) {
	if d.IntN(3) == 0 {
		return d.client(), "fetch"
	}
	return d.anyClient(), "produce"
}

func (d *draw) loseRequest() {
	client, api := d.some()
	d.add(sim.LoseRequest{Client: client, API: api, Count: 1 + d.IntN(4), Span: d.span(1000*ms, 4000*ms)})
}

func (d *draw) loseAnswer() {
	client, api := d.some()
	d.add(sim.LoseAnswer{Client: client, API: api, Count: 1 + d.IntN(4), Span: d.span(1000*ms, 4000*ms)})
}

func (d *draw) cutFrame() {
	client, api := d.some()
	d.add(sim.CutFrame{Client: client, API: api, Bytes: d.IntN(80), Count: 1 + d.IntN(3), Dir: d.dir(), Span: d.span(1000*ms, 4000*ms)})
}

func (d *draw) reset() { d.add(sim.Reset{Client: d.anyClient(), Span: d.once()}) }

func (d *draw) restart() {
	d.add(sim.Restart{Broker: d.broker(), Move: d.p.World.Brokers > 1 && d.IntN(2) == 0, Span: d.span(50*ms, 2000*ms)})
}

func (d *draw) restartAll() { d.add(sim.RestartAll{Span: d.span(20*ms, 1500*ms)}) }

func (d *draw) rolling() { d.add(sim.Rolling{Down: d.between(50*ms, 500*ms), Span: d.once()}) }

func (d *draw) moveLeader() { d.add(sim.MoveLeader{Span: d.once()}) }

func (d *draw) failProduce() {
	f := sim.FailProduce{Count: 1 + d.IntN(5), Span: d.span(1000*ms, 3000*ms)}
	if f.After = d.IntN(2) == 0; f.After {
		f.Error = [...]string{"REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"}[d.IntN(2)]
	} else {
		f.Error = [...]string{"NOT_LEADER_FOR_PARTITION", "NOT_ENOUGH_REPLICAS", "KAFKA_STORAGE_ERROR", "REQUEST_TIMED_OUT"}[d.IntN(4)]
	}
	d.add(f)
}

func (d *draw) slowBroker() {
	api := "produce"
	if l := &d.p.Workload; d.IntN(2) == 0 && l.BarrierGet+l.BarrierRange+l.Sync > 5 {
		api = "list-offsets" // what a barrier asks for
	}
	// For all brokers: only the leader is asked, whichever that is by then.
	d.add(sim.SlowBroker{API: api, Delay: d.between(5*ms, 300*ms), Count: 1 + d.IntN(8), Span: d.span(500*ms, 3000*ms)})
}

// compact compacts again and again, half of the time while clients open.
func (d *draw) compact() {
	f := sim.Compact{Every: d.between(100*ms, 900*ms), Span: d.span(1000*ms, 5000*ms)}
	if d.IntN(2) == 0 {
		d.openDuring(f.From + f.Every)
	}
	d.add(f)
}

// openDuring makes clients start to open a little before an instant, so that they are still
// opening then.
func (d *draw) openDuring(at time.Duration) {
	d.add(sim.Herd{Readers: 3 + d.IntN(6), Span: sim.Span{From: at - 3*ms}})
}

// transaction makes clients open, half of the time, when its marker is the end of the log,
// or was a moment ago.
func (d *draw) transaction() {
	f := sim.Transaction{Records: 1 + d.IntN(5), End: [...]string{"commit", "abort"}[d.IntN(2)], Span: d.span(100*ms, 2500*ms)}
	if d.IntN(2) == 0 {
		d.openDuring(f.From + f.For + 5*ms)
	}
	d.add(f)
}

// compactUnderTransaction compacts again and again from before a transaction until
// after its end.
func (d *draw) compactUnderTransaction() {
	f := sim.Transaction{Records: 1 + d.IntN(5), End: [...]string{"commit", "abort"}[d.IntN(2)], Span: d.span(500*ms, 2500*ms)}
	f.From += 200 * ms
	d.add(sim.Compact{Every: d.between(50*ms, 300*ms), Span: sim.Span{From: f.From - 200*ms, For: f.For + 600*ms}})
	d.add(f)
}

// abandon leaves a foreign transaction open until its coordinator aborts it.
func (d *draw) abandon() {
	d.add(sim.AbandonTransaction{Records: 1 + d.IntN(5), Timeout: d.between(50*ms, 3000*ms), Span: d.once()})
}

// coordinator makes the coordinators of transactions load, move or be slow.
func (d *draw) coordinator() {
	switch d.IntN(3) {
	case 0:
		d.add(sim.LoadCoordinators{Count: d.IntN(200), Span: d.span(100*ms, 1500*ms)})
	case 1:
		d.add(sim.SlowMarkers{Delay: d.between(20*ms, 2500*ms), Span: d.span(100*ms, 3000*ms)})
	default:
		if d.p.World.Brokers > 1 {
			d.add(sim.MoveCoordinator{Span: d.once()})
		}
	}
}

// transactionsOfTwoLeaders makes a leader start its epoch with a transaction that is
// aborted, and keeps clients right behind it with another one that stays open, while their
// connections break: no record tells them that the leader's epoch is in the log, and they
// ask where it ends.
func (d *draw) transactionsOfTwoLeaders() {
	at := d.between(0, d.p.Phases.Faults*3/4)
	from := func(after time.Duration) time.Duration { return at + after }
	if d.p.World.Brokers > 1 {
		d.add(sim.MoveLeader{Span: sim.Span{From: at}})
	} else {
		d.add(sim.Restart{Broker: "leader", Span: sim.Span{From: at, For: 20 * ms}})
	}
	d.add(sim.Transaction{Records: 1 + d.IntN(3), End: "abort", Span: sim.Span{From: from(60 * ms), For: d.between(50*ms, 200*ms)}})
	held := sim.Span{From: from(d.between(100*ms, 400*ms)), For: d.between(1500*ms, 3000*ms)}
	d.add(sim.Transaction{Records: 1 + d.IntN(3), End: [...]string{"commit", "abort"}[d.IntN(2)], Span: held})
	for range 1 + d.IntN(3) {
		d.add(sim.Reset{Client: d.anyClient(), Span: sim.Span{From: held.From + d.between(100*ms, held.For)}})
	}
}

// recreate recreates the topic, half of the time while clients open. Half of these hear of it
// before the answer to their first fetch, which is late.
func (d *draw) recreate() {
	f := sim.Recreate{Span: d.once()}
	f.From += 10 * ms
	if d.IntN(2) == 0 {
		if d.IntN(2) == 0 {
			d.add(sim.Lag{Span: sim.Span{From: f.From, For: d.between(1500*ms, 4000*ms)}})
			f.From += 10*ms + d.between(0, 40*ms)
		}
		d.openDuring(f.From)
	}
	d.add(f)
}

// recreateUnnoticed recreates the topic while what some clients fetch is delayed: they do
// not hear that the log that they have read no longer exists, and others write to the new
// one.
func (d *draw) recreateUnnoticed() {
	f := sim.Recreate{Span: d.once()}
	f.From += 200 * ms
	for _, i := range d.Perm(d.p.World.Clients)[:(d.p.World.Clients+1)/2] {
		d.add(sim.Lag{Client: "c" + strconv.Itoa(i+1), Span: sim.Span{From: f.From - d.between(20*ms, 200*ms), For: d.between(1500*ms, 4000*ms)}})
	}
	d.add(f)
}

func (d *draw) grow() {
	d.add(sim.GrowPartitions{Partitions: 2 + d.IntN(5), Span: d.span(2000*ms, 5000*ms)})
}

func (d *draw) keyless() { d.add(sim.Keyless{Records: 1 + d.IntN(3), Span: d.once()}) }
