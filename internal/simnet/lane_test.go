package simnet

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachUseOfEachLinkHasItsOwnLane(t *testing.T) {
	for _, seed := range []uint64{0, 1, 7, 1 << 63} {
		owner := make(map[Lane]Link)
		for client := range 100 {
			for broker := range int32(5) {
				for use := range 2 * openingLane {
					for _, dir := range []Direction{ToBroker, ToClient} {
						l := Link{Client: string(rune(client)), Broker: broker, Dial: use, Dir: dir}
						lane := place{client: client, brokers: 5}.lane(seed, l, use)
						if lane < HarnessLanes || time.Duration(lane) >= Round {
							t.Fatalf("seed %d: lane %d of %v is not from %d to %d", seed, lane, l, HarnessLanes, Round-1)
						}
						if other, taken := owner[lane]; taken {
							t.Fatalf("seed %d: %v and %v share lane %d", seed, other, l, lane)
						}
						owner[lane] = l
					}
				}
			}
		}
	}
}

func TestLaneComesOnceARound(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, lane := range []Lane{0, 1, HarnessLanes, Lane(Round) - 1} {
		at := lane.Next(start)
		if got := at.Sub(start); got != time.Duration(lane) {
			t.Errorf("lane %d begins at %v", lane, got)
		}
		if next := lane.Next(at); !next.Equal(at) {
			t.Errorf("an instant of lane %d moved by %v", lane, next.Sub(at))
		}
		if next := lane.Next(at.Add(1)); next.Sub(at) != Round {
			t.Errorf("lane %d comes again after %v, want %v", lane, next.Sub(at), Round)
		}
	}
}

// TestMeetingFramesArriveAtTheirOwnTimesWhateverTheOrder sends two frames that are due at
// the same instant. It must not matter which of them was sent first.
func TestMeetingFramesArriveAtTheirOwnTimesWhateverTheOrder(t *testing.T) {
	clients := []string{"a", "b"}
	run := func(first int) (arrived [2]time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Config{Latency: Latency{Min: time.Millisecond, Jitter: 1}}, 1)
			var ends, brokers [2]net.Conn
			for i, name := range clients {
				ends[i], brokers[i] = w.connect(t, name, 0)
			}
			start := time.Now()
			for _, i := range []int{first, 1 - first} {
				mustWrite(t, brokers[i], answer(1, "x"))
			}
			done := make(chan int)
			for i := range ends {
				go func() {
					mustRead(t, ends[i], answer(1, "x"))
					arrived[i] = time.Since(start)
					done <- i
				}()
			}
			<-done
			<-done
		})
		return arrived
	}
	one, other := run(0), run(1)
	if one != other {
		t.Errorf("arrivals = %v when a's answer was sent first, %v when b's was", one, other)
	}
	if one[0] == one[1] {
		t.Errorf("both arrive after %v", one[0])
	}
}
