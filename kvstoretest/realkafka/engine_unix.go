//go:build unix

package realkafka

import (
	"errors"
	"syscall"
)

// processLives reports whether a process of this machine exists.
func processLives(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
