// Package invariant checks, while a program runs, that the rules of docs/design.md hold in
// the store. The checks are compiled only with the build tag kvsim_invariants, which tests,
// simulated worlds and mutants use; without it they cost nothing: [On] is a constant, and
// the compiler drops what depends on it.
//
//	if invariant.On {
//		invariant.Check("I2", done <= applied, "done %d, applied %d", done, applied)
//	}
//
// What a check compares with an earlier moment is kept in a [Last], in a [Shared] if several
// goroutines have it, or in a [Count] of events. Without the tag they take no memory.
package invariant

import "fmt"

// Violation is what Check panics with.
type Violation struct {
	Name string // name of the invariant in docs/design.md, or its sentence
	What string // what was found instead
}

// Error names the invariant, and what was found.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s %s: %s", Marker, v.Name, v.What)
}

// Marker is the start of the message with which a failed check ends a program.
const Marker = "kvstore: broken invariant"

// Check panics with a *Violation unless holds is true. The other arguments describe what
// was found.
func Check(name string, holds bool, format string, args ...any) {
	if !holds {
		panic(&Violation{name, fmt.Sprintf(format, args...)})
	}
}

// Broken returns the name of the invariant that fn finds broken, "" for none. It is for tests
// of checks.
func Broken(fn func()) (name string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *Violation:
			name = p.Name
		default:
			panic(p)
		}
	}()
	fn()
	return ""
}

// Rethrow panics again with a recovered value if it is a *Violation: that is a bug of the
// store, and must not be taken for one of code that the store was given.
func Rethrow(p any) {
	if v, ok := p.(*Violation); ok {
		panic(v)
	}
}
