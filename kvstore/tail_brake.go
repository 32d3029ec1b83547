package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errNoProgress is the cause while the client slows itself down.
var errNoProgress = errors.New("the brokers answer immediately, again and again, with nothing new")

// brake bounds how often a loop that waits for nothing goes round without getting anywhere:
// brakeBurst times without a pause, then brakeRate times a second. What an honest broker says keeps it
// open: it lets a fetch wait, or it sends records.
//
// It is a token bucket. The zero brake is full.
type brake struct {
	spent float64 // tokens, of brakeBurst
	at    time.Time
}

const (
	brakeBurst = 50
	brakeRate  = 10 // a second
)

// spend takes tokens out and returns how long to wait until there are that many.
func (b *brake) spend(tokens float64, now time.Time) time.Duration {
	if !b.at.IsZero() {
		b.spent = max(0, b.spent-brakeRate*now.Sub(b.at).Seconds())
	}
	b.at = now
	b.spent += tokens
	return time.Duration(max(0, b.spent-brakeBurst) / brakeRate * float64(time.Second))
}

// What a step costs that came sooner than half of what its fetch might have waited.
const (
	costOfNothing = 1
	costOfRebuild = 10 // one that begins
)

// stepCosts returns what a step costs that began at a moment, with the tail at a position.
func (t *tail) stepCosts(began time.Time, pos int64, rb *rebuild) float64 {
	switch {
	case t.rebuild != rb && t.rebuild != nil:
		return costOfRebuild
	case t.pos > pos, time.Since(began) > t.waited/2 && t.waited > 0:
		return 0
	}
	return costOfNothing
}

// slowDown waits where a step without an error brought nothing, too often. Status, the log and
// those who wait say so meanwhile.
func (t *tail) slowDown(ctx context.Context, cost float64) {
	wait := t.brake.spend(cost, time.Now())
	if wait == 0 {
		if t.braking {
			t.braking = false
			t.say(t.why)
		}
		return
	}
	t.braking = true
	err := fmt.Errorf("%w: the client asks at most %d times a second", errNoProgress, brakeRate)
	if t.why != nil {
		err = fmt.Errorf("%w; %w", t.why, err)
	}
	t.say(err)
	t.log.warn("kvstore: fetches bring nothing new, slowing down", err)
	sleep(ctx, wait)
}
