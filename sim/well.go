package sim

import (
	"cmp"
	"errors"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// servedName is the name of the reason when a client whose brokers were well did not serve a
// call in time.
const servedName = "well-client-serves-in-time"

// well reports whether nothing was in the way of a client in a period, and before it for as long
// as a client needs to recover: no fault of the plan, even one that delays nobody.
func (w *world) well(client string, from, to time.Time) bool {
	return w.holds.clear(client, from, to, w.afterwards)
}

// clear is world.well. recovery is how long clients need after a fault.
func (h *holds) clear(client string, from, to time.Time, recovery func(Fault) time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.all {
		x := &h.all[i]
		if x.client != "" && x.client != client || x.from.After(to) {
			continue
		}
		if x.to.IsZero() || !x.to.Add(recovery(x.fault)).Before(from) {
			return false
		}
	}
	return true
}

// afterwards is how long a client needs, once a fault is over, to be as it was before: the longest
// pause before it tries again, as long as it takes until it believes what brokers say, and a pause
// until it asks once more then. After a fault that leaves connections which are open and silent it
// first has to find out.
func (w *world) afterwards(f Fault) time.Duration {
	d := 2*longestPause + topicGoneAfter
	switch f := f.(type) {
	case BlackHole, Silence:
		d += cmp.Or(w.plan.World.RequestTimeout, 10*time.Second)
	case Answer:
		d += f.Throttle
	}
	return d
}

// Of what a call takes whose brokers are well.
const (
	// mostTrips is how often a message of the call goes over a link, one after the other: a write
	// waits for the one before it, asks for the leader and for a producer id, is sent and fetched.
	mostTrips = 10
	// mostHeld is how long a writer may hold writes back to put them into one record batch.
	mostHeld = 20 * time.Millisecond
)

// promptly is how long a call may take, that writes or asks brokers, if they are well. One that asks
// any of them may ask a broker that is dead first, and another one after a pause.
func (w *world) promptly() time.Duration {
	p := &w.plan.World
	trip := cmp.Or(p.LatencyMax, p.LatencyMin+20*p.LatencyMean)
	most := mostTrips*trip + 2*mostHeld
	if w.holds.anyDown() {
		most += longestPause
	}
	return most
}

// judgeServed checks that a call which returns now was served in time, if nothing was in the way
// of its client. Where time is not virtual, nobody knows how long it may take.
func (o *operation) judgeServed(err error) {
	w, now := o.w, time.Now()
	took := now.Sub(o.begun)
	if w.env.LateTap || o.p.crashed.Load() || o.served(err) || legitimate(err) || o.takesTime { // such a loop may write, and be refused
		return
	}
	if !w.well(o.slot.name, o.begun, now) || w.blind(o.p) {
		return
	}
	w.findings.add(servedName, "a call of %s at %v took %v, although nothing was in its way; at most %v are needed: %v", o.slot.name, o.begun.Sub(w.start), took, w.promptly(), err)
}

// served reports whether a call that returns now was served in time, or its context ended before it had to
// be.
func (o *operation) served(err error) bool {
	return time.Since(o.begun) <= o.w.promptly() && (err == nil || o.ctx.Err() != nil)
}

// legitimate reports whether an error has its reason in the call itself, or in what the log went
// through before: others judge whether it is true.
func legitimate(err error) bool {
	for _, of := range []error{
		kvstore.ErrValueTooLarge, kvstore.ErrBatchTooLarge, // the limit is asked for again
		kvstore.ErrTopicRecreated, kvstore.ErrTopicDeleted, kvstore.ErrClientClosed,
		kvstore.ErrDataLoss, // of a revision that was lost
		kvstore.ErrRefused,  // see judgeRefused
		errLeftOut,          // of a client with types
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
