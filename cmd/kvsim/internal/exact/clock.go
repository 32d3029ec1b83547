package exact

import (
	"math"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

const (
	// clockStep is what each reading of a clock adds, so that a loop that
	// waits for the time to pass ends, and a reading is never repeated.
	clockStep = 100 * time.Nanosecond

	// monotonicStart is where the monotonic clock begins. Go takes zero for
	// "no clock".
	monotonicStart = time.Second
)

// DefaultStart is the wall clock at the start of a run if RunOptions.Start is
// zero: the same instant at which a bubble of package testing/synctest begins.
var DefaultStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the simulated time of one run. It stands still while the guest
// computes, adds clockStep when it is read, and jumps when the guest sleeps.
type clock struct {
	start time.Time
	now   time.Duration // since start
	limit time.Duration // when over is called; zero means never
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

// wall is the guest's real-time clock.
func (c *clock) wall() (sec int64, nsec int32) {
	c.advance(clockStep)
	t := c.start.Add(c.now)
	return t.Unix(), int32(t.Nanosecond())
}

// monotonic is the guest's monotonic clock.
func (c *clock) monotonic() int64 {
	c.advance(clockStep)
	return int64(monotonicStart + c.now)
}

// sleep passes d nanoseconds at once.
func (c *clock) sleep(d int64) { c.advance(time.Duration(d)) }

// resolution is what the guest is told about either clock.
const resolution = sys.ClockResolution(clockStep)
