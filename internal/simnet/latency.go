package simnet

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"
)

// Latency describes the one-way delay of a link. It is Min plus an exponentially
// distributed part, such that the mean is Mean, and is then clipped to Max. The zero value
// means no delay at all, and no timers.
type Latency struct {
	// Min is the least delay.
	Min time.Duration
	// Mean is the mean delay before clipping. If it is not above Min, the delay
	// is always Min.
	Mean time.Duration
	// Max clips the delay. Zero means no upper bound.
	Max time.Duration
	// Jitter is the upper bound of a uniformly distributed part that is added to
	// each delay after clipping. It keeps events with constant delays apart. Zero
	// means 1 µs, unless the whole Latency is zero.
	Jitter time.Duration
}

// Validate reports a distribution that cannot be drawn from.
func (l Latency) Validate() error {
	if l.Min < 0 || l.Mean < 0 || l.Max < 0 || l.Jitter < 0 {
		return fmt.Errorf("latency %+v: a duration is negative", l)
	}
	if l.Max > 0 && l.Max < l.Min {
		return fmt.Errorf("latency %+v: max is below min", l)
	}
	return nil
}

// IsZero reports whether l means no delay at all.
func (l Latency) IsZero() bool { return l == Latency{} }

func (l Latency) draw(r *rand.Rand) time.Duration {
	if l.IsZero() {
		return 0
	}
	d := l.Min
	if l.Mean > l.Min {
		d += time.Duration(r.ExpFloat64() * float64(l.Mean-l.Min))
	}
	if l.Max > 0 && d > l.Max {
		d = l.Max
	}
	return d + l.drawJitter(r)
}

func (l Latency) drawJitter(r *rand.Rand) time.Duration {
	j := cmp.Or(l.Jitter, time.Microsecond)
	return 1 + time.Duration(r.Int64N(int64(j)))
}

// Direction says which way frames travel on a link.
type Direction uint8

// The directions. In a [Target], Both (the zero value) matches either.
const (
	Both Direction = iota
	ToBroker
	ToClient
)

// String returns "both", "to-broker" or "to-client".
func (d Direction) String() string {
	switch d {
	case Both:
		return "both"
	case ToBroker:
		return "to-broker"
	case ToClient:
		return "to-client"
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

// Link names one direction of one connection.
type Link struct {
	Client string
	Broker int32
	// Dial is the number of the client's dial to this broker, from 0. Refused
	// dials count, and dials at one instant share a number.
	Dial int
	Dir  Direction
}

// String returns "client>broker 1#2" or "client<broker 1#2".
func (l Link) String() string {
	arrow := ">"
	if l.Dir == ToClient {
		arrow = "<"
	}
	return fmt.Sprintf("%s%sbroker %d#%d", l.Client, arrow, l.Broker, l.Dial)
}

// stream returns the random stream of a link until its purpose is known.
func (l Link) stream(seed uint64) *rand.Rand {
	return Stream(seed, "%q/%d/%d/%d", l.Client, l.Broker, l.Dial, l.Dir)
}
