// Package score runs mutants of package mutation against tests and against worlds, and counts
// which of them are killed.
//
// Everything is measured without a mutant first: how long each test and each world takes, and
// which mutants it reaches. A mutant is then run by what reaches it, the cheapest tests first,
// until something fails. Results are lines of JSON in a file, so that a run that was interrupted
// goes on where it stopped.
package score
