// Package exact runs a Go program so that a run can be repeated exactly, byte for byte.
//
// # What is guaranteed
//
// The program, called the guest, is compiled for GOOS=wasip1 GOARCH=wasm and run by wazero.
// It has one thread. Everything that it can learn from outside comes from Guest.Run: the
// clock, random bytes, arguments, environment, files, standard input, and the order in which
// its runnable goroutines run. So the same guest, run with the same RunOptions, executes the
// same steps. The bytes on stdout and stderr, the exit code, and every field of Result are
// the same in every run, in every process and on every machine. Another seed gives another
// schedule and other random bytes.
//
// The only exception is the bits of a NaN, which depend on the processor. A program that
// prints them may give different output on other kinds of processors.
//
// Two guests are the same if their bytes are. Build passes -trimpath, so the bytes depend on
// the Go release, the source and the tags, but not on the directory of the source.
//
// The host must decide how much output is shown, by the Writers in RunOptions. A verbosity
// flag for the program would not do: a program that formats one line more executes other
// steps and reads the clock at other times.
//
// # Time
//
// Both clocks of the guest stand still while it computes, advance by 100 ns each time one of
// them is read, and jump when every goroutine sleeps. A simulated day of sleep takes no real
// time. Computing takes no simulated time, so a slow machine never causes a missed deadline.
//
// # Schedule
//
// Go's scheduler on wasm has a first-in, first-out queue, and no seed changes it, so a bug of
// ordering is found in the first run or never. SchedulerRandom builds the guest with a changed
// copy of the user's own runtime/proc.go ("go build -overlay"). In the copy, each pick from the
// queue asks the host for a random number. The host draws it from a generator that is used for
// nothing else, so the schedule does not depend on what the program draws, allocates, prints
// or iterates over. The copy is made from the installed Go. Each passage that is replaced must
// occur exactly once; otherwise Build returns a *PatchError. The go command replaces no files
// in the module cache, so a Go release that lies there is run by another path. With any
// scheduler, a goroutine runs until it blocks, yields or ends, because wasm has no preemption.
//
// # Memory
//
// The guest runs with GOGC=off, because collections would only cost time in a world of some
// megabytes. At RunOptions.MemoryLimit (GOMEMLIMIT in the guest) the collector starts
// nevertheless, and is as deterministic as everything else. A guest can't have more than 4 GB;
// if it needs more, Result.Panic has Go's out-of-memory error.
//
// # Bounds
//
// A guest that does not end is stopped and reported. Three things end a run early:
//
//   - RunOptions.MaxSteps, which is deterministic. Before a guest is compiled, code is
//     added to every loop header that counts steps down. At zero the run ends with a
//     *BoundError that says where the guest was. This catches loops without any call in
//     them. It costs little.
//   - RunOptions.MaxElapsed, a bound on simulated time, which is deterministic.
//   - The context of Run, which is not. Cancelling it (a time-out of the host, a signal)
//     ends the guest at some step, within milliseconds.
//
// # Caches
//
// Modules, overlays and machine code are kept in the directory kvsim of os.UserCacheDir. The
// go command decides whether a module is up to date. Machine code is found by the hash of the
// module. If there are more than two gigabytes of it, the least recently used is removed.
package exact
