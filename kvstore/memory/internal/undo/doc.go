// Package undo keeps what a write replaces, for the readers that come while it is under
// way.
package undo
