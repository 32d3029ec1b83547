package main

import (
	"os"
	"runtime/debug"
)

// crashApart makes a crash of this program - a panic, running out of memory - end it with
// SIGABRT, which shells report as exit code 134. By default Go programs that crash exit with
// 2, which here is a result. No core file is written, because it would have all the memory. If
// GOTRACEBACK is set, the user has decided what a crash does.
func crashApart() {
	if os.Getenv("GOTRACEBACK") != "" {
		return
	}
	noCore()
	debug.SetTraceback("crash")
}
