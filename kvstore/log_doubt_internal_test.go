package kvstore

import (
	"testing"
	"testing/synctest"
	"time"
)

// Nothing is believed for what was said before a break in which anything could have been
// said, whatever kept the client from hearing it: here the process, or the machine, slept.
func TestBreakStartsASeriesOfAnswersAgain(t *testing.T) {
	const after, rest = 30 * time.Second, time.Second
	quiet := quietFor(after, rest)
	for name, tc := range map[string]struct {
		pause time.Duration // after the first ten seconds
		again bool          // the series starts again
	}{
		"none":               {time.Second, false},
		"as long as allowed": {quiet, false},
		"longer":             {quiet + 1, true},
		"most of the time":   {after - 11*time.Second, true},
		"longer than it all": {2 * after, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d doubt
				s, by := silence{}, leader{node: 1}
				answer := func() (lasts time.Duration) {
					lasts, believed := d.said(after, quiet)
					nothing, also := s.add(by, 7, &fetched{stable: 9, got: time.Now()}, after, quiet)
					if nothing != lasts || also != believed {
						t.Errorf("answers without records: %v, %v; against the topic: %v, %v", nothing, also, lasts, believed)
					}
					return lasts
				}
				for range 10 {
					answer()
					time.Sleep(time.Second)
				}
				time.Sleep(tc.pause - time.Second)
				want := 9*time.Second + tc.pause
				if tc.again {
					want = 0
				}
				if got := answer(); got != want {
					t.Errorf("said for %v after a break of %v, want %v", got, tc.pause, want)
				}
				if !d.lasts(after, quiet) {
					t.Error("it is as if nothing had been said")
				}
			})
		})
	}
}

// A machine that slept hears nothing, although its monotonic clock stood still.
func TestSleepOfTheMachineIsABreak(t *testing.T) {
	const after = 30 * time.Second
	d := doubt{since: time.Now().Add(-29 * time.Second), rounds: 9}
	asleep := time.Hour
	d.last = monotonicBy(time.Now().Add(-asleep), asleep)
	if lasts, believed := d.said(after, quietFor(after, 0)); lasts != 0 || believed {
		t.Errorf("said for %v (believed: %v) after a sleep of %v, want a new series", lasts, believed, asleep)
	}
	s := silence{by: leader{node: 1}, at: 7, count: 9, since: d.since, last: monotonicBy(time.Now().Add(-asleep), asleep)}
	if lasts, believed := s.add(leader{node: 1}, 7, &fetched{stable: 9, got: time.Now()}, after, quietFor(after, 0)); lasts != 0 || believed {
		t.Errorf("without records for %v (believed: %v) after a sleep of %v, want a new series", lasts, believed, asleep)
	}
}

// The design promises three rounds of requests: neither two that lie far apart, nor more.
func TestBrokersAreBelievedInTheThirdRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after, quiet = time.Second, time.Minute
		var d doubt
		for round, want := range []bool{false, false, true, true} {
			if _, believed := d.said(after, quiet); believed != want {
				t.Errorf("round %d: believed %v, want %v", round+1, believed, want)
			}
			time.Sleep(2 * after)
		}
	})
}
