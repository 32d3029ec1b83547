package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// Brokers that are wrong about the topic twice may be right in between without a client that
// hears it. A longer break starts its clock again.
func TestDenialsWithoutABreakThatIsHeardAreOne(t *testing.T) {
	for name, tc := range map[string]struct {
		first, rest, second time.Duration
		want                bool
	}{
		"once, too short":           {0, 0, topicGoneAfter - 1, false},
		"once, long enough":         {0, 0, topicGoneAfter, true},
		"twice, with a short break": {961 * time.Millisecond, 752 * time.Millisecond, 1064 * time.Millisecond, true},
		"twice, too short":          {500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond, false},
		"twice, almost long apart":  {time.Second, unheard - 1, time.Second, true},
		"twice, long apart":         {time.Second, unheard, time.Second, false},
		"the second is long enough": {time.Second, unheard, topicGoneAfter, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(*testing.T) {
				var h holds
				deny := func(d time.Duration) {
					end := h.begin(StaleMetadata{Knows: "other-id"})
					time.Sleep(d)
					end()
				}
				if tc.first > 0 {
					deny(tc.first)
					time.Sleep(tc.rest)
				}
				deny(tc.second)
				if got := h.denied("c1", time.Now()); got != tc.want {
					t.Errorf("denied for long enough = %v, want %v", got, tc.want)
				}
			})
		})
	}
}
