//go:build race

package sim_test

// raceDetector says that the race detector is on. It makes the runtime run
// goroutines in another order each time, so that no run repeats another.
const raceDetector = true
