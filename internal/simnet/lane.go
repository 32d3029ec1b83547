package simnet

import "time"

// Round is the time between two instants of a lane. Each lane has one instant in it.
const Round = 10 * time.Microsecond

// HarnessLanes is the number of lanes, from 0 on, that no link uses. They are for code
// that acts on a network from outside, such as the schedule of a test.
const HarnessLanes = 2000

// A Lane keeps the events of one source apart in time from those of all other sources.
// Time is divided into rounds, and a lane is one nanosecond of every round. A source that
// acts only in its own lane never acts at the same instant as another source. So no two
// events of a world happen at one instant, where their order would be undefined. Without
// lanes, nanoseconds alone would not be enough: among the thousands of events of a run, two
// would now and then meet by chance.
//
// A timer that runs for whole rounds, as those of a Kafka client do, fires in the lane of
// the event that set it.
type Lane int

// Next returns the first instant of the lane that is not before t.
func (l Lane) Next(t time.Time) time.Time {
	d := time.Duration(l) - time.Duration(t.UnixNano())%Round
	if d < 0 {
		d += Round
	}
	return t.Add(d)
}

// A connection has lanes of its own for each direction: one for its use, and some for the
// time before its use is known, when connections dialed at one instant can't be told apart.
const (
	linkLanes = int(Round) - HarnessLanes
	// lanesPerConn is the number of lanes of one client and one broker, for both
	// directions.
	lanesPerConn = 16
	openingLane  = 4 // the first of those for a connection that is being opened
)

// place says which lanes belong to a connection.
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
