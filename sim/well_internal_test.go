package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// A client is well when nothing is in its way, and nothing was while it recovered.
func TestClientIsWellOnceItHasRecovered(t *testing.T) {
	const recovery = time.Second
	synctest.Test(t, func(*testing.T) {
		var h holds
		start := time.Now()
		at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
		sleepUntil := func(seconds float64) { time.Sleep(time.Until(at(seconds))) }
		sleepUntil(2)
		end := h.begin(Stall{Client: "c1"})
		sleepUntil(3)
		end()
		compacted := h.begin(Compact{}) // it holds nobody, but it may be in the way
		sleepUntil(4)
		compacted()
		sleepUntil(9)
		h.begin(Reset{})
		for _, tc := range []struct {
			client   string
			from, to float64
			want     bool
		}{
			{"c1", 0, 1.9, true},
			{"c1", 0, 2, false},
			{"c2", 0, 2.9, true},
			{"c2", 0, 3, false},
			{"c1", 4.9, 5, false},
			{"c1", 5.1, 8.9, true},
			{"c1", 5.1, 9.1, false},
			{"c2", 10, 11, false}, // the reset is not over
		} {
			if got := h.clear(tc.client, at(tc.from), at(tc.to), func(Fault) time.Duration { return recovery }); got != tc.want {
				t.Errorf("clear(%s, %vs to %vs) = %v, want %v", tc.client, tc.from, tc.to, got, tc.want)
			}
		}
	})
}

// After a fault that leaves silent connections a client first has to find out that they are dead.
func TestRecoveryTakesLongerAfterSilence(t *testing.T) {
	w := &world{plan: Plan{World: World{RequestTimeout: 2 * time.Second}}}
	short, long := w.afterwards(Reset{}), w.afterwards(BlackHole{})
	if short != 2*longestPause+topicGoneAfter || long != short+2*time.Second {
		t.Errorf("a client recovers in %v and %v, want %v and 2s more", short, long, 2*longestPause+topicGoneAfter)
	}
}

// A period counts once, however many writes it delayed and however many faults explain it.
func TestDowntimeCountsOnceAndIsExplainedByWhatOverlapsIt(t *testing.T) {
	start := time.Now()
	p := func(from, to int) period {
		return period{start.Add(time.Duration(from) * time.Second), start.Add(time.Duration(to) * time.Second)}
	}
	down := []period{p(1, 3), p(2, 4), p(8, 9), p(8, 9)}
	faults := []period{p(0, 2), p(1, 2), p(3, 8)}
	if got, want := length(down), 4*time.Second; got != want {
		t.Errorf("down for %v, want %v", got, want)
	}
	if got, want := length(overlap(down, faults)), 2*time.Second; got != want {
		t.Errorf("explained for %v, want %v", got, want)
	}
}

// Without a process a client is down, until the next one has opened or it is dead.
func TestClientWithoutAProcessIsDown(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		s := newSlot(&world{}, "c1", 0)
		s.become(&process{})
		time.Sleep(time.Second)
		s.become(nil)
		time.Sleep(2 * time.Second)
		s.become(&process{})
		time.Sleep(time.Second)
		s.dead = true
		s.become(nil)
		time.Sleep(time.Hour)
		if got, want := length(s.downtime.all), 2*time.Second; got != want {
			t.Errorf("down for %v, want %v", got, want)
		}
	})
}
