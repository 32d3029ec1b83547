//go:build unix

package main

import "syscall"

// noCore makes this process, and those that it starts, write no core file. If that is
// refused, nothing was lost.
func noCore() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err == nil {
		limit.Cur = 0
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
}
