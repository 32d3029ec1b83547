//go:build !kvsim_invariants

package invariant

// On says whether invariants are checked.
const On = false

// Last remembers a value so that a check can compare it with the next one. Without checks
// it takes no memory and remembers nothing.
type Last[T any] struct{}

// Swap returns v.
func (l *Last[T]) Swap(v T) (before T) { return v }

// Value returns the zero T.
func (l *Last[T]) Value() (v T) { return v }

// Shared is a Last for several goroutines.
type Shared[T any] struct{}

// Store does nothing.
func (s *Shared[T]) Store(T) {}

// Load returns the zero T.
func (s *Shared[T]) Load() (v T) { return v }

// Count counts events for a check, in several goroutines. Without checks it takes no memory
// and counts nothing.
type Count struct{}

// Add does nothing.
func (c *Count) Add() {}

// Load returns 0.
func (c *Count) Load() uint64 { return 0 }
