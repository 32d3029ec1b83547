package kvstore

import "time"

// doubt is how long brokers have said something that contradicts what was known before.
// Brokers lag, restart, and are asked through proxies that point elsewhere for a while.
// I11: a single answer ends no client.
//
// A series of such answers ends when a broker confirms what was known before, or when none
// has answered for as long as it takes to be believed.
type doubt struct {
	since, last time.Time
	rounds      int
}

// leastRounds is how often brokers have to be asked before they are believed,
// however long that takes.
const leastRounds = 3

// said notes another round in which all who answered said it, and returns for how
// long they have and whether that is to be believed.
func (d *doubt) said(after time.Duration) (lasts time.Duration, believed bool) {
	now := time.Now()
	if d.rounds == 0 || now.Sub(d.last) > max(after, time.Second) {
		*d = doubt{since: now}
	}
	d.last = now
	d.rounds++
	lasts = now.Sub(d.since)
	return lasts, d.rounds >= leastRounds && lasts >= after
}

// lasts reports whether something was said that may yet be believed.
func (d *doubt) lasts(after time.Duration) bool {
	return d.rounds > 0 && time.Since(d.last) <= max(after, time.Second)
}

func (d *doubt) clear() { *d = doubt{} }
