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
				if got := h.denied("c1", 3, time.Second, time.Now()); got != tc.want {
					t.Errorf("denied for long enough = %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// What one broker says ends no client while another one that it can hear says otherwise.
func TestDenialOfOneBrokerCountsOnlyWhileNoOtherIsHeard(t *testing.T) {
	const long, short = 2 * topicGoneAfter, topicGoneAfter / 8
	type fault struct {
		Fault
		brokers []int32
	}
	of := func(f Fault, brokers ...int32) fault { return fault{f, brokers} }
	lie := of(StaleMetadata{Broker: "1", Knows: "unknown"}, 1)
	for name, tc := range map[string]struct {
		brokers int
		faults  []fault
		down    []int32
		lasts   time.Duration // what is beside the denial
		then    time.Duration // after that, while the denial goes on
		want    bool
	}{
		"alone":                               {2, nil, nil, long, 0, false},
		"the only broker":                     {1, []fault{of(StaleMetadata{Broker: "0", Knows: "unknown"}, 0)}, nil, long, 0, true},
		"the other is down":                   {2, nil, []int32{0}, long, 0, true},
		"the other was down for a moment":     {2, nil, []int32{0}, short, long, false},
		"one of two others is down":           {3, nil, []int32{0}, long, 0, false},
		"one is down, one silent":             {3, []fault{of(Silence{Broker: "2"}, 2)}, []int32{0}, long, 0, true},
		"it is down itself":                   {2, nil, []int32{1}, long, 0, false},
		"the other is silent":                 {2, []fault{of(Silence{Broker: "0"}, 0)}, nil, long, 0, true},
		"it is silent itself":                 {2, []fault{of(Silence{Broker: "1"}, 1)}, nil, long, 0, false},
		"the other can't be reached":          {2, []fault{of(BlackHole{Client: "c1", Broker: "0"}, 0)}, nil, long, 0, true},
		"another client can't reach it":       {2, []fault{of(BlackHole{Client: "c2", Broker: "0"}, 0)}, nil, long, 0, false},
		"the other denies the topic, too":     {2, []fault{of(StaleMetadata{Broker: "0", Knows: "other-id"}, 0)}, nil, long, 0, true},
		"the other is of no use":              {2, []fault{of(StaleMetadata{Broker: "0", Knows: "partitions"}, 0)}, nil, long, 0, true},
		"fetches fail":                        {2, []fault{of(FailFetch{Error: "UNKNOWN_TOPIC_ID"})}, nil, long, 0, false},
		"writes of the other get no answer":   {2, []fault{of(LoseAnswer{Broker: "0", API: "produce"}, 0)}, nil, long, 0, false},
		"all other answers of it are lost":    {2, []fault{of(LoseAnswer{Broker: "0"}, 0)}, nil, long, 0, true},
		"the other is a little late":          {2, []fault{of(Latency{Broker: "0", Mean: 80 * time.Millisecond}, 0)}, nil, long, 0, false},
		"all deny it, and then only this one": {2, []fault{of(StaleMetadata{Knows: "other-id"})}, nil, short, long, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(*testing.T) {
				var h holds
				defer h.begin(lie.Fault, lie.brokers...)()
				var over []func()
				for _, f := range tc.faults {
					over = append(over, h.begin(f.Fault, f.brokers...))
				}
				for _, b := range tc.down {
					over = append(over, h.down(b))
				}
				time.Sleep(tc.lasts)
				for _, end := range over {
					end()
				}
				time.Sleep(tc.then)
				if got := h.denied("c1", tc.brokers, short, time.Now()); got != tc.want {
					t.Errorf("denied for long enough = %v, want %v", got, tc.want)
				}
			})
		})
	}
}
