//go:build kvsim_invariants

package invariant

import "sync/atomic"

// On says whether invariants are checked.
const On = true

// Last remembers a value so that a check can compare it with the next one.
type Last[T any] struct{ v T }

// Swap remembers v and returns what was remembered before, at first the zero T.
func (l *Last[T]) Swap(v T) (before T) {
	before, l.v = l.v, v
	return before
}

// Value returns what is remembered, at first the zero T.
func (l *Last[T]) Value() T { return l.v }

// Shared is a Last for several goroutines.
type Shared[T any] struct{ v atomic.Pointer[T] }

// Store remembers v.
func (s *Shared[T]) Store(v T) { s.v.Store(&v) }

// Load returns what is remembered, at first the zero T.
func (s *Shared[T]) Load() (v T) {
	if p := s.v.Load(); p != nil {
		v = *p
	}
	return v
}

// Count counts events for a check, in several goroutines.
type Count struct{ n atomic.Uint64 }

// Add counts one event.
func (c *Count) Add() { c.n.Add(1) }

// Load returns how many events there were.
func (c *Count) Load() uint64 { return c.n.Load() }
