//go:build !unix

package main

// scarce does nothing: there is no limit to set.
func scarce() {}
