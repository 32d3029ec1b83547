package kvstore

import (
	"context"
	"time"
)

// doubt is how long brokers have said something that contradicts what was known before.
// Brokers lag, restart, and are asked through proxies that point elsewhere for a while.
// I11: a single answer ends no client.
//
// A series of such answers ends when a broker confirms what was known before, and when none
// has answered for longer than quietFor: brokers may have said otherwise meanwhile. So two
// times at which brokers are wrong count as one only if there is little between them.
type doubt struct {
	since, last time.Time
	rounds      int
}

// leastRounds is how often brokers have to be asked before they are believed,
// however long that takes.
const leastRounds = 3

// quietFor returns for how long nothing may be heard within a series of answers that is
// believed after some time: a third of that time, and at least a second. What the client
// itself last waited before it asked again comes on top, so that one that asks rarely can
// believe something, too.
func quietFor(after, rest time.Duration) time.Duration {
	return max(after/leastRounds, time.Second) + rest
}

// said notes another round in which all who answered said it, and returns for how
// long they have and whether that is to be believed. quiet is the longest break.
func (d *doubt) said(after, quiet time.Duration) (lasts time.Duration, believed bool) {
	now := time.Now()
	if d.rounds == 0 || elapsed(d.last, now) > quiet {
		*d = doubt{since: now}
	}
	d.last = now
	d.rounds++
	lasts = now.Sub(d.since)
	return lasts, d.rounds >= leastRounds && lasts >= after
}

// lasts reports whether something was said that may yet be believed. It outlives a break
// that starts the series again: what was said has not been contradicted.
func (d *doubt) lasts(after, quiet time.Duration) bool {
	return d.rounds > 0 && time.Since(d.last) <= max(after, quiet)
}

func (d *doubt) clear() { *d = doubt{} }

// rest waits before the brokers are asked again, until ctx ends at the latest.
func (p *partition) rest(ctx context.Context, d time.Duration) {
	p.mu.Lock()
	p.rested = d
	p.mu.Unlock()
	sleep(ctx, d)
}

// mayBeGone reports whether brokers say that the topic is gone or is another one, which may yet be
// believed.
func (p *partition) mayBeGone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.missing.lasts(p.goneAfter, p.quietLocked())
}

// quiet is quietFor with what is known of this client.
func (p *partition) quiet() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quietLocked()
}

func (p *partition) quietLocked() time.Duration { return quietFor(p.goneAfter, p.rested) }
