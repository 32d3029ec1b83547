package sim

import (
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// What a client may send while a fault lasts: so much a second, and as much once again at the
// start, and so much for each of its calls, for each opening, which connects to all brokers and asks
// them for the topic, and for each batch that is appended, which it has to read. The store itself
// needs a tenth of that.
//
// If clients get a part of the log with each answer, there may also be one request for each batch
// that was there before, each time a client reads the log from its start. It may begin so
// many times a second, and as many times once again at the start: a client that rereads the log
// again and again gets nowhere either.
const (
	requestsPerSecond = 100
	requestsPerCall   = 4
	requestsPerOpen   = 30
	requestsPerBatch  = 2
	rereadsPerSecond  = 5
)

// leastMetered is how long a fault has to last to be judged.
const leastMetered = time.Second

// reading is what the counters of a client said at a moment.
type reading struct {
	sent    int
	calls   int64
	opens   int64
	rereads int64
	unread  int // see slot.unread; only of the first reading
}

func (s *slot) reading() reading {
	return reading{sent: s.w.net.Sent(s.name), calls: s.calls.Load(), opens: s.opens.Load(), rereads: s.rereads.Load()}
}

// unread returns how many batches a client has yet to read, at most, of a log that has so many and
// ends there.
func (s *slot) unread(batches int, end int64) int {
	pos, known, up := s.position()
	p := s.openProcess()
	switch {
	case !up:
		return 0 // the next process begins to read when it empties its storage
	case !known, p != nil && p.client.Status().State == kvstore.StateRebuilding:
		return batches
	}
	return int(min(max(0, end-pos), int64(batches)))
}

// metering begins to judge what clients send while a fault lasts, whatever it is. The returned
// function ends it.
func (w *world) metering(f Fault) (judge func()) {
	if f.span().For < leastMetered {
		return func() {}
	}
	began := time.Now()
	batches, end := w.tap.extent()
	was := make([]reading, len(w.slots))
	for i, s := range w.slots {
		was[i] = s.reading()
		was[i].unread = s.unread(batches, end)
	}
	return func() {
		seconds := time.Since(began).Seconds()
		all, _ := w.tap.extent()
		appended := all - batches
		for i, s := range w.slots {
			now := s.reading()
			n, calls := now.sent-was[i].sent, now.calls-was[i].calls
			most := int(requestsPerSecond*(seconds+1)) + int(requestsPerCall*calls) + int(requestsPerOpen*(now.opens-was[i].opens)) + requestsPerBatch*appended
			if w.plan.World.FetchBytes > 0 || w.plan.World.ReadBytes > 0 {
				rereads := min(now.rereads-was[i].rereads, int64(rereadsPerSecond*(seconds+1)))
				most += was[i].unread + int(rereads)*all
			}
			if n > most {
				w.findings.add(budgetName, "%s sent %d requests in the %.1f seconds before %v, with %d calls and %d new batches, and may send %d", s.name, n, seconds, time.Since(w.start), calls, appended, most)
			}
		}
	}
}
