package exact

import (
	"math"
	"testing"
	"time"
)

func TestClockAddsAHundredNanosecondsForEachReading(t *testing.T) {
	c := clock{start: DefaultStart}
	first, second := c.monotonic(), c.monotonic()
	if second-first != 100 || first <= 0 {
		t.Errorf("monotonic readings %d and %d, want positive and 100 apart", first, second)
	}
	sec, nsec := c.wall()
	if got, want := time.Unix(sec, int64(nsec)), DefaultStart.Add(300); !got.Equal(want) {
		t.Errorf("wall clock after three readings = %v, want %v", got, want)
	}
}

func TestClockJumpsOverSleep(t *testing.T) {
	c := clock{start: DefaultStart}
	before := c.monotonic()
	c.sleep(int64(48 * time.Hour))
	c.sleep(-5) // a timer that is overdue
	if got, want := c.monotonic()-before, int64(48*time.Hour+100); got != want {
		t.Errorf("after a sleep of 48h the clock moved %d, want %d", got, want)
	}
}

func TestClockStopsAtItsLimit(t *testing.T) {
	type stopped struct{}
	for name, c := range map[string]*clock{
		"limit":    {start: DefaultStart, limit: time.Second},
		"overflow": {start: DefaultStart, now: time.Second},
	} {
		c.over = func() { panic(stopped{}) }
		func() {
			defer func() {
				if _, ok := recover().(stopped); !ok {
					t.Errorf("%s: the clock went past its limit", name)
				}
			}()
			c.sleep(int64(10 * time.Minute))
			c.sleep(math.MaxInt64)
		}()
	}
	c := clock{start: DefaultStart, limit: time.Second, over: func() { t.Error("stopped before the limit") }}
	c.sleep(int64(time.Second))
}

func TestGuestClock(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	start := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	got := run(t, g, RunOptions{Args: []string{"clock"}, Start: start})
	wantLines(t, got.stdout,
		"start 2026-02-03T04:05:06Z",
		"reading 200ns 200ns", // time.Now reads both clocks
		"slept 36h 36h0m0s",
		"timer 1m 1m0s",
		"waited by reading")
	if got.Elapsed < 36*time.Hour+time.Minute || got.Elapsed > 36*time.Hour+time.Minute+time.Second {
		t.Errorf("Elapsed = %v, want a little more than 36h1m", got.Elapsed)
	}
	long := run(t, g, RunOptions{Args: []string{"sleep", "87600h"}})
	wantLines(t, long.stdout, "2009-12-29T00:00:00Z")
}
