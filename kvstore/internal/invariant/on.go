//go:build kvsim_invariants

package invariant

// On says whether invariants are checked.
const On = true

// Last remembers a value for a check of how it changes.
type Last[T any] struct{ v T }

// Swap remembers v and returns what was remembered before, at first the zero T.
func (l *Last[T]) Swap(v T) (before T) {
	before, l.v = l.v, v
	return before
}
