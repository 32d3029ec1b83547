package scenarios

import "time"

// everyForm makes most calls and most clients unusual, beside a few faults that make calls wait, fail and
// start over.
func everyForm(d *draw) {
	d.unusual(60, 60)
	l := &d.p.Workload
	l.Workers, l.Reopen, l.Batch, l.Range, l.Wait = 1+d.IntN(3), 3, 2*l.Batch, 3*l.Range, 2*l.Wait
	l.Keys = []int{6, 18, 36}[d.IntN(3)]
	if d.IntN(3) == 0 {
		d.p.World.MaxMessage = 3000
	}
	d.p.World.Tombstones = 8 * time.Second
	all := []func(){d.lag, d.slowStorage, d.slowHooks, d.failStorage, d.crash, d.restart, d.latency, d.loseAnswer, d.compact, d.loseTail, d.herd}
	d.herd()
	d.failStorage()
	d.times(2, 4, func() { all[d.IntN(len(all))]() })
}

// unusual makes up to so many of a hundred calls and clients unusual.
func (d *draw) unusual(calls, clients int) {
	d.p.Workload.Forms = 1 + d.IntN(calls)
	d.p.World.Variants = 1 + d.IntN(clients)
	d.p.Workload.Reopen = d.IntN(3)
}
