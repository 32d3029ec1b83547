package exact

import (
	"math"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

const (
	// clockStep is added to the time at each reading of a clock. So a loop that
	// waits for time to pass ends, and no two readings are the same.
	clockStep = 100 * time.Nanosecond

	// monotonicStart is the first time of the monotonic clock. It is not zero,
	// because Go takes that for "no clock".
	monotonicStart = time.Second
)

// DefaultStart is the default of RunOptions.Start, the wall clock at the start of a run. It
// is the same as in a bubble of package testing/synctest.
var DefaultStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the simulated time of one run. It stands still while the guest computes, advances
// by clockStep when it is read, and jumps when the guest sleeps.
type clock struct {
	start time.Time
	now   time.Duration // since start
	limit time.Duration // the time at which over is called; zero means never
	over  func()        // must not return
}

func (c *clock) advance(d time.Duration) {
	d = max(d, 0)
	if c.limit > 0 && d > c.limit-c.now {
		c.now = c.limit
		c.over()
	}
	if d > math.MaxInt64-c.now {
		c.now = math.MaxInt64
		c.over()
	}
	c.now += d
}

// wall reads the guest's wall clock.
func (c *clock) wall() (sec int64, nsec int32) {
	c.advance(clockStep)
	t := c.start.Add(c.now)
	return t.Unix(), int32(t.Nanosecond())
}

// monotonic reads the guest's monotonic clock.
func (c *clock) monotonic() int64 {
	c.advance(clockStep)
	return int64(monotonicStart + c.now)
}

// sleep lets d nanoseconds of simulated time pass in one step.
func (c *clock) sleep(d int64) { c.advance(time.Duration(d)) }

// resolution is the resolution that the guest is told for both clocks.
const resolution = sys.ClockResolution(clockStep)
