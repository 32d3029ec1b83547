package sim

import "time"

// What a client may send while a fault lasts: so much a second, and as much once again at the
// start, and so much for each of its calls and for each batch that is appended, which it has to
// read. The store itself needs a tenth of that.
const (
	requestsPerSecond = 100
	requestsPerCall   = 4
	requestsPerBatch  = 2
)

// leastMetered is how long a fault has to last to be judged.
const leastMetered = time.Second

// reading is what the counters of a client said at a moment.
type reading struct {
	sent  int
	calls int64
}

// metering begins to judge what clients send while a fault lasts, whatever it is. The returned
// function ends it.
func (w *world) metering(f Fault) (judge func()) {
	if f.span().For < leastMetered {
		return func() {}
	}
	began, batches := time.Now(), w.tap.batches()
	was := make([]reading, len(w.slots))
	for i, s := range w.slots {
		was[i] = reading{w.net.Sent(s.name), s.calls.Load()}
	}
	return func() {
		seconds := time.Since(began).Seconds()
		appended := w.tap.batches() - batches
		for i, s := range w.slots {
			n, calls := w.net.Sent(s.name)-was[i].sent, s.calls.Load()-was[i].calls
			most := int(requestsPerSecond*(seconds+1)) + int(requestsPerCall*calls) + requestsPerBatch*appended
			if n > most {
				w.findings.add(budgetName, "%s sent %d requests in the %.1f seconds before %v, with %d calls and %d new batches, and may send %d", s.name, n, seconds, time.Since(w.start), calls, appended, most)
			}
		}
	}
}
