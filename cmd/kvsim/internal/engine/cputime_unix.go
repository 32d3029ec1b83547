//go:build unix

package engine

import (
	"syscall"
	"time"
)

// CPUTime returns the processor time that this process has used, or 0 if it is
// not known. On a machine that also does other work, it says more about the cost
// of a world than the clock does.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
