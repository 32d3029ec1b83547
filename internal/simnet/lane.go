package simnet

import "time"

// Round is the time in which each lane comes once.
const Round = 10 * time.Microsecond

// HarnessLanes is the number of lanes, from 0 on, that no link uses. They are
// for whoever acts on a network at times of its own.
const HarnessLanes = 2000

// A Lane keeps the events of one source apart in time from those of all others.
// Time is divided into rounds, and a lane is one nanosecond of every round: a
// source that acts in its own lane only never acts at an instant of another
// one. So no two events of a world fall on one instant, where nothing would
// order them, and that does not depend on luck: at a nanosecond's resolution
// alone, two of some thousand events of a run meet in one run of a hundred.
//
// Timers of whole rounds, such as those of a Kafka client, stay in the lane of
// the event that set them.
type Lane int

// Next returns the first instant of the lane that is not before t.
func (l Lane) Next(t time.Time) time.Time {
	d := time.Duration(l) - time.Duration(t.UnixNano())%Round
	if d < 0 {
		d += Round
	}
	return t.Add(d)
}

// A connection has lanes of its own for each direction: one for what it was
// opened to do, and some for the time before that is known, when connections
// that were dialed at one instant cannot be told apart.
const (
	linkLanes = int(Round) - HarnessLanes
	// lanesPerConn are those of a client and a broker in both directions.
	lanesPerConn = 16
	openingLane  = 4 // the first of those for a connection that is being opened
)

// place is where the lanes of a connection begin.
type place struct {
	client  int // number of the client in the order of first dials
	brokers int
	opening int // number among the dials of one instant
}

// lane returns the lane of a link. The seed decides which of two links comes
// first in a round.
func (p place) lane(seed uint64, l Link, use int) Lane {
	i := (p.client*p.brokers+int(l.Broker))*lanesPerConn + 2*use
	if l.Dir == ToClient {
		i++
	}
	// linkLanes has the prime factors 2 and 5: a step without them visits all.
	step := int(mix(seed)%uint64(linkLanes/10))*10 + 3
	return Lane(HarnessLanes + (i*step+int(seed%uint64(linkLanes)))%linkLanes)
}

// useOf returns the use of a connection by the api key of its first request.
func useOf(key int16) int {
	switch key {
	case 0: // produce
		return 1
	case 1: // fetch
		return 2
	case 3: // metadata
		return 3
	}
	return 0
}
