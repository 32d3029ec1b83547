// Package exact runs a Go program so that a run can be repeated to the byte.
//
// # What is guaranteed
//
// The program is compiled for GOOS=wasip1 GOARCH=wasm and run by wazero. It has
// one thread, and everything that it can learn from outside comes from a Guest's
// Run: the clock, random bytes, arguments, environment, files, standard input,
// and the order in which its runnable goroutines run. So the same guest, run
// with the same RunOptions, makes the same steps: the bytes on stdout and
// stderr, the exit code, and every field of Result are the same in every run, in
// every process, on every machine that has the same guest. Another seed gives
// another schedule and other random bytes.
//
// One thing is left to the processor: the bits of a NaN. A program that prints
// them may differ between kinds of processors.
//
// A guest is the same if its bytes are. Build passes -trimpath, so that they
// depend on the Go release, the source and the tags, not on where the source
// lies.
//
// How much is printed of what a program says (its verbosity) must be decided on
// the host, by the Writers in RunOptions, and not by a flag for the program: a
// program that formats a line more makes other steps, and reads the clock at
// other times.
//
// # Time
//
// Both clocks of the guest stand still while it computes, add 100 ns each time
// that one of them is read, and jump when every goroutine sleeps. A simulated
// day of sleep takes no time. Computing takes none of the simulated time, so a
// deadline is never missed because of a slow machine.
//
// # Schedule
//
// Go's scheduler on wasm has a first-in, first-out queue, and no seed changes
// it: an ordering bug is found in the first run or never. SchedulerRandom builds
// the guest with a changed copy of the user's own runtime/proc.go ("go build
// -overlay"), in which each pick from the queue asks the host for a number. The
// host draws it from a generator that serves nothing else, so what the program
// draws, allocates, prints or iterates over does not shift the schedule. The
// change is made from the Go that is installed, and it fails with a *PatchError
// unless each passage that it replaces is there exactly once. A Go that lies in
// the module cache, where the go command replaces no file, is run by another
// name. A goroutine still runs until it blocks, yields or ends: wasm has no
// preemption, with any scheduler.
//
// # Memory
//
// The guest runs with GOGC=off: collections would depend on how much was
// allocated, and cost time for nothing in a world of some megabytes. At
// RunOptions.MemoryLimit (GOMEMLIMIT in the guest) the collector starts all the
// same, which is as deterministic as everything else. A guest cannot have more
// than 4 GB; beyond that Go's out of memory is in Result.Panic.
//
// # Bounds
//
// A world that spins is reported, not waited for. Three things end a run early:
//
//   - RunOptions.MaxSteps, which is deterministic. Before a guest is compiled,
//     every loop header in its code is made to count a step down, and at zero
//     the run ends with a *BoundError that says where the guest was. This
//     catches loops without any call in them. It costs about four percent.
//   - RunOptions.MaxElapsed, which is deterministic: a bound on simulated time.
//   - The context of Run, which is not: cancelling it (a time-out of the host,
//     a key press) ends the guest at some step, within milliseconds.
//
// # Caches
//
// Modules, overlays and machine code are kept under kvsim in os.UserCacheDir.
// Whether a module is up to date is decided by the go command; machine code is
// found by the hash of the module, and what was used longest ago is removed
// beyond two gigabytes.
package exact
