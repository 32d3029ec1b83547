// Package order keeps items in the order of their keys, in trees of which each is one version
// and never changes.
package order
