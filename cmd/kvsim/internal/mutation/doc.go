// Package mutation makes mutants of Go packages by rule, and puts them all into one program.
//
// A mutant is a small change of the source that a rule makes: a condition is negated, a statement
// is left out. To compile a program for each of thousands of mutants would take most of the time,
// so all of them are woven into the source at the same time, and an environment variable chooses
// one when the program starts (mutant schemata; Untch, Offutt and Harrold, 1993):
//
//	if a < b && c          if ((kvsimmutant.Less(17, a, b) != kvsimmutant.On(18)) ...
//	mu.Lock()              if !kvsimmutant.On(19) { mu.Lock() }
//
// The woven program also notes which mutants a run reaches. A test or a world that does not reach
// a mutant cannot tell it from the original, and need not be run.
//
// Find lists the mutants of packages, Weave writes the woven source, and Same tells whether a
// mutant compiles to the code of the original.
package mutation
