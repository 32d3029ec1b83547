//go:build unix

package engine

import (
	"syscall"
	"time"
)

// CPUTime returns the processor time that this process has used, and 0 where
// that cannot be known. On a machine that does other things too, it says more
// about the cost of a world than a clock.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
