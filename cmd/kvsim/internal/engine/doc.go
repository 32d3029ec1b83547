// Package engine runs simulated worlds. There are three engines; a world cannot
// tell which one runs it, because it takes its time from package time and
// everything else from its plan.
//
//	virtual   a testing/synctest bubble in a worker process: native code, minutes
//	          of simulated time in a fraction of a second, one world on each core
//	exact     the same program compiled for wasip1 and run by cmd/kvsim/internal/exact:
//	          slower, and a seed gives the same bytes every time
//	real      this process and the real clock
//
// # Virtual
//
// Only package testing can make a bubble. So the pool starts the running executable
// again as a worker, with an environment variable that Serve looks for at the start
// of main. The worker calls testing.Main with a single test, which runs in a loop:
// read a job, run it in a bubble, write its result. So the cost of starting a
// process is paid once for many worlds.
//
// Bubbles are not isolated from each other as processes are. If a world panics,
// deadlocks, leaves a goroutine behind or does not end, its worker is lost, but no
// other world. The pool reports that world as broken, with the output of the worker,
// and starts another worker.
//
//	pool                       worker
//	 |  start, environment       |
//	 |-------------------------->|  testing.Main
//	 |  {"ready":true}           |
//	 |<--------------------------|
//	 |  {"job":...}              |
//	 |-------------------------->|  synctest.Test: the history goes to its file
//	 |  {"judging":...}          |
//	 |<--------------------------|  the world has ended; what is known so far
//	 |  {"result":...}           |
//	 |<--------------------------|
//	 |  {"job":...}              |
//	 |-------------------------->|  the next bubble
//	 |  end of input             |
//	 |-------------------------->|  exit
//
// Two limits bound a world. The simulated limit catches a world that waits forever: its
// context ends, and if the world does not return after that, the worker prints all
// goroutines and exits. The wall limit catches a world that computes forever: the worker is
// told to print its goroutines, and is then killed. Both limits apply until the world ends.
// Judging it has a limit of its own. A world that reaches that limit is not a failure of
// the harness: its result is what was known when judging started, or when the log witness
// had finished.
package engine
