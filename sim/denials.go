package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// denied reports whether a client may have been told, by all brokers that it could hear and for
// as long as it takes to be believed, that its topic is gone.
func (w *world) denied(client string, now time.Time) bool {
	timeout := cmp.Or(w.plan.World.RequestTimeout, 10*time.Second)
	return w.holds.denied(client, w.plan.World.Brokers, timeout, now)
}

// denied is world.denied with so many brokers. timeout is how long a client takes to find out that
// a connection is dead.
func (h *holds) denied(client string, brokers int, timeout time.Duration, now time.Time) bool {
	since, denied := unbroken(h.denials(client, brokers, timeout, now), now, unheard)
	return denied && now.Sub(since) >= topicGoneAfter
}

// denials returns the periods until now in which some broker denied the topic and no broker was
// there to contradict it, as far as a client could hear.
func (h *holds) denials(client string, brokers int, timeout time.Duration, now time.Time) (out []period) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var deny, quiet []hold
	for _, x := range h.all {
		switch beyond, is := quietens(x.fault, timeout); {
		case x.client != "" && x.client != client:
		case denies(x.fault):
			deny = append(deny, x)
		case is:
			if !x.to.IsZero() {
				x.to = x.to.Add(beyond)
			}
			quiet = append(quiet, x)
		}
	}
	quiet = append(quiet, h.downs...)
	cuts := []time.Time{now}
	for _, x := range slices.Concat(deny, quiet) {
		for _, at := range []time.Time{x.from, x.to} {
			if !at.IsZero() && at.Before(now) {
				cuts = append(cuts, at)
			}
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	for i, from := range cuts[:len(cuts)-1] {
		if unopposed(deny, quiet, brokers, from) {
			out = append(out, period{from, cuts[i+1]})
		}
	}
	return out
}

// unopposed reports whether some broker denies the topic at an instant, and each of the others does
// so, too, or can't be heard.
func unopposed(deny, quiet []hold, brokers int, at time.Time) bool {
	said := false
	for b := range int32(brokers) {
		concerns := func(x hold) bool {
			return x.covers(at) && (x.brokers == nil || slices.Contains(x.brokers, b))
		}
		switch {
		case slices.ContainsFunc(deny, concerns):
			said = true
		case !slices.ContainsFunc(quiet, concerns):
			return false
		}
	}
	return said
}

func (p period) covers(at time.Time) bool {
	return !p.from.After(at) && (p.to.IsZero() || p.to.After(at))
}

// down notes that a broker does not run, until up is called.
func (h *holds) down(broker int32) (up func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.downs)
	h.downs = append(h.downs, hold{brokers: []int32{broker}, period: period{from: time.Now()}})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.downs[i].to = time.Now()
	}
}

// anyDown reports whether a broker does not run now. One that is dead permanently delays nobody that
// has recovered, but a client may still meet it, and say so until it has asked another one.
func (h *holds) anyDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.downs, func(d hold) bool { return d.to.IsZero() })
}

// denies reports whether brokers say, because of a fault, that the topic is not there or is another
// one. What they answer to fetches does not count: a client then asks for metadata.
func denies(f Fault) bool {
	switch f := f.(type) {
	case StaleMetadata:
		return f.Knows == "unknown" || f.Knows == "other-id"
	case Answer:
		return metadataToo(f.API) && (f.Error == kerr.UnknownTopicOrPartition.Message || f.Error == kerr.UnknownTopicID.Message)
	}
	return false
}

// lateAnswer is a delay of brokers or links with which a client may give up waiting for one of
// several brokers that it asks.
const lateAnswer = time.Second

// quietens reports whether a fault may keep a client from hearing of brokers that the topic is as it
// was, and for how long beyond its end. A broker that is down needs no fault here: see holds.down.
func quietens(f Fault, timeout time.Duration) (beyond time.Duration, is bool) {
	switch f := f.(type) {
	case Silence, BlackHole: // connections from before stay silent
		return timeout, true
	case Stall, Pause, Revoke, ChangePassword:
		return 0, true
	case StaleMetadata: // what they say of it is of no use
		return 0, true
	case Answer: // neither is an error, nor who can't connect
		return f.Throttle, metadataToo(f.API) || f.connects()
	case Latency: // as much as ten times the mean
		return 0, max(f.Min, 10*f.Mean) >= lateAnswer
	case Throttle:
		return f.Delay, metadataToo(f.API) && f.Delay >= lateAnswer
	case SlowBroker:
		return 0, f.API == metadataAPI && f.Delay >= lateAnswer // holds.begin adds the delay
	case LoseRequest:
		return timeout, metadataToo(f.API)
	case LoseAnswer:
		return timeout, metadataToo(f.API)
	case CutFrame:
		return 0, metadataToo(f.API)
	}
	return 0, false
}

const metadataAPI = "metadata"

func metadataToo(api string) bool { return api == "" || api == metadataAPI }
