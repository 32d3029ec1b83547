package sim

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// rescan is the reading of the log by a process from its start. Only the goroutine that empties the
// storage uses it.
type rescan struct {
	rebuild int64 // how often the process had to reread the log, this time included
	epoch   int32 // of the leader when it began
}

// emptied records that the process rereads the log: a storage that is emptied a second time
// belongs to a process that had read before.
//
// A process that begins to read and begins again because another broker leads has the same reason
// as one that was away: what it read at the first may have been deleted at the other long ago.
func (p *process) emptied() {
	w := p.slot.w
	p.slot.rereads.Add(1)
	now, before := rescan{epoch: -1}, p.scan
	if info, err := w.cluster.Partition(); err == nil {
		now.epoch = info.Epoch
	}
	p.slot.mu.Lock()
	client := p.client // nil while it opens: the cause is not available then
	p.slot.mu.Unlock()
	var st kvstore.Status
	if client != nil {
		st = client.Status()
		now.rebuild = st.Rebuilds
	}
	p.scan = now
	if p.resets.Add(1) == 1 || p.crashed.Load() {
		return
	}
	again := now.rebuild == before.rebuild && now.epoch != before.epoch
	b := lin.Rebuild{Client: p.slot.name, Process: p.number, Away: again || w.away(p.slot.name)}
	if client != nil {
		if st.State == kvstore.StateRebuilding && st.Err != nil {
			b.Err, b.Cause = st.Err.Error(), outcome.Rebuild(st.Err)
		}
	}
	w.rec.Rebuild(b)
}

// A hold is a period in which something kept clients from the log.
type hold struct {
	fault   Fault
	client  string  // empty: all
	brokers []int32 // those that the fault names, nil if it names none
	idle    bool    // it delays no client
	period
}

// A period is a part of a run. It goes on if to is zero.
type period struct{ from, to time.Time }

// holds are those of a run.
type holds struct {
	mu    sync.Mutex
	all   []hold
	downs []hold // of brokers that don't run, whatever fault stopped them
}

// holdNobody are the kinds of faults that delay no client.
var holdNobody = []string{
	Herd{}.Kind(), Compact{}.Kind(), DeleteRecords{}.Kind(), GrowPartitions{}.Kind(), Keyless{}.Kind(),
	AlterTopic{}.Kind(), ForgetProducers{}.Kind(),
}

// fromLog reports whether a hold keeps clients from reading the log.
func fromLog(h hold) bool { return h.fault.Kind() != BelowMinimum{}.Kind() }

// begin notes the start of a fault. The returned function notes its end. A fault that makes
// calls slow counts until the last call that began before its end is over. brokers are those that
// it names.
func (h *holds) begin(f Fault, brokers ...int32) (end func()) {
	slow := setting[time.Duration](f, "delay")
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.all)
	h.all = append(h.all, hold{fault: f, client: setting[string](f, "client"), brokers: brokers, idle: slices.Contains(holdNobody, f.Kind()), period: period{from: time.Now()}})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all[i].to = time.Now().Add(slow)
	}
}

// since returns since when a client has been blocked, by holds that of accepts, without
// having had the time to recover, and false if it has not been.
func (h *holds) since(client string, now time.Time, recovery time.Duration, of func(hold) bool) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []period
	for _, x := range h.all {
		if !x.idle && (x.client == "" || x.client == client) && of(x) {
			all = append(all, x.period)
		}
	}
	return unbroken(all, now, recovery)
}

// had reports whether a client had one of some faults at any time in a period.
func (h *holds) had(client string, from, to time.Time, is func(Fault) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.all, func(x hold) bool {
		return (x.client == "" || x.client == client) && is(x.fault) && !x.from.After(to) && (x.to.IsZero() || !x.to.Before(from))
	})
}

// unbroken returns when the last of the periods began, with those before it that ended less than
// a pause earlier, and false if there was none in the last pause before now.
func unbroken(all []period, now time.Time, pause time.Duration) (time.Time, bool) {
	begin, found := now, false
	for again := true; again; {
		again = false
		for _, x := range all {
			if x.from.Before(begin) && (x.to.IsZero() || x.to.Add(pause).After(begin)) {
				begin, found, again = x.from, true, true
			}
		}
	}
	return begin, found
}

// away reports whether a client may have been cut off from the log for so long that it may
// have missed deletions: longer than the store allows itself, which is half of the time for
// which tombstones are kept if that is short.
//
// A client that learns that this time was shortened has polled by the longer
// one until then: it lets a fetch wait for an eighth of it, or for a second. When
// the last two together took more than it may now be away, it rereads the log.
func (w *world) away(client string) bool {
	now := time.Now()
	recovery := w.recovery()
	since, held := w.holds.since(client, now, recovery, fromLog)
	least, _, longest := w.retention()
	if twoPolls := min(2*time.Second, longest/4); least < longest && twoPolls+100*time.Millisecond > least/2 {
		return true
	}
	return held && now.Sub(since)+recovery > least/2
}

// recovery is how long a client may need to continue after a fault is over: to find out
// that a connection is dead, twice, and the pause in between.
func (w *world) recovery() time.Duration {
	timeout := cmp.Or(w.plan.World.RequestTimeout, 10*time.Second)
	return 2*timeout + 3*time.Second
}
