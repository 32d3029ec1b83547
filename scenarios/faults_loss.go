package scenarios

import (
	"time"

	"github.com/kvsim/kvsim/sim"
)

// loseTailUnnoticed draws an unclean election whose new leader is slow to answer about earlier
// epochs. Clients write to the log that is left while they still show the one that they had read.
func (d *draw) loseTailUnnoticed() { d.unclean(2+d.IntN(12), 0) }

// loseTailUnstored does the same while clients are still storing the records that are lost, so
// that they show them only afterwards.
func (d *draw) loseTailUnstored() { d.unclean(1+d.IntN(5), 100*ms) }

func (d *draw) unclean(records int, storing time.Duration) {
	const before = 700 * ms
	f := sim.LoseTail{Records: records, Span: d.once()}
	around := sim.Span{From: f.From + before - 200*ms, For: d.between(2000*ms, 4000*ms)}
	d.add(sim.SlowBroker{API: "offset-for-leader-epoch", Delay: d.between(300*ms, 900*ms), Span: around})
	if storing > 0 {
		d.add(sim.SlowStorage{Delay: d.between(storing, 3*storing), Span: sim.Span{From: f.From, For: 2 * before}})
	}
	f.From += before
	d.add(f)
}

// loseTailBehindOlderEnd loses the tail while leaders name older ends of the log. Clients that reread
// it come to an end below what is left.
func (d *draw) loseTailBehindOlderEnd() {
	d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	d.p.World.FetchBytes = []int{1500, 4000}[d.IntN(2)]
	f := sim.LoseTail{Records: 1 + d.IntN(8), Span: d.once()}
	f.From += 300 * ms
	d.add(sim.OlderEnds{Back: 2 + d.IntN(8), Span: sim.Span{From: f.From - d.between(0, 200*ms), For: d.between(1500*ms, 4000*ms)}})
	d.add(f)
}

// loseTailTwice loses the tail, and more of it before a client has emptied its storage to reread the
// log. Others write on meanwhile, so that the log may be as long again as the first loss had left it.
func (d *draw) loseTailTwice() {
	first := sim.LoseTail{Records: 1 + d.IntN(4), Span: d.once()}
	first.From += 20 * ms
	second := sim.LoseTail{Records: 10 + d.IntN(15), Span: sim.Span{From: first.From + d.between(60*ms, 200*ms)}}
	slow := sim.Span{From: first.From - 20*ms, For: d.between(800*ms, 1200*ms)}
	d.add(sim.SlowStorage{Client: d.client(), Delay: d.between(400*ms, 900*ms), Span: slow})
	d.add(first)
	d.add(second)
}

// loseTailBehindOlderDecision loses the tail and opens a transaction, and lets leaders name older ends
// of what is decided. They do that for less time than clients need to believe it.
func (d *draw) loseTailBehindOlderDecision() {
	d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	f := sim.LoseTail{Records: 1 + d.IntN(6), Span: d.once()}
	d.add(f)
	d.add(sim.AbandonTransaction{Records: 1, Timeout: 3 * time.Second, Span: sim.Span{From: f.From + d.between(5*ms, 40*ms)}})
	d.add(sim.OlderEnds{Back: 2 + d.IntN(6), Span: sim.Span{From: f.From + d.between(5*ms, 60*ms), For: d.between(600*ms, 1200*ms)}})
}

// rebuildSlowly loses the tail while storages are slow, so that clients take
// their time to reread the log.
func (d *draw) rebuildSlowly() {
	f := sim.LoseTail{Records: 1 + d.IntN(20), Span: d.once()}
	f.From += 200 * ms
	d.add(sim.SlowStorage{Delay: d.between(40*ms, 250*ms), Span: sim.Span{From: f.From - 200*ms, For: d.between(1500*ms, 3000*ms)}})
	d.add(f)
}

// loseWriteWhileRereading loses writes while clients reread a log that was compacted and then lost
// its tail.
func (d *draw) loseWriteWhileRereading() {
	d.p.World.FetchBytes = []int{1500, 4000}[d.IntN(2)]
	d.p.World.Tombstones = max(d.p.World.Tombstones, 15*time.Second)
	f := sim.LoseTail{Records: 1 + d.IntN(4), Span: d.once()}
	f.From += 500 * ms
	d.add(sim.Compact{Span: sim.Span{From: f.From - 500*ms, For: 300 * ms}})
	d.add(sim.SlowStorage{Delay: d.between(80*ms, 250*ms), Span: sim.Span{From: f.From - 50*ms, For: d.between(1500*ms, 3000*ms)}})
	d.add(f)
	d.add(sim.LoseRequest{API: "produce", Count: 3 + d.IntN(5), Span: sim.Span{From: f.From + d.between(50*ms, 600*ms), For: d.between(1000*ms, 2000*ms)}})
}

func (d *draw) loseTail() { d.add(sim.LoseTail{Records: 1 + d.IntN(20), Span: d.once()}) }

// deleteWhereTailWasLost loses the tail while a client is cut off, and deletes the log up to where
// that client was. What others wrote in place of what it had read is gone before it can see it.
func (d *draw) deleteWhereTailWasLost() {
	f := sim.LoseTail{Records: 3 + d.IntN(10), Span: d.once()}
	hole := sim.Span{From: f.From, For: d.between(2500*ms, 4500*ms)}
	f.From += d.between(0, 50*ms)
	d.add(sim.BlackHole{Client: d.client(), Span: hole})
	d.add(f)
	d.add(sim.DeleteRecords{Read: true, Span: sim.Span{From: f.From + d.between(500*ms, 2000*ms)}})
}

// deleteInsideABatch loses the tail while what a client fetches is late, so that writes of its own, several
// in a record batch, are acknowledged where it had read others, and deletes the log up to
// somewhere among them.
func (d *draw) deleteInsideABatch() {
	l := &d.p.Workload
	l.Workers = max(l.Workers, 4)
	f := sim.LoseTail{Records: 8 + d.IntN(12), Span: d.once()}
	d.add(sim.Lag{Client: d.client(), Span: sim.Span{From: f.From, For: d.between(2000*ms, 3000*ms)}})
	f.From += d.between(50*ms, 300*ms)
	d.add(f)
	d.add(sim.DeleteRecords{Keep: 1 + d.IntN(10), Span: sim.Span{From: f.From + d.between(100*ms, 800*ms)}})
}

// deleteRecords deletes records, in half of the cases while a client is behind.
func (d *draw) deleteRecords() {
	f := sim.DeleteRecords{Keep: d.IntN(30), Span: d.once()}
	if d.IntN(2) == 0 {
		d.add(sim.Lag{Client: d.client(), Span: sim.Span{From: f.From, For: d.between(500*ms, 3000*ms)}})
		f.From += 400 * ms
		f.Keep /= 10
	}
	d.add(f)
}

// loseUnreadWrites loses the tail while a client is late, so that its own writes, acknowledged, are
// lost before it reads them. While it finds out, leaders show less than their log has, or what came
// in place of the writes is compacted.
func (d *draw) loseUnreadWrites() {
	f := sim.LoseTail{Records: 1 + d.IntN(4), Span: d.once()}
	d.add(sim.Lag{Client: d.client(), Span: sim.Span{From: f.From, For: d.between(600*ms, 1200*ms)}})
	f.From += d.between(200*ms, 500*ms)
	d.add(f)
	after := sim.Span{From: f.From + 10*ms, For: d.between(800*ms, 2000*ms)}
	if d.IntN(2) == 0 {
		d.add(sim.Compact{Every: d.between(40*ms, 150*ms), Span: after})
	} else {
		d.add(sim.OlderEnds{Back: 5 + d.IntN(40), Span: after})
	}
}
