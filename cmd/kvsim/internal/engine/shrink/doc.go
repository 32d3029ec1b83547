// Package shrink makes the plan of a failing world small: fewer faults, clients and
// operations, shorter phases and faults, as long as the same check fails.
//
// For the list of faults it uses delta debugging (Zeller and Hildebrandt, "Simplifying and
// Isolating Failure-Inducing Input", 2002). Everything else in a plan that has a size is made
// smaller step by step. A candidate, which is smaller in one place, is run; if it fails in the
// same way, it becomes the new plan. This is repeated until no candidate fails.
//
// A smaller plan draws other random numbers. So leaving out an operation that has nothing to
// do with the bug may lose the coincidence that provokes it. Therefore, once nothing more is
// found with the plan's seed, each candidate is tried with more seeds. By then worlds are
// small, and so fast.
package shrink
