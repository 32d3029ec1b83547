// Package invariant checks, while a program runs, that the rules of docs/design.md hold
// in the store. The checks are compiled in with the build tag kvsim_invariants only, as
// for tests, simulated worlds and mutants; without it they cost nothing: [On] is a
// constant, and the compiler leaves out what stands behind it.
//
//	if invariant.On {
//		invariant.Check("I2", done <= applied, "done %d, applied %d", done, applied)
//	}
package invariant

import "fmt"

// Violation is what Check panics with.
type Violation struct {
	Name string // of the invariant, as in docs/design.md, or what it says
	What string // what was found instead
}

// Error names the invariant, and what was found.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s %s: %s", Marker, v.Name, v.What)
}

// Marker begins what a program prints that a check ended.
const Marker = "kvstore: broken invariant"

// Check panics with a *Violation unless holds is true. The other arguments say what was
// found.
func Check(name string, holds bool, format string, args ...any) {
	if !holds {
		panic(&Violation{name, fmt.Sprintf(format, args...)})
	}
}

// Rethrow panics again with a value that was recovered if it is a *Violation: that is a bug of the
// store, and must not pass for one of code that the store was given.
func Rethrow(p any) {
	if v, ok := p.(*Violation); ok {
		panic(v)
	}
}
