// Package engine runs simulated worlds. There are three engines; a world cannot
// tell which one runs it, because it takes its time from package time and
// everything else from its plan.
//
//	virtual   a testing/synctest bubble in a worker process: native code, minutes
//	          of simulated time in a fraction of a second, one world a core
//	exact     the same program compiled for wasip1 and run by cmd/kvsim/internal/exact:
//	          slower, and a seed gives the same bytes every time
//	real      this process and the real clock
//
// # Virtual
//
// A plain program has no bubble of its own: package testing has to make one.
// So the pool starts the running executable again as a worker, with an
// environment variable that Serve looks for first in main. The worker calls
// testing.Main with a single test, which stays in a loop: read a job, run it in
// a bubble, write its result. Starting a process and a bubble is therefore paid
// once for many worlds.
//
// Bubbles are not isolated from each other as processes are. A world that
// panics, deadlocks, leaves a goroutine behind or does not end takes its worker
// with it, and no other world: the pool reports that world as broken, with what
// the worker printed, and starts another worker.
//
//	pool                       worker
//	 |  start, environment       |
//	 |-------------------------->|  testing.Main
//	 |  {"ready":true}           |
//	 |<--------------------------|
//	 |  {"job":...}              |
//	 |-------------------------->|  synctest.Test: the history goes to its file
//	 |  {"judging":...}          |
//	 |<--------------------------|  it has ended; what is known so far
//	 |  {"result":...}           |
//	 |<--------------------------|
//	 |  {"job":...}              |
//	 |-------------------------->|  the next bubble
//	 |  end of input             |
//	 |-------------------------->|  exit
//
// Two clocks bound a world. The simulated limit catches one that waits forever:
// its context ends, and if it does not return then, the worker prints all
// goroutines and exits. The wall limit catches one that computes forever: the
// worker is told to dump its goroutines and is killed. Both end when the world
// does. Judging it has a limit of its own, and a world that reaches that is no
// failure of the harness: what was known when judging began, and again when the
// log witness had spoken, is its result.
package engine
