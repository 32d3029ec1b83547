// Package shrink makes the plan of a failing world small: fewer faults, clients
// and operations, shorter phases and faults, as long as the same check fails.
//
// It is delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating
// Failure-Inducing Input", 2002) on the list of faults, and a descent on
// everything else in a plan that has a size. A candidate that is smaller in one
// place is run; if it fails in the same way it is the new plan. This goes on until
// no candidate fails.
//
// A smaller plan draws other random numbers, so the chance that provokes the bug
// may be lost with an operation that has nothing to do with it. That is why, once
// nothing more is found with the plan's seed, each candidate gets more seeds to
// try, while worlds are small and so fast.
package shrink
